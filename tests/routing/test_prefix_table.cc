// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable against a list of rows that is searched one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "routing/prefix_table.h"
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

PrefixTable table_of(std::initializer_list<std::pair<const char*, unsigned>> rows) {
  std::vector<PrefixRow> parsed;
  for (const auto& [text, ranking] : rows) parsed.push_back({prefix(text), RankingId(ranking)});
  return PrefixTable::build(parsed, kOtherwise);
}

RankingId linear_find(const std::vector<PrefixRow>& rows, const Address& client) {
  const PrefixRow* best = nullptr;
  for (const PrefixRow& row : rows) {
    if (!row.prefix.contains(client)) continue;
    if (best == nullptr || row.prefix.length() >= best->prefix.length()) best = &row;
  }
  return best == nullptr ? kOtherwise : best->ranking;
}

// The address behind a prefix; behind the last one comes the first.
Address after(const Prefix& row) {
  const Address last = last_address(row);
  if (last.is_v4()) return Address::from_bits(Family::v4, last.high() + (1ULL << 32), 0);
  const std::uint64_t low = last.low() + 1;
  return Address::from_bits(Family::v6, last.high() + (low == 0 ? 1 : 0), low);
}

// Whether some address of the block has another ranking. Rankings change only where rows begin and
// where they end, so those places and the block's first address tell.
bool differs_inside(const std::vector<PrefixRow>& rows, const Prefix& block, RankingId ranking) {
  const auto differs_at = [&](const Address& place) {
    return block.contains(place) && linear_find(rows, place) != ranking;
  };
  if (differs_at(block.address())) return true;
  return std::any_of(rows.begin(), rows.end(), [&](const PrefixRow& row) {
    return differs_at(row.prefix.address()) || differs_at(after(row.prefix));
  });
}

// Rows that nest, touch and repeat rankings: half of them refine or adjoin an earlier one.
std::vector<PrefixRow> random_rows(Random& random, Family family, std::size_t count) {
  std::vector<PrefixRow> rows;
  const int width = everything(family).address().width();
  while (rows.size() < count) {
    const auto ranking = RankingId(static_cast<std::uint32_t>(random.below(4)));
    Prefix around = everything(family);
    if (!rows.empty() && random.below(3) > 0) around = rows[random.below(rows.size())].prefix;
    if (around.length() > 0 && random.below(4) == 0) {
      rows.push_back({sibling(around), ranking});
      continue;
    }
    const auto room = static_cast<std::uint64_t>(width - around.length());
    const int length =
        around.length() + static_cast<int>(random.below(std::min<std::uint64_t>(room, 12) + 1));
    rows.push_back({Prefix(random_address(random, around), length), ranking});
  }
  return rows;
}

// The addresses that matter for a map: around the ends of its rows, and some at random.
std::vector<Address> places(Random& random, Family family, const std::vector<PrefixRow>& rows) {
  std::vector<Address> all;
  for (const PrefixRow& row : rows) {
    all.push_back(row.prefix.address());
    all.push_back(last_address(row.prefix));
    all.push_back(random_address(random, row.prefix));
    if (row.prefix.length() > 0) all.push_back(sibling(row.prefix).address());
    if (row.prefix.length() > 0) all.push_back(last_address(sibling(row.prefix)));
    all.push_back(random_address(random, everything(family)));
  }
  return all;
}

void expect_correct_and_widest(Random& random, Family family, std::size_t count) {
  const auto rows = random_rows(random, family, count);
  const auto table = PrefixTable::build(rows, kOtherwise);
  for (const Address& client : places(random, family, rows)) {
    const Leaf leaf = table.find(client);
    const Prefix block(client, leaf.block_length);
    ASSERT_EQ(leaf.ranking, linear_find(rows, client)) << client.to_string();
    ASSERT_FALSE(differs_inside(rows, block, leaf.ranking)) << block.to_string();
    if (leaf.block_length > 0) {
      const Prefix parent(client, leaf.block_length - 1);
      ASSERT_TRUE(differs_inside(rows, parent, leaf.ranking)) << block.to_string();
    }
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(table.find(random_address(random, block)), leaf) << block.to_string();
    }
    ASSERT_EQ(table.find(last_address(block)), leaf) << block.to_string();
  }
}

// The table of ANCHORS section 1: 10.0.0.0/8 and 10.1.2.0/24 in a world of .99.
TEST(Scope, IsCorrectAndWidestOnTheAcceptanceMap) {
  const auto table = table_of({{"10.0.0.0/8", 1}, {"10.1.2.0/24", 2}});
  struct Case {
    const char* client;
    unsigned ranking;
    int scope;
  };
  const Case cases[] = {
      {"10.9.9.0", 1, 13},
      {"10.1.2.0", 2, 24},
      {"10.1.0.0", 1, 23},
      {"11.0.0.0", 99, 8},
  };
  for (const Case& one : cases) {
    const Leaf leaf = table.find(address(one.client));
    EXPECT_EQ(leaf.ranking, RankingId(one.ranking)) << one.client;
    EXPECT_EQ(leaf.block_length, one.scope) << one.client;
  }
}

TEST(Scope, StopsWhereTheNeighbourDiffers) {
  const auto table = table_of({{"192.0.2.0/25", 1}, {"192.0.2.128/25", 2}});
  EXPECT_EQ(table.find(address("192.0.2.1")).block_length, 25);
  EXPECT_EQ(table.find(address("192.0.2.129")).block_length, 25);
}

TEST(Scope, IsWideWhereNeighboursAgree) {
  const auto table = table_of({{"192.0.2.0/25", 1}, {"192.0.2.128/25", 1}, {"192.0.3.0/24", 1}});
  EXPECT_EQ(table.find(address("192.0.2.200")).block_length, 23);
}

TEST(Scope, OfARowThatSaysWhatItsSurroundingsSayIsTheirs) {
  const auto table = table_of({{"10.0.0.0/8", 1}, {"10.1.2.0/24", 1}});
  EXPECT_EQ(table.find(address("10.1.2.3")).block_length, 8);
}

TEST(Scope, OfAnEmptyMapIsEveryone) {
  const auto table = PrefixTable::build({}, kOtherwise);
  EXPECT_EQ(table.find(address("192.0.2.1")), (Leaf{kOtherwise, 0}));
  EXPECT_EQ(table.find(address("2001:db8::1")), (Leaf{kOtherwise, 0}));
}

TEST(PrefixTable, KeepsTheFamiliesApart) {
  const auto table = table_of({{"0.0.0.0/0", 4}, {"::/0", 6}});
  EXPECT_EQ(table.find(address("192.0.2.1")), (Leaf{RankingId(4), 0}));
  EXPECT_EQ(table.find(address("2001:db8::1")), (Leaf{RankingId(6), 0}));
}

TEST(PrefixTable, TakesTheLastOfEqualRows) {
  const auto table = table_of({{"10.0.0.0/8", 1}, {"10.0.0.0/8", 2}});
  EXPECT_EQ(table.find(address("10.0.0.1")), (Leaf{RankingId(2), 8}));
}

TEST(PrefixTable, ReachesTheEndsOfBothAddressSpaces) {
  const auto table = table_of({{"0.0.0.0/32", 1},
                               {"255.255.255.255/32", 2},
                               {"::/128", 3},
                               {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 4}});
  EXPECT_EQ(table.find(address("0.0.0.0")), (Leaf{RankingId(1), 32}));
  EXPECT_EQ(table.find(address("0.0.0.1")), (Leaf{kOtherwise, 32}));
  EXPECT_EQ(table.find(address("255.255.255.255")), (Leaf{RankingId(2), 32}));
  EXPECT_EQ(table.find(address("::")), (Leaf{RankingId(3), 128}));
  EXPECT_EQ(table.find(address("::1")), (Leaf{kOtherwise, 128}));
  EXPECT_EQ(table.find(last_address(everything(Family::v6))), (Leaf{RankingId(4), 128}));
}

TEST(PrefixTable, IsCorrectAndWidestOnRandomMaps) {
  Random random(20'240'501);
  for (int round = 0; round < 60; ++round) {
    expect_correct_and_widest(random, Family::v4, 1 + random.below(40));
    expect_correct_and_widest(random, Family::v6, 1 + random.below(40));
  }
}

// Enough rows for the wide root; the naive search bounds how many places can be asked.
TEST(PrefixTable, FindsTheSameInALargeMap) {
  Random random(7);
  for (const Family family : {Family::v4, Family::v6}) {
    const auto rows = random_rows(random, family, 40'000);
    const auto table = PrefixTable::build(rows, kOtherwise);
    auto asked = places(random, family, {rows.begin(), rows.begin() + 100});
    for (const Address& client : asked) {
      ASSERT_EQ(table.find(client).ranking, linear_find(rows, client)) << client.to_string();
    }
  }
}

// Batches of every size around one that is looked up together, both families mixed, all depths.
TEST(PrefixTable, FindsEachAsItFindsOne) {
  Random random(11);
  for (const std::size_t count : {0U, 3U, 300U, 20'000U}) {
    auto rows = random_rows(random, Family::v4, count);
    const auto more = random_rows(random, Family::v6, count);
    rows.insert(rows.end(), more.begin(), more.end());
    const auto table = PrefixTable::build(rows, kOtherwise);
    std::vector<Address> clients;
    for (std::size_t i = 0; i < 200; ++i) {
      const Family family = random.below(2) == 0 ? Family::v4 : Family::v6;
      const Prefix around = rows.empty() || random.below(3) == 0
                                ? everything(family)
                                : rows[random.below(rows.size())].prefix;
      clients.push_back(random_address(random, around));
    }
    for (std::size_t size = 0; size <= clients.size(); ++size) {
      constexpr Leaf kUntouched{RankingId(12'345), 200};
      std::vector<Leaf> leaves(size + 1, kUntouched);
      table.find_each(std::span(clients).first(size), leaves);
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_EQ(leaves[i], table.find(clients[i])) << clients[i].to_string() << " of " << size;
      }
      ASSERT_EQ(leaves[size], kUntouched);
    }
  }
}

TEST(PrefixTable, OfEverydaySizeIsSmall) {
  const auto table = table_of({{"10.0.0.0/8", 1}, {"2001:db8::/32", 2}});
  // Two roots of 4096 cells of 16 bytes, and a few entries.
  EXPECT_LT(table.memory_bytes(), 140'000U);
}

}  // namespace
}  // namespace isochrone::routing
