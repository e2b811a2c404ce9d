// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/event_rate.h"

namespace isochrone::collector {
namespace {

Monotonic at(Millis time) { return Monotonic(Seconds(1'000) + time); }

TEST(EventRate, HoldsTheMeanAndTakesEachBatchWhole) {
  EventRate rate(100);
  EXPECT_EQ(rate.wait("a", at(Millis(0))), Nanos(0));
  rate.charge("a", 1'000, at(Millis(0)));  // ten seconds' worth, one of which was ready
  EXPECT_EQ(rate.wait("a", at(Millis(0))), Seconds(9));
  EXPECT_EQ(rate.wait("a", at(Millis(8'999))), Millis(1));
  EXPECT_EQ(rate.wait("a", at(Millis(9'000))), Nanos(0));
  EXPECT_EQ(rate.wait("b", at(Millis(0))), Nanos(0)) << "another's account";
}

TEST(EventRate, SavesASecondAndNoMore) {
  EventRate rate(100);
  rate.charge("a", 1, at(Millis(0)));
  rate.charge("a", 100, at(Millis(60'000)));
  EXPECT_EQ(rate.wait("a", at(Millis(60'000))), Nanos(0));
  rate.charge("a", 1, at(Millis(60'000)));
  EXPECT_EQ(rate.wait("a", at(Millis(60'000))), Millis(10));
}

TEST(EventRate, WithoutARateNobodyWaits) {
  EventRate rate(0);
  rate.charge("a", 1'000'000, at(Millis(0)));
  EXPECT_EQ(rate.wait("a", at(Millis(0))), Nanos(0));
  rate.set_rate(1);
  rate.charge("a", 3, at(Millis(0)));
  EXPECT_EQ(rate.wait("a", at(Millis(0))), Seconds(2));
}

TEST(EventRate, RemembersABoundedNumberOfSources) {
  EventRate rate(1);
  for (std::size_t i = 0; i < kMaxAccounts; ++i) {
    rate.charge(std::to_string(i), 10, at(Millis(0)));
  }
  EXPECT_GT(rate.wait("one more", at(Millis(0))), Nanos(0));
  EXPECT_EQ(rate.wait("one more", at(Millis(20'000))), Nanos(0)) << "those that paid are forgotten";
}

}  // namespace
}  // namespace isochrone::collector
