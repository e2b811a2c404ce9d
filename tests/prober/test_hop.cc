// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "base/random.h"
#include "prober/hop.h"
#include "prober/icmp.h"
#include "prober/icmp_error.h"
#include "prober/tcp.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using Packet = std::vector<std::uint8_t>;

constexpr SipKey kKey{1, 2};
const HopFlow kFlow{kKey, 61'440, "isochrone latency probe"};

Probe probe_to(std::string_view to, std::uint64_t sequence = 0x7'5'1234) {
  Probe probe;
  probe.sequence = sequence;
  probe.destination = address(to);
  probe.method = Method::hop;
  probe.target = {7, 1};
  probe.round = 5;
  probe.ttl = 9;
  probe.sent = from_unix_nanos(1'700'000'000'000'000'000);
  return probe;
}

Packet encode(const Probe& probe) {
  std::array<std::uint8_t, kMaxHopBytes> buffer{};
  const Address source = address(probe.destination.is_v4() ? "198.51.100.1" : "2001:db8::1");
  const Bytes packet = encode_hop(kFlow, source, probe, buffer);
  return {packet.begin(), packet.end()};
}

std::size_t header_bytes(const Packet& packet) { return packet[0] >> 4 == 4 ? 20 : 40; }

// What a router sends about `packet`, quoting `payload_bytes` of what follows the UDP header.
Packet error_about(const Packet& packet, std::uint8_t type, std::uint8_t code,
                   std::size_t payload_bytes = 1000) {
  Packet message{type, code, 0, 0, 0, 0, 0, 0};
  const std::size_t quoted = std::min(packet.size(), header_bytes(packet) + 8 + payload_bytes);
  message.insert(message.end(), packet.begin(),
                 packet.begin() + static_cast<std::ptrdiff_t>(quoted));
  return message;
}

std::optional<HopAnswer> read(Family family, const Packet& message) {
  const auto error = parse_icmp_error(family, message);
  return error ? decode_hop(kFlow, *error) : std::nullopt;
}

std::uint32_t checksum_of(const Packet& packet) {
  const Bytes bytes(packet);
  const std::size_t header = header_bytes(packet);
  const Bytes addresses = header == 20 ? bytes.subspan(12, 8) : bytes.subspan(8, 32);
  const auto length = static_cast<std::uint32_t>(packet.size() - header);
  return checksum_finish(checksum_add(checksum_add(17 + length, addresses), bytes.subspan(header)));
}

TEST(Hop, ChecksumsAddUpAndTheTtlIsTheProbes) {
  for (const char* to : {"192.0.2.9", "2001:db8:9::9"}) {
    for (std::uint64_t sequence = 1; sequence < 5'000; ++sequence) {
      const Packet packet = encode(probe_to(to, sequence));
      ASSERT_FALSE(packet.empty());
      ASSERT_EQ(checksum_of(packet), 0U) << to << ' ' << sequence;
    }
    const Packet packet = encode(probe_to(to));
    EXPECT_EQ(packet[packet[0] >> 4 == 4 ? 8 : 7], 9);
  }
}

TEST(Hop, AllProbesOfADestinationAreOneFlow) {
  for (const char* to : {"192.0.2.9", "2001:db8:9::9"}) {
    std::set<Packet> flows;
    for (std::uint64_t sequence = 1; sequence < 500; ++sequence) {
      Probe probe = probe_to(to, sequence);
      probe.ttl = static_cast<std::uint8_t>(1 + sequence % 30);
      probe.round = static_cast<std::uint32_t>(sequence);
      const Packet packet = encode(probe);
      const auto header = packet.begin() + static_cast<std::ptrdiff_t>(header_bytes(packet));
      Packet flow(header, header + 4);                              // both ports
      flow.insert(flow.end(), packet.begin(), packet.begin() + 2);  // class and label
      if (header_bytes(packet) == 40)
        flow.insert(flow.end(), packet.begin() + 2, packet.begin() + 4);
      flows.insert(flow);
    }
    EXPECT_EQ(flows.size(), 1U) << to;
  }
}

TEST(Hop, KnowsItsProbeByTheFewestBytesThatARouterQuotes) {
  const Probe probe = probe_to("192.0.2.9");
  const auto answer = read(Family::v4, error_about(encode(probe), 11, 0, 0));
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->arrival);
  EXPECT_EQ(answer->claimed, probe.sequence & kHopSequenceMask);
  EXPECT_TRUE(is_quoted(kFlow, probe, *answer));
  Probe stamped = probe;
  stamped.sent += Micros(3);  // the kernel's stamp takes the place of ours
  EXPECT_TRUE(is_quoted(kFlow, stamped, *answer));
  Probe other = probe;
  other.sequence += kHopSequenceMask + 1;
  EXPECT_FALSE(is_quoted(kFlow, other, *answer));
}

TEST(Hop, KnowsItsProbeByThePayloadWhereItIsQuoted) {
  for (const char* to : {"192.0.2.9", "2001:db8:9::9"}) {
    const Probe probe = probe_to(to);
    const bool is_v4 = probe.destination.is_v4();
    const auto answer =
        read(probe.destination.family(), error_about(encode(probe), is_v4 ? 11 : 3, 0));
    ASSERT_TRUE(answer && answer->arrival) << to;
    EXPECT_FALSE(answer->arrival->is_forged);
    EXPECT_FALSE(answer->arrival->is_final);
    EXPECT_EQ(answer->arrival->sequence, probe.sequence);
    EXPECT_EQ(answer->arrival->from, probe.destination);
  }
}

TEST(Hop, AnyOtherReasonEndsTheSearchForHops) {
  const Probe v4 = probe_to("192.0.2.9");
  const Probe v6 = probe_to("2001:db8:9::9");
  for (const std::uint8_t code : std::array<std::uint8_t, 4>{0, 1, 3, 13}) {
    const auto answer = read(Family::v4, error_about(encode(v4), 3, code));
    ASSERT_TRUE(answer && answer->arrival);
    EXPECT_TRUE(answer->arrival->is_final) << int{code};
  }
  const auto answer = read(Family::v6, error_about(encode(v6), 1, 4));
  ASSERT_TRUE(answer && answer->arrival);
  EXPECT_TRUE(answer->arrival->is_final);
}

TEST(Hop, AnyChangedByteOfTheProofIsForged) {
  const Packet packet = encode(probe_to("192.0.2.9"));
  for (std::size_t at = 28; at < 28 + 34; ++at) {
    Packet message = error_about(packet, 11, 0);
    message[8 + at] ^= 0x01;
    const auto answer = read(Family::v4, message);
    ASSERT_TRUE(answer && answer->arrival) << at;
    EXPECT_TRUE(answer->arrival->is_forged) << at;
  }
}

TEST(Hop, AGuessedQuotationIsRarelyTrue) {
  // 10 bits of cookie for one sequence: of 20,000 random guesses about 20,000 / 2^30 are right.
  Random random(5);
  const Probe probe = probe_to("192.0.2.9");
  Packet message = error_about(encode(probe), 11, 0, 0);
  int believed = 0;
  for (int i = 0; i < 20'000; ++i) {
    for (const std::size_t at : {12U, 13U, 34U, 35U}) {
      message[at] = static_cast<std::uint8_t>(random.below(256));
    }
    const auto answer = read(Family::v4, message);
    believed += answer && is_quoted(kFlow, probe, *answer) ? 1 : 0;
  }
  EXPECT_LE(believed, 1);
}

TEST(Hop, LooksAtNothingThatIsNotAboutItsOwnDatagrams) {
  const Packet packet = encode(probe_to("192.0.2.9"));
  Packet other_port = packet;
  other_port[21] ^= 0x01;
  EXPECT_FALSE(read(Family::v4, error_about(other_port, 11, 0)));
  EXPECT_FALSE(read(Family::v4, error_about(packet, 11, 1)));  // reassembly
  EXPECT_FALSE(read(Family::v4, error_about(packet, 12, 0)));  // parameter problem
  Packet tcp = packet;
  tcp[9] = 6;
  EXPECT_FALSE(read(Family::v4, error_about(tcp, 11, 0)));
  const Packet v6 = encode(probe_to("2001:db8:9::9"));
  EXPECT_FALSE(read(Family::v6, error_about(v6, 3, 0, 8)));  // IPv6 quotes the payload
}

TEST(Hop, ReadsNoFurtherThanTheMessage) {
  const Packet whole = error_about(encode(probe_to("192.0.2.9")), 11, 0);
  for (std::size_t size = 0; size < 8 + 28; ++size) {
    EXPECT_FALSE(
        read(Family::v4, Packet(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
  }
}

}  // namespace
}  // namespace isochrone::prober
