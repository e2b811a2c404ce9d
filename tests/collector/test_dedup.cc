// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "collector/dedup.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

TEST(Dedup, TakesEachIdOnceInAnyOrder) {
  Dedup dedup(Seconds(3600));
  Random random(1);
  std::vector<std::uint64_t> order(200);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i + 1;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const auto sequence : order) EXPECT_EQ(dedup.check(id(sequence), kStart), Seen::first_time);
  for (const auto sequence : order) EXPECT_EQ(dedup.check(id(sequence), kStart), Seen::duplicate);
  EXPECT_EQ(dedup.gaps(), 0U);
}

TEST(Dedup, AgreesWithASetWhileGapsFit) {
  Dedup dedup(Seconds(3600));
  std::set<std::uint64_t> seen;
  Random random(2);
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t sequence = 1 + random.below(400);
    const auto expected = seen.insert(sequence).second ? Seen::first_time : Seen::duplicate;
    ASSERT_EQ(dedup.check(id(sequence), kStart), expected) << sequence;
  }
}

TEST(Dedup, ForgetsWhatWasRolledBack) {
  Dedup dedup(Seconds(3600));
  dedup.check(id(1), kStart);
  dedup.commit();
  dedup.check(id(2), kStart);
  dedup.rollback();
  EXPECT_EQ(dedup.check(id(2), kStart), Seen::first_time);
  EXPECT_EQ(dedup.check(id(1), kStart), Seen::duplicate);
}

TEST(Dedup, RemembersAcrossLives) {
  Dedup before(Seconds(3600));
  for (const std::uint64_t sequence : {1U, 2U, 5U, 9U}) before.check(id(sequence), kStart);
  Dedup after(Seconds(3600));
  for (const auto& record : before.changes()) {
    ASSERT_TRUE(after.restore(record.source, record.bytes));
  }
  EXPECT_EQ(after.check(id(5), kStart), Seen::duplicate);
  EXPECT_EQ(after.check(id(3), kStart), Seen::first_time);
  EXPECT_EQ(after.check(id(10), kStart), Seen::first_time);
}

TEST(Dedup, RefusesRecordsItCannotRead) {
  Dedup dedup(Seconds(3600));
  EXPECT_FALSE(dedup.restore("a", ""));
  EXPECT_FALSE(dedup.restore("a", "short"));
  EXPECT_FALSE(dedup.restore("a", std::string(24, '\xff')));
}

TEST(Dedup, BoundsItsGaps) {
  Dedup dedup(Seconds(3600));
  for (std::uint64_t i = 1; i <= 10 * Dedup::kMaxGaps; ++i) dedup.check(id(2 * i), kStart);
  EXPECT_LE(dedup.gaps(), Dedup::kMaxGaps);
  EXPECT_EQ(dedup.check(id(1), kStart), Seen::duplicate);  // its gap made room
}

TEST(Dedup, KeepsLivesApart) {
  Dedup dedup(Seconds(3600));
  EXPECT_EQ(dedup.check({"p", 1, 1}, kStart), Seen::first_time);
  EXPECT_EQ(dedup.check({"p", 2, 1}, kStart), Seen::first_time);
  EXPECT_EQ(dedup.check({"p", 1, 1}, kStart), Seen::duplicate);
}

}  // namespace
}  // namespace isochrone::collector
