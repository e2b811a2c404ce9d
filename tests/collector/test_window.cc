// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "collector/window.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

const Path kPath{*Prefix::parse("192.0.2.0/24"), routing::SiteId(0)};

Sample sample(Nanos after, std::optional<Micros> rtt) { return {kStart + after, rtt}; }

TEST(Window, SummarizesExactly) {
  std::vector<Sample> samples;
  for (int i = 1; i <= 10; ++i) samples.push_back(sample(Millis(i), Micros(i * 1000)));
  samples.push_back(sample(Millis(11), std::nullopt));
  const auto summary = summarize(samples, kStart);
  EXPECT_EQ(summary.answered, 10U);
  EXPECT_EQ(summary.lost, 1U);
  EXPECT_EQ(summary.min, Micros(1000));
  EXPECT_EQ(summary.p50, Micros(5000));
  EXPECT_EQ(summary.p90, Micros(9000));
  EXPECT_EQ(summary.jitter, Micros(2500));
}

TEST(Window, SummarizesOneSampleAndNone) {
  const auto one = summarize({sample(Millis(1), Micros(700))}, kStart);
  EXPECT_EQ(one.p50, Micros(700));
  EXPECT_EQ(one.p90, Micros(700));
  EXPECT_EQ(one.jitter, Micros(0));
  const auto none = summarize({sample(Millis(1), std::nullopt)}, kStart);
  EXPECT_EQ(none.answered, 0U);
  EXPECT_EQ(none.lost, 1U);
}

TEST(Window, ClosesAfterItsLatenessAndNotBefore) {
  OpenWindows windows(Millis(1000), Millis(500));
  windows.add(kPath, sample(Millis(999), Micros(700)), 1);
  EXPECT_TRUE(windows.close(kStart + Millis(1499)).empty());
  const auto closed = windows.close(kStart + Millis(1500));
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].end, kStart + Millis(1000));
  EXPECT_EQ(windows.open_samples(), 0U);
}

TEST(Window, RefusesWhatComesAfterItClosed) {
  OpenWindows windows(Millis(1000), Millis(500));
  windows.close(kStart + Millis(1500));
  EXPECT_EQ(windows.add(kPath, sample(Millis(10), Micros(700)), 1), OpenWindows::Added::late);
  EXPECT_EQ(windows.add(kPath, sample(Millis(1000), Micros(700)), 2), OpenWindows::Added::kept);
}

TEST(Window, GivesTheSameInAnyOrder) {
  Random random(3);
  std::vector<Sample> samples;
  for (int i = 0; i < 50; ++i) {
    samples.push_back(sample(Millis(random.below(900)), Micros(1 + random.below(90'000))));
  }
  const auto once = summarize(samples, kStart);
  std::reverse(samples.begin(), samples.end());
  const auto again = summarize(samples, kStart);
  EXPECT_EQ(once.p50, again.p50);
  EXPECT_EQ(once.p90, again.p90);
  EXPECT_EQ(once.jitter, again.jitter);
}

TEST(Window, BoundsTheSamplesOfOnePath) {
  OpenWindows windows(Millis(1000), Millis(500));
  for (std::size_t i = 0; i < OpenWindows::kMaxSamples; ++i) {
    ASSERT_EQ(windows.add(kPath, sample(Millis(1), Micros(5)), i + 1), OpenWindows::Added::kept);
  }
  EXPECT_EQ(windows.add(kPath, sample(Millis(1), Micros(5)), 9999), OpenWindows::Added::over_quota);
}

TEST(Window, KnowsTheOldestEventItStillNeeds) {
  OpenWindows windows(Millis(1000), Millis(500));
  EXPECT_FALSE(windows.oldest_position());
  windows.add(kPath, sample(Millis(1200), Micros(5)), 7);
  windows.add(kPath, sample(Millis(10), Micros(5)), 9);
  EXPECT_EQ(windows.oldest_position(), 7U);
  windows.close(kStart + Millis(2500));
  EXPECT_FALSE(windows.oldest_position());
}

}  // namespace
}  // namespace isochrone::collector
