// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/clock_step.h"

namespace isochrone {
namespace {

Instant wall(std::int64_t seconds) { return from_unix_nanos(seconds * 1'000'000'000); }
Monotonic mono(std::int64_t seconds) { return Monotonic(Seconds(seconds)); }

TEST(ClockStep, IsToldOnceEachWay) {
  ClockStep clock;
  EXPECT_FALSE(clock.observe(wall(1'000'000), mono(10)));
  EXPECT_FALSE(clock.observe(wall(1'000'001), mono(11)));
  EXPECT_EQ(clock.observe(wall(1'003'602), mono(12)), Nanos(Seconds(3'600)));
  EXPECT_FALSE(clock.observe(wall(1'003'603), mono(13)));
  EXPECT_EQ(clock.observe(wall(1'000'004), mono(14)), -Nanos(Seconds(3'600)));
  EXPECT_FALSE(clock.observe(wall(1'000'005), mono(15)));
}

TEST(ClockStep, TimeThatPassesUnobservedIsNone) {
  ClockStep clock;
  EXPECT_FALSE(clock.observe(wall(0), mono(0)));
  EXPECT_FALSE(clock.observe(wall(86'400), mono(86'400)));
}

TEST(ClockStep, SlewingAddsUp) {
  ClockStep clock;
  int told = 0;
  for (int second = 0; second < 241; ++second) {
    if (clock.observe(wall(second + second / 2), mono(second))) ++told;  // half a second each
  }
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace isochrone
