// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/random.h"
#include "routing/habit.h"

namespace isochrone::routing {
namespace {

using std::chrono::hours;

constexpr Micros ms(std::int64_t count) { return Micros(count * 1'000); }
const Instant kNow = from_unix_nanos(1'700'000'000'000'000'000);

Estimate seen(Micros rtt, Nanos ago) {
  Estimate estimate;
  estimate.min = rtt - rtt / 10;
  estimate.p50 = rtt;
  estimate.p90 = rtt + rtt / 10;
  estimate.samples = 30;
  estimate.at = kNow - ago;
  return estimate;
}

Usual usually(Micros level) {
  Usual usual;
  usual.hold(level, level, Nanos(0));
  usual.hold(level, level, hours(18));
  return usual;
}

TEST(Usual, BeginsWhereThePathIs) {
  Usual usual;
  EXPECT_FALSE(usual.is_known());
  usual.hold(Micros(0), ms(30), Nanos(0));
  EXPECT_TRUE(usual.is_known());
  EXPECT_EQ(usual.level(), ms(30));
}

TEST(Usual, IsTheMeanOfWhatThePathWas) {
  Usual usual;
  usual.hold(Micros(0), ms(30), Nanos(0));
  usual.hold(ms(30), ms(30), hours(3));
  usual.hold(ms(30), ms(60), Nanos(0));
  usual.hold(ms(60), ms(60), hours(1));
  EXPECT_NEAR(static_cast<double>(usual.level().count()), 37'500, 1);
}

TEST(Usual, CountsHalfOfAPauseForEitherEnd) {
  Usual usual;
  usual.hold(Micros(0), ms(30), Nanos(0));
  usual.hold(ms(30), ms(50), hours(12));
  EXPECT_NEAR(static_cast<double>(usual.level().count()), 40'000, 1);
}

TEST(Usual, ForgetsWhatWasLongAgo) {
  Usual usual = usually(ms(30));
  for (int day = 0; day < 10; ++day) usual.hold(ms(60), ms(60), hours(24));
  EXPECT_NEAR(static_cast<double>(usual.level().count()), 60'000, 100);
}

TEST(Usual, FollowsWindowsOfSecondsAsWellAsHours) {
  Usual by_seconds = usually(ms(30));
  for (int i = 0; i < 18 * 720; ++i) by_seconds.hold(ms(40), ms(40), Seconds(5));
  // After as long as the memory 1 - 1/e of the way, in many steps.
  EXPECT_NEAR(static_cast<double>(by_seconds.level().count()), 36'321, 20);
}

TEST(Usual, StaysBetweenWhatItWasGiven) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    Usual usual;
    const Micros low(random.below(1'000'000));
    const Micros high = low + Micros(random.below(80'000'000));
    Micros at = low;
    for (int step = 0; step < 50; ++step) {
      const Micros next = random.below(2) == 0 ? low : high;
      usual.hold(at, next, Nanos(static_cast<std::int64_t>(random.below(200'000'000'000'000))));
      at = next;
      EXPECT_GE(usual.level(), std::min(low, Micros(60'000'000)) - Micros(1));
      EXPECT_LE(usual.level(), std::max(high, Micros(1)));
    }
  }
}

TEST(Persistence, WhatWasJustSeenIsBelieved) {
  const Persistence persistence;
  const Estimate lately = seen(ms(80), std::chrono::minutes(2));
  EXPECT_EQ(expect(lately, usually(ms(40)), kNow, persistence), lately);
}

TEST(Persistence, WhatWasSeenLongAgoReturnsToTheUsual) {
  const Persistence persistence;
  Micros before = ms(80);
  for (const Nanos age : {Nanos(hours(2)), Nanos(hours(8)), Nanos(hours(40))}) {
    const Estimate expected = expect(seen(ms(80), age), usually(ms(40)), kNow, persistence);
    EXPECT_LT(expected.p50, before);
    EXPECT_GT(expected.p50, ms(40));
    EXPECT_LT(expected.min, expected.p50);
    EXPECT_GT(expected.p90, expected.p50);
    before = expected.p50;
  }
}

TEST(Persistence, WithoutAPastThereIsNothingToReturnTo) {
  const Estimate old = seen(ms(80), hours(30));
  EXPECT_EQ(expect(old, Usual{}, kNow, Persistence{}), old);
  EXPECT_EQ(expect(Estimate{}, usually(ms(40)), kNow, Persistence{}), Estimate{});
}

// Paths that jump by half and are asked again half a day later: those of one network stay, those of the
// other return.
TEST(Persistence, LearnsFromAllPathsWhetherTheyReturn) {
  Persistence staying;
  Persistence returning;
  for (int i = 0; i < 1'000; ++i) {
    staying.observe(hours(12), ms(60), ms(40), ms(60));
    returning.observe(hours(12), ms(60), ms(40), ms(40));
  }
  EXPECT_GT(staying.share(hours(12)), 0.95);
  EXPECT_LT(returning.share(hours(12)), 0.05);
  // Other spans know nothing of it.
  EXPECT_EQ(staying.share(hours(2)), Persistence{}.share(hours(2)));
}

TEST(Persistence, ChangesItsMindWhenPathsDo) {
  Persistence persistence;
  for (int i = 0; i < 100'000; ++i) persistence.observe(hours(12), ms(60), ms(40), ms(60));
  for (int i = 0; i < 10'000; ++i) persistence.observe(hours(12), ms(60), ms(40), ms(40));
  EXPECT_LT(persistence.share(hours(12)), 0.1);
}

TEST(Persistence, IsAShareWhateverPathsDo) {
  Random random(11);
  Persistence persistence;
  const auto any = [&] { return Micros(random.below(100'000'000)); };
  for (int i = 0; i < 10'000; ++i) {
    const Nanos pause(static_cast<std::int64_t>(random.below(400'000'000'000'000)));
    persistence.observe(pause, any(), any(), any());
    const double share = persistence.share(pause);
    EXPECT_GE(share, 0);
    EXPECT_LE(share, 1);
  }
}

}  // namespace
}  // namespace isochrone::routing
