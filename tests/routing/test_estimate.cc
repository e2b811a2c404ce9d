// SPDX-License-Identifier: Apache-2.0
//
// fold_window: quick where a path changed, steady where it only wavers.
#include <gtest/gtest.h>

#include "base/random.h"
#include "routing/estimate.h"
#include "routing/integer_sqrt.h"

namespace isochrone::routing {
namespace {

// Five answers around a median, each window five seconds after the one before.
WindowSummary window(int number, double median, double jitter = 0.2, std::uint32_t answered = 5,
                     std::uint32_t lost = 0) {
  const auto micros = [](double milliseconds) {
    return Micros(static_cast<Micros::rep>(milliseconds * 1000));
  };
  WindowSummary summary;
  summary.end = from_unix_nanos(std::int64_t{number} * 5'000'000'000);
  summary.min = micros(median - jitter);
  summary.p50 = micros(median);
  summary.p90 = micros(median + 2 * jitter);
  summary.jitter = micros(jitter);
  summary.answered = answered;
  summary.lost = lost;
  return summary;
}

Estimate after_windows(int count, double median, double jitter = 0.2) {
  Estimate estimate;
  for (int i = 1; i <= count; ++i) estimate = fold_window(estimate, window(i, median, jitter));
  return estimate;
}

TEST(Estimate, IsTheFirstWindowAtFirst) {
  const Estimate estimate = after_windows(1, 30);
  EXPECT_EQ(estimate.p50, Micros(30'000));
  EXPECT_EQ(estimate.min, Micros(29'800));
  EXPECT_EQ(estimate.p90, Micros(30'400));
  EXPECT_EQ(estimate.jitter, Micros(200));
  EXPECT_EQ(estimate.samples, 5U);
  EXPECT_EQ(estimate.at, from_unix_nanos(5'000'000'000));
  EXPECT_EQ(estimate.loss_permille, 0);
}

TEST(Estimate, FollowsAChangeInOneWindow) {
  for (const double changed : {32.0, 110.0, 12.0}) {
    const Estimate estimate = fold_window(after_windows(40, 30), window(41, changed));
    EXPECT_EQ(estimate.p50, Micros(static_cast<Micros::rep>(changed * 1000)));
    EXPECT_EQ(estimate.samples, 5U);
  }
}

TEST(Estimate, FollowsAChangeAlsoAfterAStraggler) {
  // One answer of five came half a second late: the median stays, the deviation does not.
  const Estimate wild = fold_window(after_windows(40, 30), window(41, 30, 100));
  EXPECT_EQ(fold_window(wild, window(42, 80)).p50, Micros(80'000));
}

TEST(Estimate, IsPulledByOneStragglerAndForgetsIt) {
  const Estimate before = after_windows(40, 30);
  Estimate after = fold_window(before, window(41, 230, 0, 1));
  EXPECT_EQ(after.p50, Micros(130'000));
  EXPECT_EQ(after.p90, before.p90 + Micros(100'000));
  EXPECT_EQ(after.jitter, before.jitter);
  EXPECT_NEAR(static_cast<double>(fold_window(after, window(42, 230, 0, 1)).p50.count()), 163'333,
              1);
  after = fold_window(after, window(42, 30, 0, 1));
  EXPECT_EQ(after.aside_answers, 0);
  EXPECT_NEAR(static_cast<double>(after.p50.count()), 30'000, 50);
  EXPECT_NEAR(static_cast<double>(after.p90.count()), 30'400, 50);
}

TEST(Estimate, FollowsAChangeThatThreeLoneAnswersAgreeOn) {
  for (const double changed : {33.0, 110.0, 12.0}) {
    Estimate estimate = after_windows(40, 30);
    for (int i = 41; i <= 43; ++i) estimate = fold_window(estimate, window(i, changed, 0, 1));
    EXPECT_NEAR(static_cast<double>(estimate.p50.count()), changed * 1000, 2);
    EXPECT_EQ(estimate.samples, 3U);
  }
}

TEST(Estimate, IsNotReplacedByStragglersOnBothSides) {
  Estimate estimate = after_windows(40, 30);
  for (int i = 41; i <= 60; ++i) {
    estimate = fold_window(estimate, window(i, i % 2 == 0 ? 60 : 10, 0, 1));
    EXPECT_EQ(estimate.p50, Micros(i % 2 == 0 ? 45'000 : 20'000));
    EXPECT_EQ(estimate.aside, Micros(30'000));
  }
  EXPECT_NEAR(static_cast<double>(fold_window(estimate, window(61, 30, 0, 1)).p50.count()), 30'000,
              50);
}

TEST(Estimate, LearnsTheJitterOfLoneAnswers) {
  Random random(12);
  Estimate estimate;
  for (int i = 1; i <= 400; ++i) {
    estimate = fold_window(estimate, window(i, 20 + 4 * (random.unit() - 0.5), 0, 1));
  }
  // Uniform by +-2 ms: the mean absolute deviation is 1 ms.
  EXPECT_NEAR(static_cast<double>(estimate.jitter.count()), 1'000, 400);
  EXPECT_NEAR(static_cast<double>(estimate.p50.count()), 20'000, 600);
}

TEST(Estimate, AveragesWhatIsNoise) {
  // Medians of five answers scatter uniformly by +-0.5 ms; an average over 64 answers is a seventh of
  // their deviation of 0.29 ms off, and six of these are 0.25 ms.
  Random random(11);
  Estimate estimate;
  for (int i = 1; i <= 200; ++i) {
    estimate = fold_window(estimate, window(i, 20 + random.unit() - 0.5, 0.5));
    if (i > 30) {
      ASSERT_NEAR(static_cast<double>(estimate.p50.count()), 20'000, 250) << i;
    }
  }
}

TEST(Estimate, ConvergesOnASlowDrift) {
  Estimate estimate = after_windows(20, 30, 1);
  for (int i = 21; i <= 120; ++i) estimate = fold_window(estimate, window(i, 31.4, 1));
  EXPECT_NEAR(static_cast<double>(estimate.p50.count()), 31'400, 20);
}

TEST(Estimate, ForgetsAnOldMinimum) {
  Estimate estimate = fold_window(after_windows(5, 30), window(6, 30, 5));
  EXPECT_EQ(estimate.min, Micros(25'000));
  for (int i = 7; i <= 120; ++i) estimate = fold_window(estimate, window(i, 30));
  EXPECT_NEAR(static_cast<double>(estimate.min.count()), 29'800, 30);
}

TEST(Estimate, KeepsItsTimesThroughAWindowWithoutAnswers) {
  const Estimate before = after_windows(10, 30);
  Estimate expected = before;
  const Estimate after = fold_window(before, window(11, 0, 0, 0, 5));
  expected.loss_permille = 1000;
  expected.samples = 1;
  expected.at = from_unix_nanos(std::int64_t{11} * 5'000'000'000);
  EXPECT_EQ(after, expected);
}

TEST(Estimate, HasNoSamplesUntilAnAnswerCame) {
  Estimate estimate = fold_window({}, window(1, 0, 0, 0, 5));
  EXPECT_EQ(estimate.samples, 0U);
  EXPECT_EQ(estimate.loss_permille, 1000);
  estimate = fold_window(estimate, window(2, 30));
  EXPECT_EQ(estimate.p50, Micros(30'000));
  EXPECT_EQ(estimate.loss_permille, 0);
}

TEST(Estimate, AveragesRareLossAndFollowsAnOutageAtOnce) {
  Estimate estimate = after_windows(60, 30);
  estimate = fold_window(estimate, window(61, 30, 0.2, 4, 1));
  EXPECT_NEAR(estimate.loss_permille, 3.8, 0.9);  // one of 256 + 5, rounded up or down
  estimate = fold_window(estimate, window(62, 30, 0.2, 1, 4));
  EXPECT_EQ(estimate.loss_permille, 800);
  estimate = fold_window(estimate, window(63, 30));
  EXPECT_EQ(estimate.loss_permille, 0);
}

TEST(Estimate, ForgetsRareLossInTheEnd) {
  Estimate estimate = fold_window(after_windows(60, 30), window(61, 30, 0.2, 3, 2));
  EXPECT_GT(estimate.loss_permille, 0);
  for (int i = 62; i <= 1'500; ++i) estimate = fold_window(estimate, window(i, 30));
  EXPECT_EQ(estimate.loss_permille, 0);
}

TEST(Estimate, IsUnmovedByAnEmptyWindow) {
  const Estimate before = after_windows(10, 30);
  EXPECT_EQ(fold_window(before, window(10, 0, 0, 0, 0)), before);
}

TEST(Estimate, SurvivesWindowsNobodySends) {
  // An hour's times are taken for a minute's, billions of answers for a million.
  WindowSummary huge = window(1, 30);
  huge.answered = 4'000'000'000;
  huge.lost = 4'000'000'000;
  huge.p50 = huge.p90 = Micros(3'600'000'000);
  Estimate estimate = fold_window({}, huge);
  EXPECT_EQ(estimate.loss_permille, 500);
  for (int i = 2; i < 5; ++i) estimate = fold_window(estimate, huge);
  EXPECT_EQ(estimate.p50, Micros(60'000'000));
  EXPECT_EQ(estimate.samples, 1'000'256U);
}

Estimate known(std::uint32_t samples, double jitter) {
  Estimate estimate = after_windows(1, 20, jitter);
  estimate.samples = samples;
  return estimate;
}

TEST(StandardError, FallsWithTheRootOfTheAnswers) {
  // 1.9 x 2 ms / sqrt(100), where two prior samples of 1 ms take off a hundredth.
  EXPECT_NEAR(static_cast<double>(standard_error(known(100, 2), 100).count()), 376, 2);
  EXPECT_NEAR(static_cast<double>(standard_error(known(100, 2), 400).count()), 188, 2);
}

TEST(StandardError, DoesNotTrustOneSample) {
  EXPECT_GT(standard_error(known(1, 0), 1), Micros(1'000));
}

TEST(IntegerSqrt, IsTheFloorOfTheRoot) {
  for (std::int64_t root : {0LL, 1LL, 2LL, 3LL, 46'340LL, 1'000'003LL, 3'037'000'499LL}) {
    EXPECT_EQ(integer_sqrt(root * root), root);
    if (root > 1) {
      EXPECT_EQ(integer_sqrt(root * root - 1), root - 1);
    }
  }
  EXPECT_EQ(integer_sqrt(-4), 0);
  EXPECT_EQ(integer_sqrt(INT64_MAX), 3'037'000'499);
}

}  // namespace
}  // namespace isochrone::routing
