// SPDX-License-Identifier: Apache-2.0
//
// `isochrone replay` over what a real node recorded: measurements, and the demand of real queries.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <set>

#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

constexpr std::array kAtIad{"198.51.100.0/24", "198.51.101.0/24", "198.51.102.0/24"};
constexpr std::array kAtSin{"203.0.113.0/24"};

class Replayed : public testing::Test {
 protected:
  Replayed() {
    start();
    std::string lines;
    std::uint64_t sequence = 0;
    const auto measure = [&](const char* network, std::string_view best) {
      for (int probe = 0; probe < 3; ++probe) {
        for (const std::string_view site : {"fra", "iad", "sin"}) {
          lines += measurement(site, network, site == best ? 10'000 : 60'000, ++sequence);
        }
      }
    };
    for (const char* network : kAtIad) measure(network, "iad");
    for (const char* network : kAtSin) measure(network, "sin");
    EXPECT_TRUE(post(url(), "measurement", lines));
    for (const char* network : kAtIad) EXPECT_TRUE(asked(network, "192.0.2.2"));
    for (const char* network : kAtSin) EXPECT_TRUE(asked(network, "192.0.2.3"));
    // Queries before that found nothing measured yet are in the interval too, and move likewise: what
    // was not measured went to fra.
    EXPECT_TRUE(eventually([&] { return asks() >= asked_; })) << daemon_->log();
  }

  void start() {
    daemon_ = std::make_unique<Daemon>(config_);
    ASSERT_TRUE(daemon_->is_ready()) << daemon_->log();
  }
  std::string url() const { return daemon_->collector_url(); }
  bool asked(const char* network, const char* address) {
    return eventually([&] {
      ++asked_;
      return answers(daemon_->endpoint("dns"), network, address);
    });
  }
  std::uint64_t asks() const {
    std::uint64_t queries = 0;
    for (const auto& event : events_of(url(), "demand")) queries += event.value("queries", 0U);
    return queries;
  }
  nlohmann::json replay(std::vector<std::string> more) const {
    std::vector<std::string> arguments{"replay", "--since", "1h", "--baseline", config_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 0) << finished.err;
    return nlohmann::json::parse(finished.out, nullptr, false);
  }

  World world_;
  std::string config_ = world_.write("node.yaml", world_.all_in_one());
  std::unique_ptr<Daemon> daemon_;
  std::uint64_t asked_ = 0;
};

TEST_F(Replayed, WithoutASiteMovesTheNetworksThatWereAtIt) {
  const auto report = replay({"--without-site", "iad", "--collector", url()});
  ASSERT_TRUE(report.is_object());
  EXPECT_EQ(report["weighted_by"], "demand");
  EXPECT_EQ(report["queries"], asks());
  std::set<std::string> moved;
  for (const auto& move : report["moves"]) {
    EXPECT_EQ(move["from"], "iad") << move.dump();
    for (const std::string network : move["examples"]) moved.insert(network);
  }
  EXPECT_EQ(moved, (std::set<std::string>{kAtIad.begin(), kAtIad.end()}));
  EXPECT_EQ(report["rtt_of_moved"]["p50_ms"]["before"], 10.0);
  EXPECT_EQ(report["rtt_of_moved"]["p50_ms"]["after"], 60.0);
  EXPECT_EQ(replay({"--collector", url()})["moved"], 0);
}

TEST_F(Replayed, ReadsTheLogWhileTheCollectorIsDownAndLeavesItAsItWas) {
  const auto of_api = replay({"--without-site", "iad", "--collector", url()});
  daemon_.reset();
  const std::string log = world_.path("state-ns1/log");
  const auto of_log = replay({"--without-site", "iad", "--log", log});
  EXPECT_EQ(of_log["source"], log);
  for (const char* field : {"queries", "moved", "moves", "rtt", "rtt_of_moved"}) {
    EXPECT_EQ(of_log[field], of_api[field]) << field;
  }
  start();
  EXPECT_EQ(get_json(url(), "/v1/status")["events"]["lost"], 0);
}

TEST_F(Replayed, EndsWhenInterrupted) {
  // The other configuration comes through a pipe, so that it is known to wait there.
  const std::string pipe = world_.path("other.yaml");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Daemon replay(pipe, {"replay", "--since", "1h", "--baseline", config_, "--collector", url()});
  {
    std::ofstream other(pipe);  // opens when it reads
    replay.signal(SIGINT);
    other << world_.all_in_one();
  }
  EXPECT_EQ(replay.ended(), 1) << replay.log();
  EXPECT_TRUE(replay.hears("interrupted; nothing was changed")) << replay.log();
}

TEST_F(Replayed, SaysWhatItCannotDo) {
  const auto refused = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"replay", "--baseline", config_, "--collector", url()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 1) << finished.out;
    EXPECT_TRUE(finished.out.empty());
    return finished.err;
  };
  EXPECT_NE(refused({"--since", "1h", "--without-site", "no"}).find("fra, iad, sin"),
            std::string::npos);
  EXPECT_NE(refused({"--since", "soon"}).find("--since soon"), std::string::npos);
  EXPECT_NE(refused({"--since", "1h", "--until", "2h"}).find("--until"), std::string::npos);
  EXPECT_NE(refused({"--since", "2h", "--until", "1h"}).find("no demand"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::test
