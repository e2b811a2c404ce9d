// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "prober/icmp.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using Packet = std::vector<std::uint8_t>;

constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};  // the SipHash paper's key
const Echo kEcho{kKey, 0xabcd, "isochrone latency probe"};

Probe probe_to(std::string_view to) {
  Probe probe;
  probe.sequence = 0x1'0002;
  probe.destination = address(to);
  probe.target = {7, 1};
  probe.round = 5;
  probe.index = 2;
  probe.sent = from_unix_nanos(0x1122334455667788);
  return probe;
}

Packet encode(const Probe& probe, const Echo& echo = kEcho) {
  std::array<std::uint8_t, kMaxEchoBytes> buffer{};
  const Bytes message = encode_echo(echo, probe, buffer);
  return {message.begin(), message.end()};
}

// What the host answers: the same bytes with the type of a reply.
Packet reply_to(const Probe& probe) {
  Packet packet = encode(probe);
  packet[0] = probe.destination.is_v4() ? 0 : 129;
  return packet;
}

TEST(Cookie, MatchesThePapersVectors) {
  const std::array<std::uint8_t, 15> message{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  EXPECT_EQ(siphash(kKey, message), 0xa129ca6149be45e5);  // appendix A
  EXPECT_EQ(siphash(kKey, {}), 0x726fdb47dd0e0e31);       // first of the reference vectors
}

TEST(Checksum, MatchesTheExampleOfRfc1071) {
  const std::array<std::uint8_t, 8> bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum_finish(checksum_add(0, bytes)), 0x220d);
  const std::array<std::uint8_t, 1> odd{0x12};
  EXPECT_EQ(checksum_finish(checksum_add(0, odd)), 0xedff);
}

TEST(Icmp, CarriesItsStateWhereTheLayoutSays) {
  const Packet packet = encode(probe_to("192.0.2.1"));
  EXPECT_THAT(Packet(packet.begin(), packet.begin() + 2), testing::ElementsAre(8, 0));
  EXPECT_THAT(Packet(packet.begin() + 4, packet.begin() + 8),
              testing::ElementsAre(0xab, 0xcd, 0x00, 0x02));
  EXPECT_THAT(Packet(packet.begin() + 16, packet.begin() + 42),
              testing::ElementsAre(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,  // sent
                                   0, 0, 0, 0, 0, 1, 0, 2,                          // sequence
                                   0, 0, 0, 5,                                      // round
                                   0, 0, 0, 7,                                      // target
                                   0, 2));                                          // index
  EXPECT_EQ(std::string(packet.begin() + 42, packet.end()), "isochrone latency probe");
}

TEST(Icmp, ChecksumsIpv4AndLeavesIpv6ToTheKernel) {
  const Packet v4 = encode(probe_to("192.0.2.1"));
  EXPECT_EQ(checksum_finish(checksum_add(0, v4)), 0);  // a sum over a right checksum
  const Packet v6 = encode(probe_to("2001:db8::1"));
  EXPECT_EQ(v6[0], 128);
  EXPECT_EQ(v6[2] | v6[3], 0);
}

TEST(Icmp, TakesBackItsOwnReply) {
  for (const char* to : {"192.0.2.1", "2001:db8::1"}) {
    const auto arrival = decode_echo_reply(kEcho, address(to), reply_to(probe_to(to)));
    ASSERT_TRUE(arrival) << to;
    EXPECT_FALSE(arrival->is_forged);
    EXPECT_EQ(arrival->sequence, 0x1'0002U);
  }
}

TEST(Icmp, RejectsAReplyWithAnyByteOfItsStateChanged) {
  const Address from = address("192.0.2.1");
  const Packet genuine = reply_to(probe_to("192.0.2.1"));
  for (std::size_t i = 8; i < 42; ++i) {
    Packet changed = genuine;
    changed[i] ^= 1;
    const auto arrival = decode_echo_reply(kEcho, from, changed);
    ASSERT_TRUE(arrival) << i;
    EXPECT_TRUE(arrival->is_forged) << i;
  }
}

TEST(Icmp, RejectsAReplyFromAnotherAddressOrAnotherKey) {
  const Packet genuine = reply_to(probe_to("192.0.2.1"));
  EXPECT_TRUE(decode_echo_reply(kEcho, address("192.0.2.2"), genuine)->is_forged);
  const Echo other{{1, 2}, 0xabcd, ""};
  EXPECT_TRUE(decode_echo_reply(other, address("192.0.2.1"), genuine)->is_forged);
}

TEST(Icmp, IgnoresWhatIsNotForThisProcess) {
  const Address from = address("192.0.2.1");
  Packet request = encode(probe_to("192.0.2.1"));
  EXPECT_FALSE(decode_echo_reply(kEcho, from, request));
  Packet foreign = reply_to(probe_to("192.0.2.1"));
  foreign[4] ^= 1;
  EXPECT_FALSE(decode_echo_reply(kEcho, from, foreign));
}

TEST(Icmp, BearsEveryTruncation) {
  const Packet genuine = reply_to(probe_to("192.0.2.1"));
  for (std::size_t size = 0; size < 42; ++size) {
    const auto arrival = decode_echo_reply(kEcho, address("192.0.2.1"), Bytes(genuine).first(size));
    EXPECT_TRUE(!arrival || arrival->is_forged) << size;
  }
}

TEST(Icmp, NoTwoProbesShareACookie) {
  Probe first = probe_to("192.0.2.1");
  Probe second = first;
  ++second.sequence;
  const Packet a = encode(first);
  const Packet b = encode(second);
  EXPECT_NE(Packet(a.begin() + 8, a.begin() + 16), Packet(b.begin() + 8, b.begin() + 16));
}

TEST(Icmp, SaysWhoProbesWithinTheLongestPacket) {
  EXPECT_EQ(probe_text(""), "isochrone latency probe");
  const std::string text = probe_text(std::string(200, 'x'));
  const Packet packet = encode(probe_to("192.0.2.1"), {kKey, 1, text});
  EXPECT_EQ(packet.size(), 42 + text.size());
}

TEST(Icmp, AnIpHeaderComesFirstWhereTheSocketWantsIt) {
  const Echo raw{kKey, kEcho.identifier, kEcho.text, true};
  const Packet bare = encode(probe_to("192.0.2.1"));
  const Packet whole = encode(probe_to("192.0.2.1"), raw);
  ASSERT_EQ(whole.size(), bare.size() + kIpv4HeaderBytes);
  EXPECT_EQ(Packet(whole.begin() + 20, whole.end()), bare);
  EXPECT_EQ(whole[0], 0x45);
  EXPECT_EQ(whole[9], 1);                           // ICMP
  EXPECT_NE(load_be<std::uint16_t>(&whole[4]), 0);  // or the kernel draws one
  EXPECT_EQ(load_be<std::uint32_t>(&whole[16]), 0xc0000201U);
  EXPECT_EQ(encode(probe_to("2001:db8::1"), raw), encode(probe_to("2001:db8::1")));
}

}  // namespace
}  // namespace isochrone::prober
