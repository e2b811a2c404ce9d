// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "base/random.h"
#include "prober/icmp.h"
#include "prober/tcp.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using Packet = std::vector<std::uint8_t>;

constexpr SipKey kKey{1, 2};
constexpr TcpPorts kPorts{61'440, 443};
constexpr std::uint8_t kSynAck = 0x12;
constexpr std::uint8_t kRstAck = 0x14;

Probe probe_to(std::string_view to, std::uint64_t sequence = 0x5'1234) {
  Probe probe;
  probe.sequence = sequence;
  probe.destination = address(to);
  probe.method = Method::tcp;
  probe.target = {7, 1};
  probe.round = 5;
  return probe;
}

Packet encode(std::string_view source, const Probe& probe) {
  std::array<std::uint8_t, kMaxSynBytes> buffer{};
  Bytes segment = encode_syn(kKey, kPorts, address(source), probe, buffer);
  if (probe.destination.is_v4()) segment = segment.subspan(20);  // the IP header
  return {segment.begin(), segment.end()};
}

Packet answer_to(const Probe& probe, std::uint8_t flags, std::uint32_t acknowledged) {
  Packet segment(20);
  ByteWriter writer(segment);
  writer.u16(kPorts.destination);
  writer.u16(source_port(kPorts, probe));
  writer.u32(0x99999999);
  writer.u32(acknowledged);
  writer.u8(5 << 4);
  writer.u8(flags);
  return segment;
}

TEST(Tcp, WritesASynWithAChecksumThatAddsUp) {
  const Probe probe = probe_to("192.0.2.1");
  const Packet segment = encode("198.51.100.1", probe);
  ByteReader reader(segment);
  EXPECT_EQ(reader.u16(), 61'440 + 0x234);
  EXPECT_EQ(reader.u16(), 443);
  EXPECT_EQ(reader.u32(), sequence_number(kKey, kPorts, probe));
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_EQ(reader.u16(), 0x6002);  // six words, SYN
  EXPECT_EQ(reader.u16(), 65'535);
  reader.skip(4);
  EXPECT_EQ(reader.u32(), 0x020405b4U);  // maximum segment size 1460
  const Packet pseudo{198, 51, 100, 1, 192, 0, 2, 1, 0, 6, 0, 24};
  EXPECT_EQ(checksum_finish(checksum_add(checksum_add(0, pseudo), segment)), 0);
}

TEST(Tcp, ChecksumsIpv6OverItsPseudoHeader) {
  const Packet segment = encode("2001:db8::2", probe_to("2001:db8::1"));
  const Packet pseudo{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,  // source
                      0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,  // destination
                      0,    0, 0,    24,   0, 0, 0, 6};
  EXPECT_EQ(checksum_finish(checksum_add(checksum_add(0, pseudo), segment)), 0);
}

TEST(Tcp, BelievesASynAckAndARstThatAcknowledge) {
  const Probe probe = probe_to("192.0.2.1");
  const std::uint32_t expected = sequence_number(kKey, kPorts, probe) + 1;
  for (const std::uint8_t flags : {kSynAck, kRstAck}) {
    const auto answer =
        decode_syn_answer(kKey, kPorts, probe.destination, answer_to(probe, flags, expected));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->claimed, probe.sequence & kSequenceMask);
    EXPECT_TRUE(acknowledges(kKey, kPorts, probe, *answer));
  }
}

TEST(Tcp, RejectsEveryOtherAcknowledgement) {
  const Probe probe = probe_to("192.0.2.1");
  const std::uint32_t expected = sequence_number(kKey, kPorts, probe) + 1;
  Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto guess = static_cast<std::uint32_t>(random());
    if (guess == expected) continue;
    const auto answer =
        decode_syn_answer(kKey, kPorts, probe.destination, answer_to(probe, kSynAck, guess));
    ASSERT_TRUE(answer);
    EXPECT_FALSE(acknowledges(kKey, kPorts, probe, *answer));
  }
}

TEST(Tcp, IgnoresSegmentsThatAnswerNoSyn) {
  const Probe probe = probe_to("192.0.2.1");
  for (const std::uint8_t flags : std::array<std::uint8_t, 5>{0x02, 0x04, 0x10, 0x18, 0x11}) {
    EXPECT_FALSE(decode_syn_answer(kKey, kPorts, probe.destination, answer_to(probe, flags, 1)));
  }
  Packet other_port = answer_to(probe, kSynAck, 1);
  other_port[1] ^= 1;
  EXPECT_FALSE(decode_syn_answer(kKey, kPorts, probe.destination, other_port));
  const Packet whole = answer_to(probe, kSynAck, 1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_syn_answer(kKey, kPorts, probe.destination, Bytes(whole).first(size)));
  }
}

TEST(Tcp, NoTwoProbesInARowLookAlike) {
  std::set<std::pair<std::uint16_t, std::uint32_t>> seen;
  for (std::uint64_t sequence = 1; sequence <= 20'000; ++sequence) {
    const Probe probe = probe_to("192.0.2.1", sequence);
    seen.emplace(source_port(kPorts, probe), sequence_number(kKey, kPorts, probe));
  }
  EXPECT_EQ(seen.size(), 20'000U);
}

TEST(Tcp, KeepsItsSourcePortsOutOfTheEphemeralRange) {
  EXPECT_EQ(choose_source_base(32'768, 60'999), 61'440);  // Linux's default
  EXPECT_EQ(choose_source_base(32'768, 65'535), 28'672);
  EXPECT_EQ(choose_source_base(16'384, 61'439), 61'440);
  EXPECT_EQ(choose_source_base(16'384, 61'440), std::nullopt);
  EXPECT_EQ(choose_source_base(1'024, 65'535), std::nullopt);
}

}  // namespace
}  // namespace isochrone::prober
