// SPDX-License-Identifier: Apache-2.0
//
// Decisions that a real node gave, explained afterwards: by their events, and by their time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/loop.h"
#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

constexpr std::array kNetworks{"198.51.100.0/24", "198.51.101.0/24", "203.0.113.0/24"};
constexpr std::array kBest{"fra", "iad", "sin"};

class Explained : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.is_ready()) << daemon_.log(); }

  // Each network's best site is the one so many further than its own.
  void measure(std::size_t shift) {
    std::string lines;
    for (std::size_t i = 0; i < kNetworks.size(); ++i) {
      for (int probe = 0; probe < 6; ++probe) {
        for (std::size_t site = 0; site < kBest.size(); ++site) {
          const bool is_best = site == (i + shift) % kBest.size();
          lines += measurement(kBest[site], kNetworks[i], is_best ? 5'000 : 90'000, ++sequence_);
        }
      }
    }
    ASSERT_TRUE(post(url(), "measurement", lines));
    for (std::size_t i = 0; i < kNetworks.size(); ++i) {
      const std::string address = fmt::format("192.0.2.{}", (i + shift) % kBest.size() + 1);
      ASSERT_TRUE(eventually([&] {
        return answers(daemon_.endpoint("dns"), kNetworks[i], address);
      })) << daemon_.log();
    }
  }
  HttpAccess url() const { return daemon_.collector_url(); }
  nlohmann::json route(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "route");
    arguments.insert(arguments.end(), {"--json", "--collector", daemon_.collector_url()});
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 0) << finished.err;
    return nlohmann::json::parse(finished.out, nullptr, false);
  }
  std::vector<nlohmann::json> decisions() const { return events_of(url(), "decision"); }

  World world_;
  Daemon daemon_{world_.write("node.yaml", world_.all_in_one())};
  std::uint64_t sequence_ = 0;
};

TEST_F(Explained, EveryDecisionIsWhatItsExplanationSays) {
  measure(0);
  // One of each second is a sample.
  const auto is_told = [&](const char* network) {
    static_cast<void>(answer_for(daemon_.endpoint("dns"), network));
    const auto told = decisions();
    return std::any_of(told.begin(), told.end(),
                       [&](const auto& event) { return event["prefix"] == network; });
  };
  ASSERT_TRUE(eventually([&] { return is_told(kNetworks[0]); })) << daemon_.log();
  ASSERT_EQ(post(url(), "health", operator_says("iad", "down", 1)).value_or(Posted{}).status, 200);
  ASSERT_TRUE(eventually([&] {
    static_cast<void>(answer_for(daemon_.endpoint("dns"), kNetworks[1]));
    return decisions().back()["prefix"] == kNetworks[1] && decisions().back()["site"] != "iad";
  })) << daemon_.log();
  for (const auto& event : decisions()) {
    const auto& id = event["id"];
    const auto told = route({"--decision", fmt::format("{}/{}/{}", id["source"].get<std::string>(),
                                                       id["epoch"].get<std::uint64_t>(),
                                                       id["sequence"].get<std::uint64_t>())});
    ASSERT_TRUE(told.is_object());
    EXPECT_EQ(told["agrees"], true) << told.dump() << "\n" << event.dump();
    EXPECT_EQ(told["decisions"][0]["site"], event["site"]);
    EXPECT_EQ(told["decisions"][0]["candidates"].size(), 3U);
  }
}

TEST_F(Explained, TheAnswerOfAnEarlierTimeIsTold) {
  measure(0);
  const Finished now = isochrone({"route", "198.51.100.7", "--collector", daemon_.collector_url()});
  EXPECT_EQ(now.status, 0) << now.err;
  const std::string then = format_instant(Loop().wall());
  const auto before = route({"198.51.100.7", "--at", then});
  EXPECT_EQ(before["decisions"][0]["site"], "fra") << before.dump();
  EXPECT_EQ(before["decisions"][0]["reason"], "measured");
  EXPECT_GT(before["decisions"][0]["candidates"][0]["samples"], 0);
  EXPECT_EQ(before["whole"], true);
  measure(1);
  EXPECT_EQ(route({"198.51.100.7"})["decisions"][0]["site"], "iad");
  EXPECT_EQ(route({"198.51.100.7", "--at", then})["decisions"], before["decisions"]);
}

TEST_F(Explained, WhatCannotBeToldIsRefusedWithAReason) {
  measure(0);
  const auto refused = [&](std::vector<std::string> arguments, int status = 1) {
    arguments.insert(arguments.begin(), "route");
    arguments.insert(arguments.end(), {"--collector", daemon_.collector_url()});
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, status) << finished.out;
    return finished.err;
  };
  EXPECT_NE(refused({"198.51.100.7", "--at", "2h"}).find("before the event log begins"),
            std::string::npos);
  EXPECT_NE(refused({"198.51.100.7", "--at", "noon"}).find("no time of the past"),
            std::string::npos);
  EXPECT_NE(refused({"198.51.100.7", "--at", "2199-01-01T00:00:00Z"}).find("no time of the past"),
            std::string::npos);
  EXPECT_NE(refused({"--decision", "dns-ns1/1/1"}).find("no event dns-ns1/1/1"), std::string::npos);
  EXPECT_NE(refused({"--decision", "dns-ns1"}).find("SOURCE/EPOCH/SEQUENCE"), std::string::npos);
  EXPECT_NE(refused({}, 2).find("ADDRESS"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::test
