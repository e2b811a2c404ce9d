// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/targets.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

event::Demand demand(const char* prefix, const char* resolver) {
  return {"www.example.com", *Prefix::parse(prefix), *Address::parse(resolver), 10, Millis(1000)};
}

TEST(Targets, AnnouncesANewNetworkAtOnce) {
  Targets targets(Seconds(300));
  const auto target = targets.ask(demand("198.18.7.0/24", "198.51.100.1"), kStart);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->prefix.to_string(), "198.18.7.0/24");
  ASSERT_EQ(target->addresses.size(), 1U);
  EXPECT_EQ(target->addresses[0].to_string(), "198.18.7.1");
  EXPECT_EQ(target->weight, 600U);
  EXPECT_EQ(target->lifetime, Seconds(300));
}

TEST(Targets, TriesAResolverInsideTheNetworkFirst) {
  Targets targets(Seconds(300));
  const auto target = targets.ask(demand("2001:db8:7::/48", "2001:db8:7::53"), kStart);
  ASSERT_TRUE(target);
  ASSERT_EQ(target->addresses.size(), 2U);
  EXPECT_EQ(target->addresses[0].to_string(), "2001:db8:7::53");
  EXPECT_EQ(target->addresses[1].to_string(), "2001:db8:7::1");
}

TEST(Targets, AnnouncesAgainAfterHalfALifetime) {
  Targets targets(Seconds(300));
  const auto asked = demand("198.18.7.0/24", "198.51.100.1");
  EXPECT_TRUE(targets.ask(asked, kStart));
  EXPECT_FALSE(targets.ask(asked, kStart + Seconds(149)));
  EXPECT_TRUE(targets.ask(asked, kStart + Seconds(150)));
}

TEST(Targets, MakesRoomForTheNewest) {
  Targets targets(Seconds(300));
  for (std::uint64_t i = 0; i <= Targets::kMaxTargets; ++i) {
    const Prefix prefix(Address::from_bits(Family::v4, (0x0b000000ULL + (i << 8)) << 32, 0), 24);
    targets.ask({"www.example.com", prefix, Address::v4(1, 1, 1, 1), 1, Millis(1000)}, kStart);
  }
  EXPECT_EQ(targets.size(), Targets::kMaxTargets);
  EXPECT_EQ(targets.known().back().prefix.to_string(), "11.0.1.0/24");
}

}  // namespace
}  // namespace isochrone::collector
