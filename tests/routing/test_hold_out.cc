// SPDX-License-Identifier: Apache-2.0
//
// Hold-out: a stable share of networks is answered by the map, and what the others gain is known.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "routing/compile.h"
#include "routing/explain.h"
#include "routing/gain.h"
#include "routing/hold_out.h"
#include "routing/site_states.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::measured;
using testing::prefix;
using testing::rtt;
using testing::three_sites;

Prefix nth(std::uint32_t i) {
  return {Address::from_bits(Family::v4, (10ULL << 24 | std::uint64_t{i} << 8) << 32, 0), 24};
}

TEST(HoldOut, TakesItsShareOfNetworks) {
  Service service = three_sites().services[0];
  service.hold_out = 0.1;
  constexpr int kNetworks = 20'000;
  int held_out = 0;
  for (std::uint32_t i = 0; i < kNetworks; ++i) held_out += is_held_out(service, nth(i));
  // Five standard deviations of a binomial: 5 * sqrt(20000 * 0.1 * 0.9) = 212.
  EXPECT_NEAR(held_out, kNetworks * 0.1, 212);
}

TEST(HoldOut, GrowsWithoutLettingGo) {
  Service few = three_sites().services[0];
  Service more = few;
  few.hold_out = 0.02;
  more.hold_out = 0.2;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_LE(is_held_out(few, nth(i)), is_held_out(more, nth(i)));
  }
}

TEST(HoldOut, TakesANetworkAsAWhole) {
  Service service = three_sites().services[0];
  service.hold_out = 0.5;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    ASSERT_EQ(is_held_out(service, nth(i)), is_held_out(service, Prefix(nth(i).address(), 32)));
  }
}

TEST(HoldOut, IsAnsweredByTheMapInsideWhatWasMeasured) {
  Topology topology = three_sites();
  topology.services[0].hold_out = 0.5;
  const auto geo = GeoPrior::from({{prefix("10.0.0.0/8"), *topology.sites[1].location}});
  PerformanceState state;
  state.apply(measured("10.0.0.0/8", {{kSin, rtt(5)}, {kIad, rtt(80)}}));
  for (std::uint32_t i = 0; i < 256; ++i) {
    auto known = measured("10.0.0.0/24", {{kSin, rtt(5)}, {kIad, rtt(90)}});
    known.prefix = nth(i);
    state.apply(known);
  }
  const auto table = compile_table(topology, state, &geo, 1);
  for (std::uint32_t i = 0; i < 256; ++i) {
    const bool is_out = is_held_out(topology.services[0], nth(i));
    const Decision decision =
        explain(topology, *table, state, &geo, SiteStates{}, kWww, nth(i).address());
    ASSERT_EQ(decision.choice.site, is_out ? kIad : kSin) << i;
    ASSERT_EQ(decision.is_held_out, is_out) << i;
    ASSERT_EQ(decision.reason, is_out ? Reason::geography : Reason::measured) << i;
  }
}

// Networks at very different distances, of which those routed are a true gain nearer.
std::vector<Observed> arm(Random& random, std::size_t networks, double nearer) {
  const auto uniform = [&] { return static_cast<double>(random.below(1'000'000)) / 1e6; };
  std::vector<Observed> all;
  for (std::size_t i = 0; i < networks; ++i) {
    const double distance = 10 + 190 * uniform();
    all.push_back({distance - nearer + 10 * (uniform() - 0.5), distance + 20 * (uniform() - 0.5),
                   1 + 9 * uniform()});
  }
  return all;
}

TEST(Gain, IntervalHoldsTheTruthAsOftenAsItSays) {
  constexpr int kTrials = 2'000;
  constexpr double kTrue = 4;
  int holds = 0;
  double width = 0;
  Random random(7);
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto gain = gain_of(arm(random, 300, kTrue), arm(random, 30, 0)).value();
    holds += gain.low_ms <= kTrue && kTrue <= gain.high_ms;
    width += (gain.high_ms - gain.low_ms) / kTrials;
  }
  // 95 % of 2000 less four standard deviations (4 * sqrt(2000 * 0.95 * 0.05) = 39), and a part in a
  // hundred for the estimated slope and the linear variance of a weighted mean.
  EXPECT_GE(holds, kTrials * 0.94 - 39);
  // Without the covariate the distances alone would make it 2 * 2 * 55 / sqrt(30) = 40 ms wide.
  EXPECT_LT(width, 8);
}

TEST(Gain, OfNothingIsNotZero) {
  const auto gain = gain_of({{10, 20, 1}, {30, 40, 1}, {20, 30, 1}}, {{11, 20, 1}, {31, 40, 1}});
  ASSERT_TRUE(gain);
  EXPECT_NEAR(gain->gain_ms, 1, 1e-9);
  EXPECT_FALSE(gain_of({{10, 20, 1}}, {{11, 20, 1}, {31, 40, 1}}));
}

TEST(Gain, CountsByDemand) {
  const auto gain = gain_of({{10, 50, 9}, {20, 50, 1}}, {{30, 50, 1}, {30, 50, 1}});
  ASSERT_TRUE(gain);
  EXPECT_NEAR(gain->routed.mean_ms, 11, 1e-9);
  EXPECT_NEAR(gain->gain_ms, 19, 1e-9);
}

}  // namespace
}  // namespace isochrone::routing
