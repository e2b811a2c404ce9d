// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/demand_table.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

const routing::ServiceId kService{0};

TEST(DemandTable, CountsPerServiceNetworkAndResolver) {
  DemandTable table;
  const Address resolver = address("198.51.100.1");
  table.count(kService, prefix("192.0.2.0/24"), resolver);
  table.count(kService, prefix("192.0.2.0/24"), resolver);
  table.count(kService, prefix("192.0.2.0/24"), address("198.51.100.2"));
  table.count(routing::ServiceId(1), prefix("192.0.2.0/24"), resolver);
  const auto taken = table.take();
  ASSERT_EQ(taken.size(), 3U);
  std::uint32_t most = 0;
  for (const DemandCount& count : taken) most = std::max(most, count.queries);
  EXPECT_EQ(most, 2U);
  EXPECT_TRUE(table.take().empty());
}

TEST(DemandTable, IsBoundedAndAllocatesNothingWhileCounting) {
  DemandTable table;
  const std::size_t before = isochrone::testing::allocations();
  std::size_t counted = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const Prefix network(Address::from_bits(Family::v4, i << 40, 0), 24);
    counted += table.count(kService, network, Address()) ? 1U : 0U;
  }
  EXPECT_EQ(isochrone::testing::allocations(), before);
  EXPECT_LE(counted, DemandTable::kSlots);
  EXPECT_GT(counted, DemandTable::kSlots / 2);
  EXPECT_EQ(table.take().size(), counted);
}

}  // namespace
}  // namespace isochrone::dns::testing
