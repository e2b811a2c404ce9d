// SPDX-License-Identifier: Apache-2.0
//
// The query path's look-up allocates nothing; the counting operator new says so.
#include <gtest/gtest.h>

#include <memory>

#include "routing/decision.h"
#include "tests/routing/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::routing {
namespace {

using isochrone::testing::allocations;
using testing::kFra;
using testing::kIad;
using testing::kWww;
using testing::measured;
using testing::rtt;

TEST(Choice, AllocatesNothing) {
  const auto state = testing::state_of({measured("192.0.2.0/24", {{kIad, rtt(20)}}),
                                        measured("2001:db8:1::/48", {{kIad, rtt(20)}})});
  const auto table = compile_table(testing::three_sites(), state, nullptr, 1);
  const Address v4 = testing::address("192.0.2.1");
  const Address v6 = testing::address("2001:db8:1::1");
  const std::size_t before = allocations();
  const Choice first = choose(*table, kWww, v4, kAllSites);
  const Choice second = choose(*table, kWww, v6, site_bit(kFra));
  const std::size_t after = allocations();
  EXPECT_EQ(after, before);
  EXPECT_EQ(first.site, kIad);
  EXPECT_EQ(second.site, kFra);
}

TEST(Choice, WouldBeSeenToAllocate) {
  const std::size_t before = allocations();
  const auto seen = std::make_unique<Address>();
  EXPECT_GT(allocations(), before);
}

}  // namespace
}  // namespace isochrone::routing
