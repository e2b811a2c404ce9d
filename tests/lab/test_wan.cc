// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lab/wan.h"

namespace isochrone::lab {
namespace {

struct World {
  explicit World(Wan::Options options = {Micros(0), 0, 1}) : wan(plan, matrix, options) {}
  std::size_t node(std::string_view name) const { return *plan.find_node(name); }
  Micros truth(std::size_t site, std::size_t network) const {
    return *matrix.rtt(plan.site_rows[site], plan.network_rows[network]);
  }

  RttMatrix matrix = *RttMatrix::parse("0 10 20 30\n10 0 40 50\n20 40 0 60\n30 50 60 0", "four");
  Plan plan = *make_plan(matrix, {2, 2, 0, 1});
  Wan wan;
};

TEST(Wan, AnswersAfterTheRoundTripOfTheMatrix) {
  World world;
  for (std::size_t site : {0U, 1U}) {
    for (std::size_t network : {0U, 1U}) {
      EXPECT_EQ(world.wan.answer_delay(site, network), world.truth(site, network));
    }
  }
}

TEST(Wan, ForwardsAfterHalfTheRoundTrip) {
  World world;
  const auto between_sites = *world.matrix.rtt(world.plan.site_rows[0], world.plan.site_rows[1]);
  EXPECT_EQ(world.wan.forward_delay(0, 1), Nanos(between_sites) / 2);
  EXPECT_EQ(world.wan.forward_delay(world.node("hub"), 0), Nanos(kNearRtt) / 2);
  EXPECT_EQ(world.wan.forward_delay(world.node("client"), 1),
            Nanos(world.truth(1, kClientNetwork)) / 2);
  EXPECT_EQ(world.wan.forward_delay(1, world.node("client")),
            Nanos(world.truth(1, kClientNetwork)) / 2);
}

TEST(Wan, ChangesAPathAndResetsIt) {
  World world;
  world.wan.set_rtt(0, 1, Millis(300));
  EXPECT_EQ(world.wan.answer_delay(0, 1), Millis(300));
  EXPECT_EQ(world.wan.answer_delay(0, 0), world.truth(0, 0));
  world.wan.reset_rtt(0, 1);
  EXPECT_EQ(world.wan.answer_delay(0, 1), world.truth(0, 1));
}

TEST(Wan, NothingPassesACutSiteUntilItIsRestored) {
  World world;
  world.wan.set_cut(0, true);
  EXPECT_FALSE(world.wan.answer_delay(0, 0));
  EXPECT_FALSE(world.wan.forward_delay(0, world.node("hub")));
  EXPECT_FALSE(world.wan.forward_delay(world.node("hub"), 0));
  EXPECT_TRUE(world.wan.answer_delay(1, 0));
  world.wan.set_cut(0, false);
  EXPECT_TRUE(world.wan.answer_delay(0, 0));
}

TEST(Wan, LosesTheShareAsked) {
  World world({Micros(0), 0.1, 5});
  int lost = 0;
  for (int i = 0; i < 10'000; ++i) lost += world.wan.answer_delay(0, 0) ? 0 : 1;
  // Binomial: mean 1000, standard deviation 30; five of them.
  EXPECT_NEAR(lost, 1000, 150);
  world.wan.set_loss(0, 0, 1);
  EXPECT_FALSE(world.wan.answer_delay(0, 0));
  EXPECT_EQ(world.wan.loss(1, 0), 0.1);
  world.wan.set_loss(0);
  EXPECT_TRUE(world.wan.answer_delay(0, 0));
}

TEST(Wan, JitterIsNeverNegativeAndHasItsMean) {
  World world({Micros(200), 0, 9});
  Nanos sum{0};
  for (int i = 0; i < 10'000; ++i) {
    const Nanos jitter = *world.wan.answer_delay(0, 0) - world.truth(0, 0);
    EXPECT_GE(jitter, Nanos(0));
    sum += jitter;
  }
  // An exponential's standard deviation is its mean: that of 10 000 has 2 us; five of them.
  EXPECT_NEAR(static_cast<double>((sum / 10'000).count()), 200e3, 10e3);
}

TEST(Wan, WhatWasNeverMeasuredIsUnreachable) {
  const RttMatrix matrix = *RttMatrix::parse("0 nan\n-1 0", "gap");
  const Plan plan = *make_plan(matrix, {1, 1, 0, 1});
  Wan wan(plan, matrix, {Micros(0), 0, 1});
  EXPECT_FALSE(wan.answer_delay(0, 0));
  wan.set_rtt(0, 0, Millis(5));
  EXPECT_EQ(wan.answer_delay(0, 0), Millis(5));
}

}  // namespace
}  // namespace isochrone::lab
