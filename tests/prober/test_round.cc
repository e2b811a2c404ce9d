// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "prober/round.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

struct Turn {
  Monotonic at;
  std::uint32_t slot;
};

std::vector<std::uint32_t> slots(std::uint32_t count) {
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

// Every turn from `now` until the round is over, each taken when it is due.
std::vector<Turn> play(Round& round, Monotonic now) {
  std::vector<Turn> turns;
  while (!round.is_over(now)) {
    if (const auto slot = round.next(now)) {
      turns.push_back({now, *slot});
    } else {
      now = std::max(now + Nanos(1), round.due());
    }
  }
  return turns;
}

TEST(Round, GivesEveryTargetOneTurnPerPassInAPermutedOrder) {
  Round round;
  Random random(3);
  round.begin({Seconds(10), 3, Nanos(1)}, slots(100), random, at(Nanos(0)));
  const auto turns = play(round, at(Nanos(0)));
  ASSERT_EQ(turns.size(), 300U);
  for (std::size_t pass = 0; pass < 3; ++pass) {
    std::vector<std::uint32_t> seen;
    for (std::size_t i = 0; i < 100; ++i) seen.push_back(turns[pass * 100 + i].slot);
    EXPECT_FALSE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_THAT(seen, testing::UnorderedElementsAreArray(slots(100)));
  }
}

TEST(Round, SpreadsItsTurnsEvenly) {
  Round round;
  Random random(3);
  round.begin({Seconds(9), 3, Nanos(1)}, slots(30), random, at(Nanos(0)));
  const auto turns = play(round, at(Nanos(0)));
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const Nanos off = turns[i].at - at(Millis(100) * i);
    EXPECT_LE(off, Micros(1)) << i;
    EXPECT_GE(off, -Micros(1)) << i;
  }
  EXPECT_FALSE(round.is_stretched());
}

TEST(Round, TakesLongerWhenTheRateDoesNotAllowItsInterval) {
  Round round;
  Random random(3);
  round.begin({Seconds(1), 2, Millis(10)}, slots(200), random, at(Nanos(0)));
  const auto turns = play(round, at(Nanos(0)));
  EXPECT_EQ(turns.size(), 400U);
  EXPECT_TRUE(round.is_stretched());
  EXPECT_GE(turns.back().at, at(Millis(3'980)));
  EXPECT_FALSE(round.is_over(at(Millis(3'999))));
  EXPECT_TRUE(round.is_over(at(Millis(4'000))));
}

TEST(Round, LetsANewTargetGoFirstAndThenOncePerPass) {
  Round round;
  Random random(3);
  round.begin({Seconds(3), 3, Nanos(1)}, slots(10), random, at(Nanos(0)));
  while (round.next(at(Nanos(0)))) {
  }
  round.join(77);
  EXPECT_EQ(round.due(), Monotonic::min());
  EXPECT_EQ(round.next(at(Millis(1))), 77U);
  const auto rest = play(round, at(Millis(1)));
  EXPECT_EQ(std::count_if(rest.begin(), rest.end(), [](const Turn& t) { return t.slot == 77; }), 2);
  EXPECT_EQ(rest.size(), 9U + 20U + 2U);
}

TEST(Round, WithoutTargetsLastsItsInterval) {
  Round round;
  Random random(3);
  round.begin({Seconds(3), 3, Nanos(1)}, {}, random, at(Nanos(0)));
  EXPECT_TRUE(play(round, at(Nanos(0))).empty());
  EXPECT_FALSE(round.is_over(at(Millis(2'999))));
  EXPECT_TRUE(round.is_over(at(Seconds(3))));
}

TEST(Round, AnotherRoundIsAnotherOrder) {
  Round round;
  Random random(3);
  std::vector<std::uint32_t> orders[2];
  for (auto& order : orders) {
    round.begin({Seconds(1), 1, Nanos(1)}, slots(50), random, at(Nanos(0)));
    for (const Turn& turn : play(round, at(Nanos(0)))) order.push_back(turn.slot);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_EQ(round.number(), 2U);
}

}  // namespace
}  // namespace isochrone::prober
