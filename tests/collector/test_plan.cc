// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/core.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

constexpr const char* kClient = "198.18.7.0/24";

// A core that may have two paths of three measured, and the world around it.
class Budget : public testing::Test {
 protected:
  Budget() : core_(options(), three_sites(), 1) {}

  static Options options() {
    Options options = test_options();
    options.probe_budget = 2;
    return options;
  }
  static routing::Topology three_sites() {
    routing::Topology topology = two_sites();
    topology.sites.push_back({"sin", {}, {*Address::parse("192.0.2.3")}});
    topology.services[0].sites.push_back(routing::SiteId(2));
    return topology;
  }

  void ask(const char* service = "www.example.com") {
    deliver({id(++asked_, "dns"),
             now_,
             {},
             event::Demand{service, *Prefix::parse(kClient), *Address::parse("198.51.100.1"), 1,
                           Millis(1000)}});
  }
  void measure(const std::string& site, const char* prefix, Micros rtt) {
    deliver(measured(++measured_, site, prefix, now_, rtt));
  }
  void deliver(event::Event event) {
    const auto admitted = core_.admit({std::move(event)}, now_);
    core_.apply(admitted.fresh, std::vector<event::Position>(admitted.fresh.size(), ++last_), now_);
  }
  // The targets of `prefix` that are named until a window later, each as "site+site".
  std::vector<std::string> named(const char* prefix) {
    now_ += Seconds(2);
    core_.advance(now_);
    std::vector<std::string> found;
    for (const event::Event& said : core_.outbox().events) {
      const auto* target = std::get_if<event::Target>(&said.payload);
      if (target == nullptr || target->prefix != *Prefix::parse(prefix)) continue;
      found.emplace_back();
      for (const std::string& site : target->sites) {
        found.back() += (found.back().empty() ? "" : "+") + site;
      }
    }
    core_.outbox_is_durable();
    return found;
  }

  Core core_;
  Instant now_ = kStart;
  std::uint64_t asked_ = 0;
  std::uint64_t measured_ = 0;
  event::Position last_ = 0;
};

TEST_F(Budget, LetsSitesMeasureEachOther) {
  EXPECT_EQ(named("192.0.2.1/32"), std::vector<std::string>{"iad+sin"});
  EXPECT_TRUE(named("192.0.2.1/32").empty());
  now_ += Seconds(150);  // half a target lifetime
  EXPECT_EQ(named("192.0.2.2/32"), std::vector<std::string>{"fra+sin"});
}

TEST_F(Budget, NamesOnePathAfterTheOtherAndNoMoreThanItMay) {
  ask();
  const auto first = named(kClient);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(named(kClient).empty()) << "before the first has reported";
  measure(first[0], kClient, Micros(50'000));
  const auto second = named(kClient);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second, first);
  measure(second[0], kClient, Micros(40'000));
  EXPECT_TRUE(named(kClient).empty());
  ask();
  EXPECT_TRUE(named(kClient).empty());
}

TEST_F(Budget, WatchesWhatAnswersUseFirstInTheNextRound) {
  ask();
  const auto first = named(kClient);
  measure(first[0], kClient, Micros(50'000));
  const auto second = named(kClient);
  measure(second[0], kClient, Micros(20'000));
  named(kClient);
  now_ += Seconds(300);
  ask();
  EXPECT_EQ(named(kClient), second);
}

TEST_F(Budget, GoesOnWhenAProberIsSilent) {
  ask();
  const auto first = named(kClient);
  now_ += Seconds(30);
  ask();
  const auto second = named(kClient);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_NE(second, first);
}

TEST_F(Budget, NamesNothingForAServiceNobodyHas) {
  ask("no.example.com");
  EXPECT_TRUE(named(kClient).empty());
}

TEST_F(Budget, SurvivesANewTopology) {
  ask();
  named(kClient);
  core_.reconfigure(options(), two_sites());
  now_ += Seconds(1);
  ask();
  EXPECT_EQ(named(kClient).size(), 1U);
}

}  // namespace
}  // namespace isochrone::collector
