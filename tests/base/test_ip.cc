// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "base/ip.h"
#include "base/random.h"

namespace isochrone {
namespace {

using namespace std::string_view_literals;

Prefix prefix_of(std::string_view text) { return Prefix::parse(text).value(); }
Address address_of(std::string_view text) { return Address::parse(text).value(); }

TEST(Address, ReadsBackItsCanonicalText) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "2001:db8:1:2:3:4:5:6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    EXPECT_EQ(address_of(text).to_string(), text);
  }
  EXPECT_EQ(address_of("2001:DB8:0:0:0:0:0:1").to_string(), "2001:db8::1");
}

TEST(Address, WhatIsNoAddressIsRefused) {
  for (const auto text :
       {""sv, " "sv, "1.2.3"sv, "1.2.3.256"sv, "1.2.3.4 "sv, "01.2.3.4.5"sv, ":::"sv, "2001:db8"sv,
        "fe80::1%eth0"sv, "host"sv, "1.2.3.4\0"sv, "::1\0:2"sv, "[::1]"sv}) {
    EXPECT_FALSE(Address::parse(text)) << text;
  }
  EXPECT_FALSE(Address::parse(std::string(1'000, '1')));
}

TEST(Address, BitZeroIsTheFirstOnTheWire) {
  EXPECT_TRUE(address_of("128.0.0.0").bit(0));
  EXPECT_TRUE(address_of("0.0.0.1").bit(31));
  EXPECT_TRUE(address_of("8000::").bit(0));
  EXPECT_TRUE(address_of("::8000:0:0:0").bit(64));
  EXPECT_TRUE(address_of("::1").bit(127));
  EXPECT_FALSE(address_of("::1").bit(126));
}

TEST(Address, LeadingBytesAreEnough) {
  const std::vector<std::uint8_t> bytes{192, 0, 2};
  EXPECT_EQ(Address::from_bytes(Family::v4, bytes), address_of("192.0.2.0"));
  EXPECT_EQ(Address::from_bytes(Family::v6, bytes), address_of("c000:200::"));
  EXPECT_FALSE(Address::from_bytes(Family::v4, std::vector<std::uint8_t>(5)));
  EXPECT_FALSE(Address::from_bytes(Family::v6, std::vector<std::uint8_t>(17)));
}

TEST(Address, MaskingClearsExactlyTheRest) {
  const Address v4 = address_of("255.255.255.255");
  const Address v6 = address_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  for (const Address& all : {v4, v6}) {
    for (int length = 0; length <= all.width(); ++length) {
      const Address masked = all.masked(length);
      for (int bit = 0; bit < all.width(); ++bit) ASSERT_EQ(masked.bit(bit), bit < length);
    }
  }
}

TEST(Address, Ipv4SortsBeforeIpv6) {
  std::vector<Address> addresses{address_of("::"), address_of("10.0.0.1"), address_of("9.0.0.1")};
  std::sort(addresses.begin(), addresses.end());
  EXPECT_EQ(addresses.front(), address_of("9.0.0.1"));
  EXPECT_EQ(addresses.back(), address_of("::"));
  EXPECT_NE(address_of("0.0.0.0"), address_of("::"));
}

TEST(Prefix, ReadsBackItsText) {
  for (const char* text :
       {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128"}) {
    EXPECT_EQ(prefix_of(text).to_string(), text);
  }
  EXPECT_EQ(prefix_of("192.0.2.1"), prefix_of("192.0.2.1/32"));
}

TEST(Prefix, BitsPastItsLengthAndOddLengthsAreRefused) {
  for (const char* text : {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "/24",
                           "192.0.2.0/24/24", "192.0.2.0/ 24", "2001:db8::1/127", "::/129", ""}) {
    EXPECT_FALSE(Prefix::parse(text)) << text;
  }
}

TEST(Prefix, ContainsWhatSharesItsBitsAndFamily) {
  const Prefix prefix = prefix_of("192.0.2.0/25");
  EXPECT_TRUE(prefix.contains(address_of("192.0.2.127")));
  EXPECT_FALSE(prefix.contains(address_of("192.0.2.128")));
  EXPECT_TRUE(prefix.contains(prefix));
  EXPECT_TRUE(prefix.contains(prefix_of("192.0.2.64/26")));
  EXPECT_FALSE(prefix.contains(prefix_of("192.0.2.0/24")));
  EXPECT_FALSE(prefix_of("::/0").contains(address_of("192.0.2.1")));
}

TEST(Prefix, SortsBeforeTheLongerOnesItContains) {
  EXPECT_LT(prefix_of("192.0.2.0/24"), prefix_of("192.0.2.0/25"));
  EXPECT_LT(prefix_of("192.0.2.0/25"), prefix_of("192.0.2.128/25"));
}

TEST(Prefix, RandomOnesSurviveTextAndContainTheirAddress) {
  constexpr std::uint64_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  for (int i = 0; i < 1'000; ++i) {
    const auto family = random.below(2) == 0 ? Family::v4 : Family::v6;
    const Address address = Address::from_bits(family, random(), random());
    const auto width = static_cast<std::uint64_t>(address.width());
    const Prefix prefix(address, static_cast<int>(random.below(width + 1)));
    EXPECT_TRUE(prefix.contains(address));
    EXPECT_EQ(Prefix::parse(prefix.to_string()), prefix);
    EXPECT_EQ(Address::parse(address.to_string()), address);
  }
}

TEST(ClientNetwork, IsASlash24OrASlash48) {
  EXPECT_EQ(client_network(address_of("192.0.2.77")), prefix_of("192.0.2.0/24"));
  EXPECT_EQ(client_network(address_of("2001:db8:1:2::3")), prefix_of("2001:db8:1::/48"));
}

TEST(Endpoint, ReadsAddressAtPort) {
  EXPECT_EQ(Endpoint::parse("192.0.2.1@53"), (Endpoint{address_of("192.0.2.1"), 53}));
  EXPECT_EQ(Endpoint::parse("::1@65535").value().to_string(), "::1@65535");
  EXPECT_EQ(Endpoint::parse("::1", 53).value().port, 53);
  for (const char* text : {"192.0.2.1", "192.0.2.1@", "192.0.2.1@65536", "192.0.2.1:53", "@53"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Endpoint, SurvivesASocketAddress) {
  for (const char* text : {"192.0.2.1@53", "2001:db8::1@5353"}) {
    const Endpoint endpoint = Endpoint::parse(text).value();
    sockaddr_storage storage{};
    endpoint.to_sockaddr(storage);
    EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr&>(storage)), endpoint);
  }
}

TEST(Endpoint, AMappedAddressIsTheIpv4AddressItMeans) {
  sockaddr_storage storage{};
  Endpoint{address_of("::ffff:192.0.2.1"), 53}.to_sockaddr(storage);
  EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr&>(storage)),
            (Endpoint{address_of("192.0.2.1"), 53}));
}

TEST(Endpoint, OtherFamiliesAreNone) {
  sockaddr_storage storage{};
  storage.ss_family = AF_UNIX;
  EXPECT_FALSE(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr&>(storage)));
}

}  // namespace
}  // namespace isochrone
