// SPDX-License-Identifier: Apache-2.0
//
// Scores, hysteresis and orders: a real gain moves an answer once, noise never does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "routing/policy.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using ::testing::ElementsAre;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::measured;
using testing::never_answered;
using testing::rtt;
using testing::three_sites;

constexpr const char* kPrefix = "192.0.2.0/24";
const Instant kNow = *parse_instant("2024-05-01T12:00:00Z");

Estimate lossy(double milliseconds, std::uint16_t permille, std::uint32_t samples) {
  Estimate estimate = rtt(milliseconds);
  estimate.loss_permille = permille;
  estimate.samples = samples;
  return estimate;
}

SiteId preferred(const PrefixState& state) { return *state.preferred(kWww); }

TEST(Score, IsTheMedianOfAPathWithoutLoss) { EXPECT_EQ(score(rtt(30)), Micros(30'000)); }

TEST(Score, IsWorstForAPathThatNeverAnswered) {
  EXPECT_GT(score(never_answered()), score(lossy(300, 1000, 5)));
}

TEST(Score, DoesNotMindLossThatChanceExplains) {
  EXPECT_EQ(score(lossy(30, 200, 4)), Micros(30'000));   // one of five
  EXPECT_EQ(score(lossy(30, 27, 36)), Micros(30'000));   // one of 37
  EXPECT_EQ(score(lossy(30, 10, 250)), Micros(30'000));  // a usual 1 %
}

TEST(Score, CountsARetransmissionForLossThatIsCertain) {
  // 10 % of 256 probes: two deviations of 1.9 % below are 6.4 %, a second times 64 / 936.
  EXPECT_NEAR(static_cast<double>(score(lossy(30, 100, 256)).count()), 30'000 + 68'000, 3'000);
  EXPECT_GT(score(lossy(30, 1000, 5)), Micros(100'000'000));
}

TEST(Score, IsSurerOfWideGapsAndManySamples) {
  const auto chance = [](double a, double b, std::uint32_t samples) {
    Estimate first = rtt(a, 2);
    Estimate second = rtt(b, 2);
    first.samples = second.samples = samples;
    return chance_better(first, second, Objective::p50);
  };
  EXPECT_DOUBLE_EQ(chance(30, 30, 10), 0.5);
  EXPECT_GT(chance(30, 31, 10), 0.5);
  EXPECT_GT(chance(30, 34, 10), chance(30, 31, 10));
  EXPECT_GT(chance(30, 31, 100), chance(30, 31, 3));
  EXPECT_NEAR(chance(30, 31, 10) + chance(31, 30, 10), 1, 1e-9);
  EXPECT_GT(chance(30, 300, 3), 0.99);
}

TEST(Preference, StartsWithTheBest) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(30)}, {kIad, rtt(20)}, {kSin, rtt(150)}});
  EXPECT_TRUE(decide_preferences(state, three_sites(), kAllSites, kNow));
  EXPECT_EQ(preferred(state), kIad);
  EXPECT_FALSE(decide_preferences(state, three_sites(), kAllSites, kNow));
}

TEST(Preference, OfEqualPathsIsTheFirstConfigured) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(20)}, {kIad, rtt(20)}});
  decide_preferences(state, three_sites(), kAllSites, kNow);
  EXPECT_EQ(preferred(state), kFra);
}

TEST(Preference, MovesForAGainBeyondBothLimitsAndTheNoise) {
  struct Case {
    const char* what;
    Estimate incumbent;
    Estimate challenger;
    bool moves;
  };
  const Case cases[] = {
      {"less than half a millisecond", rtt(5.0, 0.05), rtt(4.6, 0.05), false},
      {"more than half a millisecond", rtt(5.0, 0.05), rtt(4.2, 0.05), true},
      {"less than three per cent", rtt(100, 0.05), rtt(98, 0.05), false},
      {"more than three per cent", rtt(100, 0.05), rtt(95, 0.05), true},
      {"within the noise", rtt(20, 10), rtt(16, 10), false},
      {"beyond the noise", rtt(20, 10), rtt(8, 10), true},
      {"worse", rtt(20), rtt(25), false},
      {"an outage", lossy(5, 1000, 100), rtt(200), true},
  };
  for (const Case& one : cases) {
    PrefixState state = measured(kPrefix, {{kFra, one.incumbent}, {kIad, one.challenger}});
    state.prefer(kWww, kFra);
    EXPECT_EQ(decide_preferences(state, three_sites(), kAllSites, kNow), one.moves) << one.what;
    EXPECT_EQ(preferred(state), one.moves ? kIad : kFra) << one.what;
  }
}

TEST(Preference, DoesNotTrustOneLuckySample) {
  Estimate lucky = rtt(28, 0);
  lucky.samples = 1;
  PrefixState state = measured(kPrefix, {{kFra, rtt(30)}, {kIad, lucky}});
  state.prefer(kWww, kFra);
  EXPECT_FALSE(decide_preferences(state, three_sites(), kAllSites, kNow));
}

TEST(Preference, IsAtOnceGivenUpWhenItsSiteIsDown) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(10)}, {kIad, rtt(90)}});
  decide_preferences(state, three_sites(), kAllSites, kNow);
  EXPECT_TRUE(decide_preferences(state, three_sites(), site_bit(kIad) | site_bit(kSin), kNow));
  EXPECT_EQ(preferred(state), kIad);
  EXPECT_TRUE(decide_preferences(state, three_sites(), kAllSites, kNow));
  EXPECT_EQ(preferred(state), kFra);
}

TEST(Preference, StaysWhenNothingMeasuredIsUp) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(10)}});
  decide_preferences(state, three_sites(), kAllSites, kNow);
  EXPECT_FALSE(decide_preferences(state, three_sites(), site_bit(kSin), kNow));
  EXPECT_EQ(preferred(state), kFra);
}

TEST(Preference, CountsAllAsUpWhenAllAreDown) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(10)}, {kIad, rtt(5)}});
  EXPECT_TRUE(decide_preferences(state, three_sites(), SiteMask{0}, kNow));
  EXPECT_EQ(preferred(state), kIad);
}

TEST(Preference, IsForgottenWithItsEstimate) {
  PrefixState state = measured(kPrefix, {});
  state.prefer(kWww, kFra);
  EXPECT_TRUE(decide_preferences(state, three_sites(), kAllSites, kNow));
  EXPECT_EQ(state.preferred(kWww), nullptr);
}

TEST(Preference, IsNeverASiteOfAnotherService) {
  Topology topology = three_sites();
  topology.services = {{"a.example", {kFra}}, {"b.example", {kIad, kSin}}};
  PrefixState state = measured(kPrefix, {{kFra, rtt(1)}, {kIad, rtt(80)}, {kSin, rtt(50)}});
  EXPECT_TRUE(decide_preferences(state, topology, kAllSites, kNow));
  EXPECT_EQ(*state.preferred(ServiceId(0)), kFra);
  EXPECT_EQ(*state.preferred(ServiceId(1)), kSin);
}

// fra is used, iad becomes better by so much; whether answers have moved so long after.
class Dwell : public ::testing::Test {
 protected:
  Dwell() : state_(measured(kPrefix, {{kFra, rtt(30)}, {kIad, rtt(40)}})) {
    topology_.services[0].dwell = Seconds(10);
    decide(Seconds(0));
  }
  // Both paths were heard of by then.
  SiteId decide(Seconds after) {
    for (PathState& path : state_.paths) path.estimate.at = kNow + after;
    decide_preferences(state_, topology_, kAllSites, kNow + after);
    return *state_.preferred(kWww);
  }
  void become(double fra, double iad) {
    state_.set(kFra, rtt(fra));
    state_.set(kIad, rtt(iad));
  }

  Topology topology_ = three_sites();
  PrefixState state_;
};

TEST_F(Dwell, AGainMustLast) {
  become(30, 20);
  EXPECT_EQ(decide(Seconds(100)), kFra);
  EXPECT_EQ(decide(Seconds(109)), kFra);
  EXPECT_EQ(decide(Seconds(110)), kIad);
}

TEST_F(Dwell, BeginsAnewWhenTheGainWasGone) {
  become(30, 20);
  decide(Seconds(100));
  become(30, 40);
  decide(Seconds(105));
  become(30, 20);
  EXPECT_EQ(decide(Seconds(110)), kFra);
  EXPECT_EQ(decide(Seconds(119)), kFra);
  EXPECT_EQ(decide(Seconds(120)), kIad);
}

TEST_F(Dwell, HarmIsEndedAtOnce) {
  become(300, 40);
  EXPECT_EQ(decide(Seconds(100)), kIad);
}

TEST_F(Dwell, TheFirstMinuteOfANetworkDoesNotWait) {
  become(30, 20);
  EXPECT_EQ(decide(Seconds(20)), kIad);
}

TEST_F(Dwell, APathThatAlternatesIsHeldStill) {
  int moves = 0;
  SiteId was = kFra;
  for (int minute = 2; minute < 60; ++minute) {
    if (minute % 2 == 0) {
      become(300, 40);
    } else {
      become(40, 300);
    }
    const SiteId is = decide(Seconds(60 * minute));
    if (is != was) ++moves;
    was = is;
  }
  EXPECT_EQ(moves, 4);
}

TEST_F(Dwell, EvenHeldStillItLeavesWhatStaysBad) {
  for (int minute = 2; minute < 6; ++minute) {
    become(minute % 2 == 0 ? 300 : 40, minute % 2 == 0 ? 40 : 300);
    decide(Seconds(60 * minute));
  }
  become(300, 40);
  EXPECT_EQ(decide(Seconds(600)), kFra);
  EXPECT_EQ(decide(Seconds(899)), kFra);
  EXPECT_EQ(decide(Seconds(900)), kIad);
}

// iad is used; fra is usually as far as it is now, and iad, which jumped to be near, usually is not.
class Silence : public ::testing::Test {
 protected:
  Silence() : state_(measured(kPrefix, {{kFra, rtt(50)}, {kIad, rtt(20)}})) {
    for (PathState& path : state_.paths) {
      path.estimate.at = kNow;
      const Micros usual(path.site == kFra ? 50'000 : 120'000);
      path.usual.hold(usual, usual, Nanos(0));
    }
    decide_preferences(state_, topology_, kAllSites, kNow);
  }
  SiteId decide(Nanos after, const Persistence& persistence = {}) {
    decide_preferences(state_, topology_, kAllSites, kNow + after, persistence);
    return *state_.preferred(kWww);
  }

  Topology topology_ = three_sites();
  PrefixState state_;
};

TEST_F(Silence, WhatWasSeenHoldsForMinutes) {
  EXPECT_EQ(decide(Seconds(0)), kIad);
  EXPECT_EQ(decide(std::chrono::minutes(4)), kIad);
}

TEST_F(Silence, AfterHoursTheUsualIsBelieved) {
  topology_.services[0].dwell = Seconds(10);
  EXPECT_EQ(decide(std::chrono::hours(20)), kFra);  // at once: no news can be waited for
}

TEST_F(Silence, UnlessPathsWereFoundToStayWhereTheyJumpTo) {
  Persistence persistence;
  for (int i = 0; i < 1'000; ++i) {
    persistence.observe(std::chrono::hours(20), Micros(60'000), Micros(40'000), Micros(60'000));
  }
  EXPECT_EQ(decide(std::chrono::hours(20), persistence), kIad);
}

TEST_F(Silence, EstimatesThemselvesStayWhatWasMeasured) {
  const std::vector<PathState> before = state_.paths;
  decide(std::chrono::hours(20));
  EXPECT_EQ(state_.paths, before);
}

// Four sites see a client in Europe; what sin says would need a client next door to Singapore.
TEST(Preference, IsNotWhatLightForbids) {
  Topology topology = three_sites();
  topology.sites.push_back({"par", Location{48.86, 2.35}, {}});
  topology.services[0].sites.emplace_back(std::uint16_t{3});
  PrefixState state =
      measured(kPrefix, {{kFra, rtt(12)}, {kIad, rtt(85)}, {kSin, rtt(2)}, {SiteId(3), rtt(15)}});
  decide_preferences(state, topology, kAllSites, kNow);
  EXPECT_EQ(preferred(state), kFra);
  state.set(kSin, rtt(160));
  state.set(kFra, rtt(200));
  decide_preferences(state, topology, kAllSites, kNow);
  EXPECT_EQ(preferred(state), SiteId(3));
}

TEST(Preference, OfTwoThatContradictEachOtherIsTheBetter) {
  PrefixState state = measured(kPrefix, {{kFra, rtt(12)}, {kSin, rtt(2)}});
  decide_preferences(state, three_sites(), kAllSites, kNow);
  EXPECT_EQ(preferred(state), kSin);
}

// Mathis: 64 * sqrt(2p/3) times slower than without loss; nothing while that is below 1.
TEST(Score, CountsHowFastDownloadsAreWhenAskedTo) {
  Estimate estimate = testing::rtt(20);
  estimate.samples = 60'000;
  EXPECT_EQ(score(estimate, Objective::throughput), Micros(20'000));
  estimate.loss_permille = 200;
  // 150 of 200 are beyond two deviations of 256 probes: 64 * sqrt(0.1) = 20.24 times.
  EXPECT_NEAR(static_cast<double>(score(estimate, Objective::throughput).count()), 404'800, 500);
  Estimate farther = testing::rtt(100);
  EXPECT_LT(score(farther, Objective::throughput), score(estimate, Objective::throughput));
  EXPECT_LT(score(estimate, Objective::min), score(farther, Objective::min) + Micros(200'000));
}

TEST(Score, CountsTheRttOfTheObjective) {
  Estimate estimate = rtt(30);
  estimate.min = Micros(20'000);
  estimate.p90 = Micros(90'000);
  EXPECT_EQ(score(estimate), Micros(30'000));
  EXPECT_EQ(score(estimate, Objective::min), Micros(20'000));
  EXPECT_EQ(score(estimate, Objective::p90), Micros(90'000));
}

// Two paths as a laboratory gives them: five answers a window, Gaussian-like jitter of their own.
class TwoPaths {
 public:
  TwoPaths(std::uint64_t seed, double jitter) : random_(seed), jitter_(jitter) {
    state_.prefix = testing::prefix(kPrefix);
  }
  // Folds a window into each path and decides; whether the preference moved.
  bool next(double fra, double iad) {
    ++window_;
    fold(kFra, fra);
    fold(kIad, iad);
    const SiteId* before = state_.preferred(kWww);
    const bool had_one = before != nullptr;
    return decide_preferences(state_, three_sites(), kAllSites, kNow) && had_one;
  }
  SiteId preferred() const { return *state_.preferred(kWww); }

 private:
  // The sum of three uniform numbers: bell-shaped, deviation `jitter_`.
  double sample(double median) {
    return median + 2 * jitter_ * (random_.unit() + random_.unit() + random_.unit() - 1.5);
  }
  void fold(SiteId site, double median) {
    double samples[5];
    for (double& one : samples) one = sample(median);
    std::sort(std::begin(samples), std::end(samples));
    double deviation = 0;
    for (const double one : samples) deviation += std::abs(one - samples[2]) / 5;
    const auto micros = [](double value) { return Micros(static_cast<Micros::rep>(value * 1e3)); };
    WindowSummary summary;
    summary.end = from_unix_nanos(window_ * 5'000'000'000);
    summary.min = micros(samples[0]);
    summary.p50 = micros(samples[2]);
    summary.p90 = micros(samples[4]);
    summary.jitter = micros(deviation);
    summary.answered = 5;
    const Estimate* before = state_.find(site);
    state_.set(site, fold_window(before != nullptr ? *before : Estimate{}, summary));
  }

  Random random_;
  double jitter_;
  PrefixState state_;
  std::int64_t window_ = 0;
};

// An hour of 720 windows for each of 200 pairs of equal paths. A move needs more than half a
// millisecond, three per cent and three standard errors at once: at most one pair in a hundred.
TEST(Hysteresis, DoesNotMoveForNoiseAlone) {
  for (const double jitter : {0.2, 1.0, 4.0}) {
    int moves = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      TwoPaths paths(seed, jitter);
      for (int i = 0; i < 720; ++i) moves += paths.next(40, 40) ? 1 : 0;
    }
    EXPECT_LE(moves, 2) << "jitter " << jitter;
  }
}

TEST(Hysteresis, MovesOnceForARealGain) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    TwoPaths paths(seed, 0.5);
    for (int i = 0; i < 60; ++i) paths.next(30, 40);
    ASSERT_EQ(paths.preferred(), kFra);
    ASSERT_TRUE(paths.next(60, 40)) << "in the first window after the change";
    int moves = 0;
    for (int i = 0; i < 200; ++i) moves += paths.next(60, 40) ? 1 : 0;
    ASSERT_EQ(moves, 0);
    ASSERT_EQ(paths.preferred(), kIad);
  }
}

// What the laboratory asks: within max(1 ms, 5 %) of the best after a few minutes, whatever was
// preferred before.
TEST(Hysteresis, GivesUpAnIncumbentThatIsNoticeablyWorse) {
  for (const double base : {5.0, 15.0, 40.0, 160.0}) {
    const double noticeably = std::max(1.0, 0.05 * base) * 1.05;
    for (std::uint64_t seed = 0; seed < 25; ++seed) {
      TwoPaths paths(seed, 0.3);
      for (int i = 0; i < 60; ++i) paths.next(base, base + 20);
      ASSERT_EQ(paths.preferred(), kFra);
      for (int i = 0; i < 60; ++i) paths.next(base, base - noticeably);
      ASSERT_EQ(paths.preferred(), kIad) << "base " << base << " seed " << seed;
    }
  }
}

TEST(Ranking, PutsThePreferredFirstThenTheMeasuredByScore) {
  const Topology topology = three_sites();
  PrefixState state = measured(kPrefix, {{kFra, rtt(30)}, {kIad, rtt(20)}, {kSin, rtt(10)}});
  const auto& service = topology.services[0];
  EXPECT_THAT(rank_sites(service, kWww, state, service.sites), ElementsAre(kSin, kIad, kFra));
  state.prefer(kWww, kFra);
  EXPECT_THAT(rank_sites(service, kWww, state, service.sites), ElementsAre(kFra, kSin, kIad));
}

TEST(Ranking, OrdersWhatIsNotMeasuredAsTheFallbackDoes) {
  const Topology topology = three_sites();
  const PrefixState state = measured(kPrefix, {{kIad, rtt(20)}});
  EXPECT_THAT(rank_sites(topology.services[0], kWww, state, {kSin, kFra, kIad}),
              ElementsAre(kIad, kSin, kFra));
}

TEST(Ranking, PutsASiteMeasuredInVainLast) {
  const Topology topology = three_sites();
  const PrefixState state = measured(kPrefix, {{kFra, never_answered()}, {kIad, rtt(200)}});
  EXPECT_THAT(rank_sites(topology.services[0], kWww, state, {kFra, kSin, kIad}),
              ElementsAre(kIad, kSin, kFra));
}

TEST(Ranking, PutsSitesThatDifferByLessThanMergeWithinInTheServicesOrder) {
  Topology topology = three_sites();
  Service& service = topology.services[0];
  service.merge_within = Micros(1'000);
  const auto ranked = [&](double fra, double iad, double sin) {
    const auto state = measured(kPrefix, {{kFra, rtt(fra)}, {kIad, rtt(iad)}, {kSin, rtt(sin)}});
    return rank_sites(service, kWww, state, service.sites);
  };
  EXPECT_THAT(ranked(20.9, 20, 20.5), ElementsAre(kFra, kIad, kSin));
  EXPECT_THAT(ranked(21.0, 20, 20.5), ElementsAre(kIad, kFra, kSin));  // a whole one is not less
  EXPECT_THAT(ranked(90, 20, 19.5), ElementsAre(kIad, kSin, kFra));
}

// At each place at most merge_within over the best of what is left: also when sites are down.
TEST(Ranking, LosesAtMostMergeWithinAtEveryPlace) {
  Topology topology = three_sites();
  Service& service = topology.services[0];
  service.merge_within = Micros(2'000);
  Random random(5);
  for (int round = 0; round < 2'000; ++round) {
    PrefixState state;
    for (const SiteId site : service.sites) {
      state.set(site, rtt(20 + random.unit() * 6));
    }
    const auto sites = rank_sites(service, kWww, state, service.sites);
    for (std::size_t i = 0; i < sites.size(); ++i) {
      for (std::size_t j = i + 1; j < sites.size(); ++j) {
        ASSERT_LT(score(*state.find(sites[i])), score(*state.find(sites[j])) + Micros(2'000));
      }
    }
  }
}

TEST(Ranking, ByDistanceEndsWithSitesThatAreNowhere) {
  Topology topology = three_sites();
  topology.sites[kFra.index()].location.reset();
  EXPECT_THAT(by_distance(topology.services[0], topology, {1, 100}), ElementsAre(kSin, kIad, kFra));
}

}  // namespace
}  // namespace isochrone::routing
