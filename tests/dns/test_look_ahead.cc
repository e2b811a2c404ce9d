// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/look_ahead.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

constexpr FarTables kAll{true, true};

std::vector<std::vector<std::uint8_t>> some_queries() {
  return {wire({.name = "www.example.com", .subnet = prefix("10.1.2.0/24")}),
          wire({.name = "www.example.com", .subnet = prefix("2001:db8::/48")}),
          wire({.name = "a.example.net"}),
          wire({.name = "not.there.example.com", .payload = 1232}),
          wire({.name = "elsewhere.test"}),
          {}};
}

// Reading ahead looks at bytes before answer() has judged them.
TEST(LookAhead, ReadsNothingOutsideAnyQuery) {
  const Snapshot snapshot = world();
  for (const auto& whole : some_queries()) {
    for (std::size_t size = 0; size <= whole.size(); ++size) {
      // Of its own size on the heap, so that a sanitizer sees a read past its end.
      const std::vector<std::uint8_t> cut(whole.begin(),
                                          whole.begin() + static_cast<std::ptrdiff_t>(size));
      const Bytes query(cut);
      look_ahead(snapshot, kAll, std::span(&query, 1));
    }
  }
}

TEST(LookAhead, ChangesNoAnswerAndAllocatesNothing) {
  const Snapshot snapshot = world();
  const auto queries = some_queries();
  std::vector<std::vector<std::uint8_t>> before;
  for (const auto& query : queries) before.push_back(send_bytes(snapshot, query));
  std::vector<Bytes> batch;
  for (std::size_t i = 0; i < 2 * kMostLookedAhead; ++i)
    batch.emplace_back(queries[i % queries.size()]);
  const std::size_t allocated = isochrone::testing::allocations();
  look_ahead(snapshot, kAll, batch);
  EXPECT_EQ(isochrone::testing::allocations(), allocated);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ(send_bytes(snapshot, queries[i]), before[i]);
  }
}

TEST(LookAhead, LeavesSmallTablesAlone) {
  const FarTables far = far_tables(world());
  EXPECT_FALSE(far.names);
  EXPECT_FALSE(far.networks) << world().table->memory_bytes();
}

TEST(LookAhead, FindsLargeTablesFar) {
  NodeState state;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    routing::PrefixState known;
    known.prefix = Prefix(Address::from_bits(Family::v4, (0x01'0000 + i) << 40, 0), 24);
    routing::Estimate estimate;
    estimate.samples = 1;
    const routing::SiteId site(static_cast<std::uint16_t>(i * 7 % 3));
    known.set(site, estimate);
    state.performance.put(known);
  }
  EXPECT_TRUE(far_tables(snapshot_of(state)).networks);
}

}  // namespace
}  // namespace isochrone::dns::testing
