// SPDX-License-Identifier: Apache-2.0
//
// The golden packets were computed by an independent implementation of the RFCs' checksums.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "lab/packet.h"

namespace isochrone::lab {
namespace {

using Packet = std::vector<std::uint8_t>;

Packet from_hex(std::string_view text) {
  Packet bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// What the host answers; empty when it stays silent.
Packet answer(const Packet& packet, const HostBehaviour& behaviour = {}) {
  std::array<std::uint8_t, kMaxPacketBytes> buffer{};
  std::copy(packet.begin(), packet.end(), buffer.begin());
  const auto header = parse_ip(Bytes(buffer).first(packet.size()));
  if (!header) return {};
  const std::size_t length = answer_as_host(buffer, *header, behaviour);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(length)};
}

struct Exchange {
  const char* name;
  const char* request;
  const char* reply;
};

class Golden : public testing::TestWithParam<Exchange> {};

TEST_P(Golden, AnswerIsExact) {
  EXPECT_EQ(answer(from_hex(GetParam().request)), from_hex(GetParam().reply));
}

INSTANTIATE_TEST_SUITE_P(
    Packets, Golden,
    testing::Values(
        Exchange{"EchoV4",
                 "450000251234400040019987c0000201c612070908002351beef000769736f6368726f6e65",
                 "450000251234400040019987c6120709c000020100002b51beef000769736f6368726f6e65"},
        Exchange{
            "EchoV6",
            "6000000000113aff20010db800010000000000000000000120010db80107000000000000000000098000"
            "4e81beef000769736f6368726f6e65",
            "6000000000113a4020010db801070000000000000000000920010db80001000000000000000000018100"
            "4d81beef000769736f6368726f6e65"},
        Exchange{
            "SynToClosedPortV4",
            "4500002c123440004006997bc0000201c6120709f0000051ffffffff000000006002faf01dc7000002"
            "0405b4",
            "45000028123440004006997fc6120709c00002010051f00000000000000000005014000030620000"},
        Exchange{
            "SynToClosedPortV6",
            "600000000018064020010db800010000000000000000000120010db8010700000000000000000009f000"
            "01bb00000001000000006002faf04ef50000020405b4",
            "600000000014064020010db801070000000000000000000920010db800010000000000000000000101bb"
            "f000000000000000000250140000618f0000"},
        Exchange{
            "FinIsAnswered",
            "45000028123440004006997fc0000201c6120709f000005000000064000000c85011faf034490000",
            "45000028123440004006997fc6120709c00002010050f000000000c8000000655011ffff2f390000"},
        Exchange{
            "DnsIsRefused",
            "4500003d123440004011995fc0000201c61207099c4000350029dddfabcd01000001000000000000037"
            "77777076578616d706c6503636f6d0000010001",
            "4500003d123440004011995fc6120709c000020100359c4000295ddaabcd81050001000000000000037"
            "77777076578616d706c6503636f6d0000010001"},
        Exchange{"PortUnreachableV4",
                 "45000021123440004011997bc0000201c61207099c4003e7000d8cbd68656c6c6f",
                 "4500003d123440004001996fc6120709c000020103038c3800000000450000211234400040119"
                 "97bc0000201c61207099c4003e7000d8cbd68656c6c6f"},
        Exchange{
            "PortUnreachableV6",
            "60000000000d114020010db800010000000000000000000120010db80107000000000000000000099c40"
            "03e7000dbf5668656c6c6f",
            "60000000003d3a4020010db801070000000000000000000920010db800010000000000000000000101"
            "0430d10000000060000000000d114020010db800010000000000000000000120010db8010700000000"
            "0000000000099c4003e7000dbf5668656c6c6f"}),
    [](const auto& tested) { return tested.param.name; });

constexpr std::string_view kSynToOpenPort =
    "4500002c123440004006997bc0000201c6120709f0000050deadbeef000000006002faf0802a0000020405b4";

TEST(Packet, SynToTheOpenPortIsAcknowledged) {
  const Packet reply = answer(from_hex(kSynToOpenPort));
  ASSERT_EQ(reply.size(), 40U);
  EXPECT_EQ(reply[33], 0x12);  // SYN and ACK
  EXPECT_EQ(Packet(reply.begin() + 28, reply.begin() + 32), (Packet{0xde, 0xad, 0xbe, 0xf0}));
  EXPECT_EQ(internet_checksum(Bytes(reply).first(20)), 0);
  const Packet pseudo{0, 6, 0, 20};
  Packet summed(reply.begin() + 12, reply.end());
  summed.insert(summed.end(), pseudo.begin(), pseudo.end());
  EXPECT_EQ(internet_checksum(summed), 0);
}

TEST(Packet, ARepeatedSynGetsTheSameSequenceNumber) {
  EXPECT_EQ(answer(from_hex(kSynToOpenPort)), answer(from_hex(kSynToOpenPort)));
}

TEST(Packet, AHostIsSilentToWhatItDoesNotHear) {
  const Packet echo =
      from_hex("450000251234400040019987c0000201c612070908002351beef000769736f6368726f6e65");
  const HostBehaviour no_icmp{80, false, true};
  const HostBehaviour no_tcp{80, true, false};
  EXPECT_TRUE(answer(echo, no_icmp).empty());
  EXPECT_FALSE(answer(echo, no_tcp).empty());
  EXPECT_TRUE(answer(from_hex(kSynToOpenPort), no_tcp).empty());
  EXPECT_FALSE(answer(from_hex(kSynToOpenPort), no_icmp).empty());
}

TEST(Packet, ACorruptedPacketIsNotAnswered) {
  for (const char* intact :
       {"450000251234400040019987c0000201c612070908002351beef000769736f6368726f6e65",
        "45000021123440004011997bc0000201c61207099c4003e7000d8cbd68656c6c6f",
        "4500002c123440004006997bc0000201c6120709f0000050deadbeef000000006002faf0802a0000020405b"
        "4"}) {
    Packet packet = from_hex(intact);
    ASSERT_FALSE(answer(packet).empty());
    packet.back() ^= 1;
    EXPECT_TRUE(answer(packet).empty()) << intact;
  }
}

TEST(Packet, AnswersAreNotAnswered) {
  for (const char* reply :
       {"450000251234400040019987c6120709c000020100002b51beef000769736f6368726f6e65",
        "45000028123440004006997fc6120709c00002010051f00000000000000000005014000030620000"}) {
    EXPECT_TRUE(answer(from_hex(reply)).empty()) << reply;
  }
}

TEST(Packet, TruncatedPacketsAreNoPackets) {
  const Packet packet =
      from_hex("450000251234400040019987c0000201c612070908002351beef000769736f6368726f6e65");
  for (std::size_t length = 0; length < packet.size(); ++length) {
    EXPECT_FALSE(parse_ip(Bytes(packet).first(length))) << length;
  }
}

TEST(Packet, FragmentsAreNotAnswered) {
  Packet packet =
      from_hex("450000251234400040019987c0000201c612070908002351beef000769736f6368726f6e65");
  packet[6] = 0x20;  // more fragments
  EXPECT_TRUE(answer(packet).empty());
}

TEST(Packet, RandomBytesNeverReachPastTheBuffer) {
  Random random(7);
  const Packet shape = from_hex(kSynToOpenPort);
  for (int i = 0; i < 100'000; ++i) {
    Packet packet = shape;
    for (int flips = 0; flips < 4; ++flips) {
      packet[random.below(packet.size())] = static_cast<std::uint8_t>(random());
    }
    EXPECT_LE(answer(packet).size(), kMaxPacketBytes);
  }
}

TEST(Packet, UdpComesBackUnchangedFromTheYardstick) {
  const Packet packet =
      from_hex("45000021123440004011997bc0000201c61207099c4003e7000d8cbd68656c6c6f");
  std::array<std::uint8_t, kMaxPacketBytes> buffer{};
  std::copy(packet.begin(), packet.end(), buffer.begin());
  ASSERT_EQ(echo_udp(buffer, *parse_ip(packet)), packet.size());
  const auto header = parse_ip(Bytes(buffer).first(packet.size()));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->destination, Address::v4(192, 0, 2, 1));
  EXPECT_TRUE(std::equal(packet.begin() + 28, packet.end(), buffer.begin() + 28));
}

}  // namespace
}  // namespace isochrone::lab
