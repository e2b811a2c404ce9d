// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "collector/conditions.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;
using enum ConditionMetric;

Condition above(ConditionMetric metric, double bound, Seconds hold = Seconds(0)) {
  Condition condition;
  condition.name = "rule";
  condition.metric = metric;
  condition.above = bound;
  condition.hold = hold;
  condition.severity = "page";
  return condition;
}

// What is seen of fra so many seconds after the start.
struct Seen {
  int second;
  std::optional<Instant> heard{};
  std::uint64_t catchment = 0;
  std::uint64_t left = 0;
  std::optional<Vitals::Round> round{};
  event::Position measurements = 0;
};

Vitals vitals(const Seen& seen) {
  Vitals vitals;
  vitals.now = kStart + Seconds(seen.second);
  vitals.sites.push_back({"fra", seen.heard, seen.catchment, seen.left, seen.round});
  vitals.channels[0] = {seen.measurements, std::nullopt};
  return vitals;
}

bool fires(const Conditions& conditions) {
  const auto found = conditions.alerts().find({"rule", "fra"});
  return found != conditions.alerts().end() && found->second.is_firing;
}

TEST(Conditions, FireAfterTheyHeldAndAreOverWhenTheyHoldNoMore) {
  Conditions conditions({above(site_silence, 5, Seconds(3))});
  EXPECT_FALSE(conditions.evaluate(vitals({5, kStart})));
  EXPECT_FALSE(conditions.evaluate(vitals({6, kStart})));
  EXPECT_FALSE(conditions.evaluate(vitals({8, kStart})));
  EXPECT_TRUE(conditions.evaluate(vitals({9, kStart})));
  ASSERT_EQ(conditions.to_tell().size(), 1U);
  EXPECT_EQ(conditions.to_tell()[0].since, kStart + Seconds(6));
  EXPECT_EQ(conditions.to_tell()[0].detail, "site-silence of fra is 9, above 5");
  conditions.told(conditions.to_tell());
  EXPECT_FALSE(conditions.evaluate(vitals({10, kStart}))) << "nothing new";
  EXPECT_TRUE(conditions.evaluate(vitals({11, kStart + Seconds(11)})));
  ASSERT_EQ(conditions.to_tell().size(), 1U);
  EXPECT_EQ(conditions.to_tell()[0].over, kStart + Seconds(11));
  conditions.told(conditions.to_tell());
  EXPECT_TRUE(conditions.alerts().empty());
}

TEST(Conditions, WhatHeldTooShortlyIsNeverTold) {
  Conditions conditions({above(site_silence, 5, Seconds(3))});
  conditions.evaluate(vitals({6, kStart}));
  EXPECT_FALSE(conditions.evaluate(vitals({7, kStart + Seconds(7)})));
  EXPECT_TRUE(conditions.alerts().empty());
}

TEST(Conditions, WhatChangedOnItsWayIsToldAgain) {
  Conditions conditions({above(site_silence, 5)});
  conditions.evaluate(vitals({6, kStart}));
  const auto firing = conditions.to_tell();
  conditions.evaluate(vitals({7, kStart + Seconds(7)}));
  conditions.told(firing);
  ASSERT_EQ(conditions.to_tell().size(), 1U) << "that it is over was not told";
  EXPECT_TRUE(conditions.to_tell()[0].over);
}

TEST(Conditions, LookAtTheLastRound) {
  Condition incomplete = above(round_completeness, 0);
  incomplete.above.reset();
  incomplete.below = 0.9;
  Conditions conditions({incomplete});
  conditions.evaluate(vitals({1}));
  EXPECT_FALSE(fires(conditions)) << "no round yet";
  conditions.evaluate(vitals({2, {}, 0, 0, Vitals::Round{"fra-1", 0.5, 0}}));
  EXPECT_TRUE(fires(conditions));
  EXPECT_NE(conditions.to_tell()[0].detail.find("task fra-1"), std::string::npos);
  conditions.evaluate(vitals({3, {}, 0, 0, Vitals::Round{"fra-2", 0.95, 0}}));
  EXPECT_FALSE(fires(conditions));
}

TEST(Conditions, SeeACatchmentMove) {
  Conditions conditions({above(catchment_moved, 0.2)});
  conditions.evaluate(vitals({0, {}, 100, 7}));
  conditions.evaluate(vitals({30, {}, 85, 22}));
  EXPECT_FALSE(fires(conditions));
  conditions.evaluate(vitals({50, {}, 75, 32}));
  EXPECT_TRUE(fires(conditions)) << "25 of 100 within a minute";
  conditions.evaluate(vitals({120, {}, 75, 32}));
  EXPECT_FALSE(fires(conditions));
}

TEST(Conditions, TakeARateOverItsWholeSpan) {
  Condition quiet = above(channel_rate, 0);
  quiet.above.reset();
  quiet.below = 10;
  quiet.of = "measurement";
  Conditions conditions({quiet});
  conditions.evaluate(vitals({0}));
  conditions.evaluate(vitals({59}));
  EXPECT_TRUE(conditions.alerts().empty());
  conditions.evaluate(vitals({60, {}, 0, 0, {}, 599}));
  EXPECT_EQ(conditions.alerts().size(), 1U);
  conditions.evaluate(vitals({61, {}, 0, 0, {}, 5'000}));
  EXPECT_TRUE(conditions.alerts().begin()->second.over);
}

TEST(Conditions, SpeakAsAlertmanagerDoes) {
  Conditions conditions({above(site_silence, 5)});
  conditions.evaluate(vitals({6, kStart}));
  const json firing = json::parse(alertmanager_body(conditions.to_tell(), "c1"));
  EXPECT_EQ(firing["version"], "4");
  EXPECT_EQ(firing["status"], "firing");
  const json& alert = firing["alerts"].at(0);
  EXPECT_EQ(alert["labels"],
            (json{{"alertname", "rule"}, {"site", "fra"}, {"node", "c1"}, {"severity", "page"}}));
  EXPECT_EQ(alert["startsAt"], "2024-05-01T12:00:06.000000Z");
  EXPECT_EQ(alert["endsAt"], "0001-01-01T00:00:00Z");
  conditions.evaluate(vitals({7, kStart + Seconds(7)}));
  const json over = json::parse(alertmanager_body(conditions.to_tell(), "c1"));
  EXPECT_EQ(over["status"], "resolved");
  EXPECT_EQ(over["alerts"][0]["endsAt"], "2024-05-01T12:00:07.000000Z");
  EXPECT_EQ(over["alerts"][0]["fingerprint"], alert["fingerprint"]);
}

TEST(Conditions, AreOverWhenTheirRuleIsGone) {
  Condition lasting = above(site_silence, 5, Seconds(60));
  lasting.name = "lasting";
  Conditions conditions({above(site_silence, 5), lasting});
  conditions.evaluate(vitals({6, kStart}));
  conditions.told(conditions.to_tell());
  conditions.replace({});
  EXPECT_TRUE(conditions.evaluate(vitals({7, kStart})));
  ASSERT_EQ(conditions.to_tell().size(), 1U) << "what never fired is no news";
  EXPECT_EQ(conditions.to_tell()[0].over, kStart + Seconds(7));
  EXPECT_NE(conditions.to_tell()[0].detail.find("configuration"), std::string::npos);
  conditions.evaluate(vitals({8, kStart}));
  EXPECT_EQ(conditions.to_tell().at(0).over, kStart + Seconds(7)) << "it ends once";
  conditions.told(conditions.to_tell());
  EXPECT_TRUE(conditions.alerts().empty());
}

TEST(Conditions, AreOverWhenTheirRuleIsForAnotherSite) {
  Conditions conditions({above(site_silence, 5)});
  conditions.evaluate(vitals({6, kStart}));
  conditions.told(conditions.to_tell());
  Condition other = above(site_silence, 5);
  other.of = "iad";
  conditions.replace({other});
  EXPECT_TRUE(conditions.evaluate(vitals({7, kStart})));
  EXPECT_TRUE(conditions.to_tell().at(0).over);
}

TEST(Conditions, WhoseRuleWentBetweenTwoLivesAreOver) {
  Conditions before({above(site_silence, 5)});
  before.evaluate(vitals({6, kStart}));
  Conditions after({});
  after.restore(before.to_tell().at(0));
  EXPECT_TRUE(after.evaluate(vitals({7, kStart})));
  EXPECT_EQ(after.to_tell().at(0).over, kStart + Seconds(7));
}

TEST(Conditions, OutliveARestart) {
  Conditions before({above(site_silence, 5)});
  before.evaluate(vitals({6, kStart}));
  const auto kept = from_note(to_note(before.to_tell()[0]));
  ASSERT_TRUE(kept);
  Conditions after({above(site_silence, 5)});
  after.restore(*kept);
  EXPECT_TRUE(fires(after));
  after.evaluate(vitals({20, kStart + Seconds(19)}));
  EXPECT_EQ(after.to_tell().at(0).over, kStart + Seconds(20));
  EXPECT_FALSE(from_note("{"));
  EXPECT_FALSE(from_note("{\"condition\":1}"));
}

}  // namespace
}  // namespace isochrone::collector
