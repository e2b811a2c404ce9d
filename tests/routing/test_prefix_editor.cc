// SPDX-License-Identifier: Apache-2.0
//
// PrefixEditor: after any stream of changes its table is the one built from scratch.
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "routing/prefix_editor.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using testing::everything;
using testing::last_address;
using testing::prefix;
using testing::random_address;
using testing::sibling;

constexpr RankingId kOtherwise{99};

using Rows = std::map<Prefix, RankingId>;

PrefixTable rebuilt(const Rows& rows) {
  std::vector<PrefixRow> all;
  for (const auto& [row, ranking] : rows) all.push_back({row, ranking});
  return PrefixTable::build(all, kOtherwise);
}

// Where tables of these rows can differ: about the ends of each row and of its sibling.
void expect_equal(const PrefixTable& a, const PrefixTable& b, const std::vector<Prefix>& rows) {
  for (const Prefix& row : rows) {
    const Prefix beside = row.length() > 0 ? sibling(row) : row;
    for (const Address& place :
         {row.address(), last_address(row), beside.address(), last_address(beside)}) {
      ASSERT_EQ(a.find(place), b.find(place)) << place.to_string() << " by " << row.to_string();
    }
  }
}

// Half of them new, anywhere or inside or beside one that is there; the rest among those.
Prefix random_prefix(Random& random, Family family, const std::vector<Prefix>& known) {
  const int width = everything(family).address().width();
  if (!known.empty() && random.below(2) == 0) return known[random.below(known.size())];
  Prefix around = everything(family);
  if (!known.empty() && random.below(3) > 0) around = known[random.below(known.size())];
  if (around.length() > 0 && random.below(3) == 0) return sibling(around);
  const auto room = static_cast<std::uint64_t>(width - around.length());
  const int length =
      around.length() + static_cast<int>(random.below(std::min<std::uint64_t>(room, 20) + 1));
  return {random_address(random, around), length};
}

void change_at_random(Random& random, Family family, int steps) {
  Rows rows;
  std::vector<Prefix> known;
  PrefixEditor editor(std::vector<PrefixRow>(), kOtherwise);
  for (int step = 0; step < steps; ++step) {
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      const Prefix row = random_prefix(random, family, known);
      const auto ranking = RankingId(static_cast<std::uint32_t>(random.below(3)));
      if (random.below(3) == 0) {
        editor.erase(row);
        rows.erase(row);
      } else {
        editor.set(row, ranking);
        rows[row] = ranking;
      }
      known.push_back(row);
    }
    ASSERT_EQ(editor.size(), rows.size());
    ASSERT_NO_FATAL_FAILURE(expect_equal(editor.table(), rebuilt(rows), known)) << step;
  }
}

TEST(PrefixEditor, FindsWhatATableFromScratchFindsAfterRandomChanges) {
  Random random(20'240'502);
  for (int round = 0; round < 12; ++round) {
    ASSERT_NO_FATAL_FAILURE(change_at_random(random, Family::v4, 60)) << "round " << round;
    ASSERT_NO_FATAL_FAILURE(change_at_random(random, Family::v6, 60)) << "round " << round;
  }
}

// As measurements move: a table of many rows, of which a few change their ranking, most of those
// between two, some appear and some go.
TEST(PrefixEditor, FollowsAStreamAsMeasurementsMakeIt) {
  Random random(11);
  Rows rows;
  std::vector<Prefix> known;
  for (int i = 0; i < 6'000; ++i) {
    const bool is_v4 = i % 3 != 0;
    const std::uint64_t high =
        is_v4 ? (10ULL << 56) | (random() >> 8) : (0x2a00ULL << 48) | (random() >> 20);
    const Prefix row(Address::from_bits(is_v4 ? Family::v4 : Family::v6, high, 0), is_v4 ? 24 : 48);
    known.push_back(row);
    rows[row] = RankingId(static_cast<std::uint32_t>(random.below(8)));
  }
  std::vector<PrefixRow> first;
  for (const auto& [row, ranking] : rows) first.push_back({row, ranking});
  PrefixEditor editor(first, kOtherwise);
  for (int batch = 0; batch < 30; ++batch) {
    for (int i = 0; i < 50; ++i) {
      const Prefix& row = known[random.below(known.size())];
      const auto ranking = RankingId(static_cast<std::uint32_t>(random.below(8)));
      const bool goes = random.below(10) == 0;
      if (goes) editor.erase(row);
      if (goes) rows.erase(row);
      if (!goes) editor.set(row, ranking);
      if (!goes) rows[row] = ranking;
    }
    ASSERT_NO_FATAL_FAILURE(expect_equal(editor.table(), rebuilt(rows), known)) << batch;
  }
}

// Rows that come in order, wide ones and equal ones among them, are where set() would have put them.
TEST(PrefixEditor, BeginsWithRowsAsIfTheyHadBeenSet) {
  Random random(13);
  for (int round = 0; round < 20; ++round) {
    std::vector<PrefixRow> first;
    std::vector<Prefix> known;
    Rows rows;
    PrefixEditor one_by_one(std::vector<PrefixRow>(), kOtherwise);
    for (int i = 0; i < 120; ++i) {
      const Prefix row = random_prefix(random, i % 3 == 0 ? Family::v6 : Family::v4, known);
      const auto ranking = RankingId(static_cast<std::uint32_t>(random.below(3)));
      first.push_back({row, ranking});
      known.push_back(row);
      rows[row] = ranking;
      one_by_one.set(row, ranking);
    }
    PrefixEditor at_once(first, kOtherwise);
    ASSERT_EQ(at_once.size(), one_by_one.size());
    ASSERT_NO_FATAL_FAILURE(expect_equal(at_once.table(), one_by_one.table(), known)) << round;
    while (!known.empty()) {
      at_once.erase(known.back());
      rows.erase(known.back());
      ASSERT_EQ(at_once.size(), rows.size());
      if (known.size() % 8 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_equal(at_once.table(), rebuilt(rows), known)) << round;
      }
      known.pop_back();
    }
  }
}

// Readers keep tables for as long as they like; what those answer never changes.
TEST(PrefixEditor, LeavesEarlierTablesAlone) {
  Random random(12);
  Rows rows;
  std::vector<Prefix> known;
  PrefixEditor editor(std::vector<PrefixRow>(), kOtherwise);
  std::deque<std::pair<PrefixTable, PrefixTable>> kept;  // and the same from scratch
  for (int step = 0; step < 300; ++step) {
    const Prefix row = random_prefix(random, random.below(2) == 0 ? Family::v4 : Family::v6, known);
    const auto ranking = RankingId(static_cast<std::uint32_t>(random.below(3)));
    editor.set(row, ranking);
    rows[row] = ranking;
    known.push_back(row);
    kept.emplace_back(editor.table(), rebuilt(rows));
    if (kept.size() > 20) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(random.below(20)));
    if (step % 10 != 0) continue;
    for (const auto& [table, same] : kept) {
      ASSERT_NO_FATAL_FAILURE(expect_equal(table, same, known)) << step;
    }
  }
}

// Changes that come and go take no more memory with time, though a reader lags behind.
TEST(PrefixEditor, UsesAgainWhatNobodyReads) {
  std::vector<PrefixRow> rows;
  for (std::uint64_t i = 0; i < 4'096; ++i) {
    const auto at = Address::from_bits(Family::v4, (10ULL << 56) | (i << 40), 0);
    rows.push_back({Prefix(at, 24), RankingId(static_cast<std::uint32_t>(i % 7))});
  }
  PrefixEditor editor(rows, kOtherwise);
  std::deque<PrefixTable> kept;
  Random random(13);
  const auto churn = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const Prefix& row = rows[random.below(rows.size())].prefix;
      editor.set(row, RankingId(static_cast<std::uint32_t>(random.below(7))));
      kept.push_back(editor.table());
      if (kept.size() > 3) kept.pop_front();
    }
  };
  churn(2'000);
  const std::size_t before = editor.memory_bytes();
  churn(4'000);
  EXPECT_LE(editor.memory_bytes(), before + before / 2);
}

TEST(PrefixEditor, GivesTheWidestBlockAsExceptionsComeAndGo) {
  PrefixEditor editor({{prefix("10.0.0.0/8"), RankingId(1)}}, kOtherwise);
  EXPECT_EQ(editor.table().find(address("10.9.9.9")), (Leaf{RankingId(1), 8}));
  editor.set(prefix("10.1.2.0/24"), RankingId(2));
  EXPECT_EQ(editor.table().find(address("10.9.9.9")), (Leaf{RankingId(1), 13}));
  EXPECT_EQ(editor.table().find(address("10.1.2.3")), (Leaf{RankingId(2), 24}));
  editor.set(prefix("10.1.2.0/24"), RankingId(1));
  EXPECT_EQ(editor.table().find(address("10.1.2.3")), (Leaf{RankingId(1), 8}));
  editor.erase(prefix("10.0.0.0/8"));
  EXPECT_EQ(editor.table().find(address("10.9.9.9")), (Leaf{kOtherwise, 13}));
  editor.erase(prefix("10.1.2.0/24"));
  EXPECT_EQ(editor.table().find(address("10.1.2.3")), (Leaf{kOtherwise, 0}));
}

}  // namespace
}  // namespace isochrone::routing
