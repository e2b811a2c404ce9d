// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "lab/plan.h"

namespace isochrone::lab {
namespace {

// Nodes on a line, one millisecond apart.
RttMatrix line(std::size_t rows) {
  std::string text;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < rows; ++j) text += std::to_string(i > j ? i - j : j - i) + " ";
    text += "\n";
  }
  return *RttMatrix::parse(text, "line");
}

Plan plan_of(std::size_t sites, std::size_t clients, double ipv6_share, std::uint64_t seed = 1) {
  return *make_plan(line(sites + clients + 2), {sites, clients, ipv6_share, seed});
}

TEST(Plan, UsesOnlySpecialUseSpace) {
  const Plan plan = plan_of(4, 512, 0.5);
  for (const Prefix& network : plan.networks) {
    EXPECT_TRUE(Prefix::parse("198.18.0.0/15")->contains(network) ||
                Prefix::parse("2001:db8::/32")->contains(network));
  }
  for (const Node& node : plan.nodes) {
    for (const Address& address : node.addresses) {
      const bool is_special = std::ranges::any_of(
          std::array{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15",
                     "2001:db8::/32"},
          [&](const char* space) { return Prefix::parse(space)->contains(address); });
      EXPECT_TRUE(is_special) << address.to_string();
    }
  }
}

TEST(Plan, DrawsEachRowOnce) {
  const Plan plan = plan_of(8, 300, 0.2);
  std::set<std::size_t> rows(plan.site_rows.begin(), plan.site_rows.end());
  rows.insert(plan.network_rows.begin(), plan.network_rows.end());
  EXPECT_EQ(rows.size(), 308U);
}

TEST(Plan, IsTheSameForTheSameSeed) {
  EXPECT_EQ(plan_of(8, 100, 0.2, 5).network_rows, plan_of(8, 100, 0.2, 5).network_rows);
  EXPECT_NE(plan_of(8, 100, 0.2, 5).network_rows, plan_of(8, 100, 0.2, 6).network_rows);
}

TEST(Plan, AThirdIsSilentToIcmpAndAThirdOfThoseToTcp) {
  const Plan plan = *make_plan(line(92), {2, 90, 0.2, 1, 1.0 / 3});
  EXPECT_EQ(std::ranges::count(plan.hearings, false, &Hearing::icmp), 30);
  EXPECT_EQ(std::ranges::count(plan.hearings, false, &Hearing::tcp), 10);
  for (const Hearing& each : plan.hearings) EXPECT_TRUE(each.tcp || !each.icmp);
  EXPECT_EQ(std::ranges::count(plan_of(2, 90, 0.2).hearings, false, &Hearing::icmp), 0);
}

TEST(Plan, SpreadsSitesOverTheMatrix) {
  const Plan plan = plan_of(2, 98, 0);
  const auto [west, east] = std::minmax(plan.site_rows[0], plan.site_rows[1]);
  EXPECT_LT(west, 50U);
  EXPECT_GE(east, 50U);
}

TEST(Plan, GivesTheShareOfIpv6Asked) {
  const Plan plan = plan_of(2, 100, 0.25);
  const auto count = std::ranges::count_if(
      plan.networks, [](const Prefix& network) { return network.family() == Family::v6; });
  EXPECT_EQ(count, 25);
}

TEST(Plan, FindsTheNetworkOfEveryAddressInIt) {
  const Plan plan = plan_of(2, 512, 0.5);
  for (std::size_t i = 0; i < plan.networks.size(); ++i) {
    const Address first = plan.networks[i].address();
    EXPECT_EQ(plan.network_of(first), i);
    const Address last = first.is_v4()
                             ? Address::from_bits(Family::v4, first.high() | (255ULL << 32), 0)
                             : Address::from_bits(Family::v6, first.high() | 0xffff, ~0ULL);
    EXPECT_EQ(plan.network_of(last), i);
  }
}

TEST(Plan, FindsNoNetworkElsewhere) {
  const Plan plan = plan_of(2, 4, 0.5);  // networks 1 and 3 are IPv6
  for (const char* text : {"198.17.255.255", "198.18.1.1", "198.18.4.1", "198.20.0.1", "192.0.2.1",
                           "2001:db8:1::1", "2001:db8:100::1", "2001:db8:104::1", "::"}) {
    EXPECT_EQ(plan.network_of(*Address::parse(text)), std::nullopt) << text;
  }
}

TEST(Plan, RefusesSizesThatCannotBe) {
  const RttMatrix small = line(10);
  EXPECT_FALSE(make_plan(small, {0, 5, 0, 1}));
  EXPECT_FALSE(make_plan(small, {5, 6, 0, 1}));
  EXPECT_FALSE(make_plan(small, {2, 5, 1.5, 1}));
  EXPECT_FALSE(make_plan(*RttMatrix::parse("1 2 3\n4 5 6", "wide"), {1, 1, 0, 1}));
  EXPECT_TRUE(make_plan(small, {5, 5, 1, 1}));
}

}  // namespace
}  // namespace isochrone::lab
