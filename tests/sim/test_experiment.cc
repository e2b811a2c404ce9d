// SPDX-License-Identifier: Apache-2.0
//
// Simulations on a slice of planetlab490, the laboratory's data, and on networks made by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/experiment.h"
#include "lab/matrix.h"

namespace isochrone::collector {
namespace {

using testing::HasSubstr;

const auto kQuietly = [](unsigned) {};

RttSlice slice_of(std::size_t rows, std::size_t columns, std::vector<std::int32_t> millis) {
  for (std::int32_t& value : millis) value = value < 0 ? -1 : value * 1'000;
  return {rows, columns, std::move(millis)};
}

RttSlice planetlab() {
  const auto matrix = lab::RttMatrix::read(ISOCHRONE_LAB_DATA "/planetlab490-slice01.tsv.gz");
  RttSlice slice{matrix->rows(), matrix->columns(), {}};
  for (std::size_t i = 0; i < slice.rows; ++i) {
    for (std::size_t j = 0; j < slice.columns; ++j) {
      slice.micros.push_back(static_cast<std::int32_t>(matrix->rtt(i, j)->count()));
    }
  }
  return slice;
}

Findings found(const Experiment& experiment) {
  const auto findings = run_experiment(experiment, kQuietly);
  EXPECT_TRUE(findings) << findings.error().text();
  return *findings;
}

const Summary& of(const Findings& findings, Strategy strategy) {
  return *findings.strategies[static_cast<std::size_t>(strategy)];
}

std::string error_of(const Experiment& experiment) {
  const auto findings = run_experiment(experiment, kQuietly);
  return findings ? "" : findings.error().text();
}

// Rows 0 and 1 are sites, columns 0 to 3 are clients: a matrix that is not square.
Experiment by_hand() {
  Experiment experiment;
  experiment.slices = {slice_of(2, 4,
                                {10, 20, 30, -1,  //
                                 40, 15, -1, -1})};
  experiment.sites = {0, 1};
  return experiment;
}

TEST(Experiment, MeasuringEverythingFindsTheBest) {
  const Findings findings = found(by_hand());
  EXPECT_EQ(findings.sites, 2U);
  EXPECT_EQ(findings.clients, 4U);
  const Summary& ours = of(findings, Strategy::isochrone);
  EXPECT_EQ(ours.count, 3U);  // nobody knows the best of the last one
  EXPECT_EQ(ours.mean, 0);
  EXPECT_EQ(ours.wrong_share, 0);
  EXPECT_EQ(ours.measurements, 8U);
}

TEST(Experiment, TheOrderOfLastResortPaysWhatTheMatrixSays) {
  Experiment experiment = by_hand();
  experiment.sites = {1, 0};
  const Summary& order = of(found(experiment), Strategy::order);
  // 40 - 10 for the first client, 0 for the second; the third has no RTT from row 1.
  EXPECT_EQ(order.count, 2U);
  EXPECT_DOUBLE_EQ(order.mean, 15);
  EXPECT_DOUBLE_EQ(order.p50, 0);
  EXPECT_DOUBLE_EQ(order.p99, 30);
  EXPECT_DOUBLE_EQ(order.wrong_share, 0.5);
  EXPECT_FALSE(order.harm_share);
}

TEST(Experiment, GeographyAppliesOnlyWithAMap) {
  Experiment experiment = by_hand();
  EXPECT_FALSE(found(experiment).strategies[static_cast<std::size_t>(Strategy::geo)]);
  experiment.coordinates = {{50, 8}, {0, 0}, {1, 1}, {2, 2}};
  const Findings findings = found(experiment);
  // All but the first client are nearest to row 1 on the map; the third has no RTT from there.
  const Summary& geo = of(findings, Strategy::geo);
  EXPECT_EQ(geo.count, 2U);
  EXPECT_EQ(geo.wrong_share, 0);
  EXPECT_EQ(of(findings, Strategy::order).harm_share, 0);
}

TEST(Experiment, SpendsNoMoreThanItsBudget) {
  Experiment experiment;
  experiment.slices = {planetlab()};
  experiment.budget = 3;
  const Findings findings = found(experiment);
  EXPECT_EQ(findings.clients, 470U);
  EXPECT_EQ(of(findings, Strategy::isochrone).measurements, 470U * 3);
  EXPECT_EQ(findings.mesh_measurements, 20U * 19);
}

// Three paths of twenty: random ones cost 50 ms on this data, the triangle bound 9 to 10 (docs/
// routing-quality.md). Three draws of 470 clients have a standard error of about 0.6 ms.
TEST(Experiment, ThreePathsOfTwentyComeNearTheBest) {
  Experiment experiment;
  experiment.slices = {planetlab()};
  experiment.budget = 3;
  experiment.draws = 3;
  EXPECT_LT(of(found(experiment), Strategy::isochrone).mean, 10);
}

TEST(Experiment, LaterSlicesKnowMore) {
  Experiment experiment;
  experiment.slices = {planetlab(), planetlab(), planetlab()};
  experiment.budget = 3;
  const Summary all = of(found(experiment), Strategy::isochrone);
  experiment.from_slice = 3;
  const Summary last = of(found(experiment), Strategy::isochrone);
  EXPECT_EQ(all.count, 3U * 470);
  EXPECT_EQ(last.count, 470U);
  EXPECT_LT(last.mean, all.mean / 2);
}

// Of two sites one is steady, and the other is nearer but every third time. Whoever follows the last slice
// goes there when it is over.
TEST(Experiment, WhatAPathUsuallyIsOutlastsWhatItWasOnce) {
  Experiment experiment;
  for (int i = 0; i < 12; ++i) {
    experiment.slices.push_back(slice_of(2, 3,
                                         {40, 40, 40,  //
                                          i % 3 == 1 ? 30 : 90, 90, 90}));
  }
  experiment.sites = {0, 1};
  experiment.from_slice = 6;
  EXPECT_EQ(of(found(experiment), Strategy::isochrone_before).p99, 10);
  EXPECT_EQ(of(found(experiment), Strategy::isochrone).mean, 0);
}

// An hour and a half of five paths measured through 2 ms of queueing noise: after the first hour nothing
// changes but noise. One client in a hundred may be moved by it in an hour.
TEST(Experiment, NoiseAloneMovesHardlyAnybody) {
  Experiment experiment;
  experiment.slices = {planetlab()};
  experiment.budget = 5;
  experiment.rounds = 900;
  experiment.noise = Micros(2'000);
  const Findings findings = found(experiment);
  EXPECT_EQ(findings.late_client_seconds, 470U * 1'800);
  EXPECT_LE(findings.late_changes, 2U);
}

TEST(Experiment, SaysTheSameTwice) {
  Experiment experiment;
  experiment.slices = {planetlab()};
  experiment.budget = 4;
  const Findings first = found(experiment);
  const Findings second = found(experiment);
  EXPECT_EQ(of(first, Strategy::isochrone).mean, of(second, Strategy::isochrone).mean);
  experiment.seed = 2;
  EXPECT_NE(of(first, Strategy::isochrone).mean, of(found(experiment), Strategy::isochrone).mean);
}

TEST(Experiment, SaysWhatIsImpossible) {
  Experiment experiment = by_hand();
  experiment.sites = {0, 2};
  EXPECT_THAT(error_of(experiment), HasSubstr("no row 2; the matrix has rows 0 to 1"));
  experiment.sites.clear();
  experiment.drawn_sites = 3;
  EXPECT_THAT(error_of(experiment), HasSubstr("3 sites cannot be drawn from 2 rows"));
  experiment.drawn_sites = 0;
  experiment.from_slice = 2;
  EXPECT_THAT(error_of(experiment), HasSubstr("no slice 2; there are 1"));
  experiment.from_slice = 1;
  experiment.coordinates = {{0, 0}};
  EXPECT_THAT(error_of(experiment), HasSubstr("1 coordinates for 4 nodes"));
  experiment = {};
  EXPECT_THAT(error_of(experiment), HasSubstr("no slices"));
  experiment.slices = {slice_of(2, 2, {0, 1, 1, 0})};
  EXPECT_THAT(error_of(experiment), HasSubstr("no client is left"));
}

}  // namespace
}  // namespace isochrone::collector
