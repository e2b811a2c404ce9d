// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "lab/echo_record.h"
#include "lab/packet.h"

namespace isochrone::lab {
namespace {

const Instant kNoon = *parse_instant("2024-05-01T12:00:00Z");

// An ICMP echo from 192.0.2.1 to 198.18.7.9, or from its IPv6 likeness.
std::vector<std::uint8_t> echo(Family family, std::uint16_t sequence) {
  std::vector<std::uint8_t> packet;
  if (family == Family::v4) {
    packet = {0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 1, 0, 0, 192, 0, 2, 1, 198, 18, 7, 9, 8, 0, 0, 0};
  } else {
    packet = {0x60, 0, 0, 0, 0, 8, 58, 64};
    for (const std::uint8_t host : {std::uint8_t{1}, std::uint8_t{9}}) {
      packet.insert(packet.end(), {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host});
    }
    packet.insert(packet.end(), {128, 0, 0, 0});
  }
  packet.insert(packet.end(), {0xbe, 0xef, static_cast<std::uint8_t>(sequence >> 8),
                               static_cast<std::uint8_t>(sequence)});
  return packet;
}

// With source and destination changed, and the type of a reply.
std::vector<std::uint8_t> reply_to(std::vector<std::uint8_t> packet) {
  const std::size_t at = packet[0] == 0x45 ? 12 : 8;
  const std::size_t size = packet[0] == 0x45 ? 4 : 16;
  std::swap_ranges(packet.begin() + static_cast<std::ptrdiff_t>(at),
                   packet.begin() + static_cast<std::ptrdiff_t>(at + size),
                   packet.begin() + static_cast<std::ptrdiff_t>(at + size));
  packet[at + 2 * size] = packet[0] == 0x45 ? 0 : 129;
  return packet;
}

TEST(EchoRecord, SaysHowLongEachEchoWasAway) {
  for (const Family family : {Family::v4, Family::v6}) {
    EchoRecord record;
    const auto first = echo(family, 1);
    const auto second = echo(family, 2);
    EXPECT_FALSE(record.see(first, true, kNoon));
    EXPECT_FALSE(record.see(second, true, kNoon + Millis(1)));
    const auto later = record.see(reply_to(second), false, kNoon + Millis(21));
    ASSERT_TRUE(later);
    EXPECT_EQ(later->delay, Nanos(Millis(20)));
    EXPECT_EQ(record.unanswered().size(), 1U);
    const auto sooner = record.see(reply_to(first), false, kNoon + Millis(32));
    ASSERT_TRUE(sooner);
    EXPECT_EQ(sooner->delay, Nanos(Millis(32)));
    EXPECT_EQ(sooner->address, parse_ip(first)->destination);
    EXPECT_FALSE(record.see(reply_to(first), false, kNoon + Millis(33))) << "answered once";
    EXPECT_EQ(record.sent(), 2U);
    EXPECT_TRUE(record.unanswered().empty());
  }
}

TEST(EchoRecord, LooksAtWhatLeavesForRequestsAndAtWhatEntersForReplies) {
  EchoRecord record;
  const auto packet = echo(Family::v4, 1);
  EXPECT_FALSE(record.see(packet, false, kNoon));  // somebody pings the node
  EXPECT_FALSE(record.see(reply_to(packet), true, kNoon));
  EXPECT_FALSE(record.see(reply_to(packet), false, kNoon)) << "to nothing that left";
  EXPECT_EQ(record.sent(), 0U);
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_FALSE(record.see({packet.data(), size}, true, kNoon));
  }
  auto udp = packet;
  udp[9] = 17;
  EXPECT_FALSE(record.see(udp, true, kNoon));
  EXPECT_EQ(record.sent(), 0U);
}

}  // namespace
}  // namespace isochrone::lab
