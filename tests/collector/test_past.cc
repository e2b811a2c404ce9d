// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/log_rocksdb.h"
#include "collector/past.h"
#include "collector/queries.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Channel;
using event::HealthOrigin;
using event::HealthStatus;

constexpr const char* kNetwork = "198.51.100.0/24";
const Address kClient = *Address::parse("198.51.100.7");

// Positions count from 1 in each channel, in the order of these calls.
class PastOfALog : public ::testing::Test {
 protected:
  PastOfALog() : log_(std::move(*open_rocksdb_log(folder_.path() / "log"))) {}

  void append(event::Event event) {
    const Instant at = event.time;
    ASSERT_TRUE(log_->append({std::move(event)}, {}, at));
  }
  void best_is(std::string site, Instant at, const char* network = kNetwork) {
    event::State state;
    state.prefix = *Prefix::parse(network);
    state.version = ++version_;
    event::State::Path path{std::move(site), {}};
    path.estimate.samples = 9;
    path.estimate.min = path.estimate.p50 = path.estimate.p90 = Micros(9'000);
    path.estimate.at = at;
    state.paths.push_back(path);
    append({id(version_, "collector-test"), at, {}, state});
  }
  void forgotten(Instant at) {
    event::State state;
    state.prefix = *Prefix::parse(kNetwork);
    state.version = ++version_;
    append({id(version_, "collector-test"), at, {}, state});
  }
  void said(std::string site, HealthStatus status, HealthOrigin origin, Instant at) {
    append(health(++words_, std::move(site), status, origin, at));
  }
  Result<Past> past(const PastMoment& moment) const {
    return Past::make(*log_, setup_, moment, [] { return true; });
  }
  routing::Decision decision(const PastMoment& moment) const {
    return past(moment).value().explain(routing::ServiceId(0), kClient);
  }
  std::string site(const PastMoment& moment) const {
    return setup_.topology.sites[decision(moment).choice.site.index()].name;
  }
  void trim(Instant now, Nanos age) {
    Retention keep;
    keep.fill({age, 0});
    log_->trim(keep, now, 1'000'000);
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
  PastSetup setup_{two_sites(), nullptr, Seconds(3'600), {}};
  std::uint64_t version_ = 0;
  std::uint64_t words_ = 0;
};

TEST_F(PastOfALog, IsWhatWasKnownThen) {
  best_is("fra", kStart);
  best_is("iad", kStart + Seconds(60));
  forgotten(kStart + Seconds(120));
  const auto at = [&](int second) { return *PastMoment::at(*log_, kStart + Seconds(second)); };
  EXPECT_EQ(site(at(0)), "fra");
  EXPECT_EQ(site(at(59)), "fra");
  EXPECT_EQ(site(at(60)), "iad");
  EXPECT_EQ(decision(at(60)).reason, routing::Reason::measured);
  EXPECT_EQ(decision(at(60)).candidates.front().estimate->samples, 9U);
  EXPECT_EQ(decision(at(121)).reason, routing::Reason::default_order);
  EXPECT_EQ(site(PastMoment{1, 0}), "fra");
  EXPECT_EQ(site(PastMoment{2, 0}), "iad");
}

TEST_F(PastOfALog, TakesVersionsAsNodesDo) {
  best_is("iad", kStart);
  version_ = 0;  // late: of an older version
  best_is("fra", kStart + Seconds(1));
  EXPECT_EQ(site(PastMoment{2, 0}), "iad");
}

TEST_F(PastOfALog, KnowsWhichSitesWereUp) {
  best_is("iad", kStart);
  said("iad", HealthStatus::down, HealthOrigin::collector, kStart + Seconds(1));
  said("iad", HealthStatus::up, HealthOrigin::collector, kStart + Seconds(2));
  said("iad", HealthStatus::draining, HealthOrigin::operators, kStart + Seconds(3));
  said("iad", HealthStatus::up, HealthOrigin::operators, kStart + Seconds(2));  // said before
  EXPECT_EQ(site({1, 0}), "iad");
  EXPECT_EQ(site({1, 1}), "fra");
  EXPECT_EQ(decision({1, 1}).choice.override, routing::Override::site_down);
  EXPECT_EQ(site({1, 2}), "iad");
  EXPECT_EQ(site({1, 3}), "fra");
  EXPECT_EQ(site({1, 4}), "fra") << "the operator's last word by its own time";
}

TEST_F(PastOfALog, RefusesWhatTheLogDoesNotHave) {
  EXPECT_EQ(PastMoment::at(*log_, kStart).error().code(), Errc::not_found);
  best_is("fra", kStart);
  const auto before = PastMoment::at(*log_, kStart - Seconds(1));
  ASSERT_FALSE(before);
  EXPECT_NE(before.error().text().find(format_instant(kStart)), std::string::npos)
      << before.error().text();
  EXPECT_EQ(past({2, 0}).error().code(), Errc::not_found);
  EXPECT_EQ(past({0, 1}).error().code(), Errc::not_found);
  EXPECT_EQ(Past::make(*log_, setup_, {1, 0}, [] { return false; }).error().code(),
            Errc::unavailable);
}

TEST_F(PastOfALog, SaysWhereRetentionHasTakenSomething) {
  for (int minute = 0; minute < 240; ++minute) best_is("fra", kStart + Seconds(60 * minute));
  EXPECT_TRUE(past({1, 0})->is_whole());
  const Instant now = kStart + Seconds(4 * 3'600);
  trim(now, Seconds(2 * 3'600));
  const auto first = log_->first(Channel::state);
  ASSERT_GT(first, 100U);
  EXPECT_EQ(past({first - 2, 0}).error().code(), Errc::not_found);
  ASSERT_TRUE(past({first, 0}));
  EXPECT_FALSE(past({first, 0})->is_whole());
  EXPECT_TRUE(past({first + 75, 0})->is_whole()) << "70 minutes and more are there";
}

// What was said before the log begins can be told from what was said after it.
TEST_F(PastOfALog, InfersWhatStoodWhenTheLogBegins) {
  best_is("iad", kStart);
  said("iad", HealthStatus::down, HealthOrigin::collector, kStart);
  for (int i = 0; i < 10; ++i) {
    said("fra", HealthStatus::up, HealthOrigin::prober, kStart + Seconds(3'600 + i));
  }
  said("iad", HealthStatus::up, HealthOrigin::collector, kStart + Seconds(3'700));
  trim(kStart + Seconds(3'800), Seconds(600));
  ASSERT_EQ(log_->first(Channel::health), 2U);
  EXPECT_EQ(site({1, 5}), "fra") << "it came up later, so it was down";
  EXPECT_EQ(site({1, 12}), "iad");
}

TEST_F(PastOfALog, KnowsWordsThatStandSinceBeforeTheLogBegins) {
  best_is("iad", kStart);
  said("iad", HealthStatus::draining, HealthOrigin::operators, kStart);
  said("fra", HealthStatus::up, HealthOrigin::prober, kStart + Seconds(3'600));
  trim(kStart + Seconds(3'800), Seconds(600));
  ASSERT_EQ(log_->first(Channel::health), 2U);
  setup_.health.resize(2);
  setup_.health[1].by_operator = HealthStatus::draining;
  setup_.health[1].said = kStart;
  EXPECT_EQ(site({1, 2}), "fra");
}

TEST_F(PastOfALog, FindsTheDecisionOfAnId) {
  event::DecisionSample sample{
      "www.example.com", *Prefix::parse(kNetwork), "fra", "measured", 24, 1};
  append({id(1, "dns-old"), kStart, {}, sample});
  sample.state_position = 1;
  sample.health_position = 0;
  append({id(1, "dns-ns1"), kStart, {}, sample});
  best_is("fra", kStart);
  EXPECT_EQ(std::get<event::DecisionSample>(find_decision(*log_, id(1, "dns-ns1"))->payload),
            sample);
  EXPECT_EQ(find_decision(*log_, id(2, "dns-ns1")).error().code(), Errc::not_found);
  EXPECT_EQ(find_decision(*log_, id(1, "dns-old")).error().code(), Errc::invalid)
      << "of a version that does not say";
  EXPECT_EQ(find_decision(*log_, id(1, "collector-test")).error().code(), Errc::invalid);
}

}  // namespace
}  // namespace isochrone::collector
