// SPDX-License-Identifier: Apache-2.0
//
// Golden frames were made apart from this project, from the words of RFC 768, 791, 1071 and 8200.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/internet_sum.h"
#include "dns/frame.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using Octets = std::vector<std::uint8_t>;

const Octets kPayload =
    from_hex("1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001");

// To 02:00:00:00:00:01 and port 53 of 192.0.2.1 from port 4660 of 192.0.2.99.
const Octets kQueryV4 = from_hex(
    "020000000001 020000000002 0800"
    "4500003d00000000 4011f64b c0000263 c0000201"
    "1234 0035 0029 0c3e"
    "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001");
const Octets kReplyV4 = from_hex(
    "020000000002 020000000001 0800"
    "4500002100070000 4011f660 c0000201 c0000263"
    "0035 1234 000d 0d34 7265706c79");

const Octets kQueryV6 = from_hex(
    "020000000001 020000000002 86dd"
    "60000000 0029 11 40 20010db8000000000000000000000099 20010db8000000000000000000000001"
    "1234 0035 0029 3497"
    "1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001");
const Octets kReplyV6 = from_hex(
    "020000000002 020000000001 86dd"
    "60000000 000d 11 40 20010db8000000000000000000000001 20010db8000000000000000000000099"
    "0035 1234 000d 358d 7265706c79");

Octets with(Octets frame, std::size_t at, const char* octets) {
  const Octets change = from_hex(octets);
  std::copy(change.begin(), change.end(), frame.begin() + static_cast<long>(at));
  return frame;
}

// With the header's checksum made right again.
Octets with_v4(std::size_t at, const char* octets) {
  Octets frame = with(with(kQueryV4, at, octets), 24, "0000");
  const auto sum = InternetSum().add(Bytes(frame).subspan(14, 20)).checksum();
  frame[24] = static_cast<std::uint8_t>(sum >> 8);
  frame[25] = static_cast<std::uint8_t>(sum);
  return frame;
}

Octets reply_to(const Octets& query) {
  const std::string text = "reply";
  Octets reply(200);
  const std::size_t headers = parse_udp_frame(query)->headers;
  std::copy(text.begin(), text.end(), reply.begin() + static_cast<long>(headers));
  reply.resize(seal_reply(query, text.size(), 7, reply));
  return reply;
}

Octets payload_of(const std::optional<UdpFrame>& frame) {
  return frame ? Octets(frame->payload.begin(), frame->payload.end()) : Octets{};
}

TEST(InternetSum, MatchesTheExampleOfRfc1071) {
  const auto bytes = from_hex("0001 f203 f4f5 f6f7");
  EXPECT_EQ(InternetSum().add(bytes).folded(), 0xddf2);
  const auto odd = from_hex("12");
  EXPECT_EQ(InternetSum().add(odd).folded(), 0x1200);
  EXPECT_EQ(InternetSum().add_u16(0x1234).add_u16(0xf000).folded(), 0x0235);
}

TEST(InternetSum, IsTheSameInOnePieceOrMany) {
  Octets bytes;
  for (unsigned i = 0; i < 61; ++i) bytes.push_back(static_cast<std::uint8_t>(251 - i * 7));
  unsigned pairs = 0;  // the definition, term by term
  for (std::size_t i = 0; i < bytes.size(); ++i)
    pairs += unsigned{bytes[i]} << (i % 2 == 0 ? 8 : 0);
  while (pairs > 0xffff) pairs = (pairs & 0xffff) + (pairs >> 16);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 2) {
    const Bytes all(bytes);
    EXPECT_EQ(InternetSum().add(all.first(cut)).add(all.subspan(cut)).folded(), pairs) << cut;
  }
}

TEST(Frame, TakesAQueryOfEitherFamily) {
  const auto v4 = parse_udp_frame(kQueryV4);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->sender, address("192.0.2.99"));
  EXPECT_EQ(payload_of(v4), kPayload);
  const auto v6 = parse_udp_frame(kQueryV6);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->sender, address("2001:db8::99"));
  EXPECT_EQ(payload_of(v6), kPayload);
}

TEST(Frame, RepliesToTheNeighbourAddressAndPortItCameFrom) {
  EXPECT_EQ(reply_to(kQueryV4), kReplyV4);
  EXPECT_EQ(reply_to(kQueryV6), kReplyV6);
}

TEST(Frame, NeverSendsAChecksumThatMeansNone) {  // RFC 768
  // Of a payload chosen so that the sum comes out as 0.
  Octets reply(44);
  ASSERT_EQ(seal_reply(kQueryV4, 2, 0, reply), 44U);
  const auto sum = static_cast<unsigned>(reply[40] << 8 | reply[41]);
  reply[42] = static_cast<std::uint8_t>(sum >> 8);
  reply[43] = static_cast<std::uint8_t>(sum);
  seal_reply(kQueryV4, 2, 0, reply);
  EXPECT_EQ(reply[40] << 8 | reply[41], 0xffff);
}

TEST(Frame, IgnoresThePaddingOfAShortFrame) {
  Octets padded = kQueryV4;
  padded.insert(padded.end(), 9, 0xaa);
  EXPECT_EQ(payload_of(parse_udp_frame(padded)), kPayload);
}

TEST(Frame, TakesWhatItsSenderLeftToACardToSum) {
  // The pseudo-header alone: c000 0263 + c000 0201 + 0011 + 0029, folded.
  EXPECT_EQ(payload_of(parse_udp_frame(with(kQueryV4, 40, "849f"))), kPayload);
}

TEST(Frame, TakesNoChecksumInIpv4Only) {  // RFC 8200 section 8.1
  EXPECT_TRUE(parse_udp_frame(with(kQueryV4, 40, "0000")));
  EXPECT_FALSE(parse_udp_frame(with(kQueryV6, 60, "0000")));
}

TEST(Frame, RefusesWhatAKernelWouldDrop) {
  const std::vector<std::pair<const char*, Octets>> cases{
      {"a group as its neighbour", with(kQueryV4, 6, "01")},
      {"ARP", with(kQueryV4, 12, "0806")},
      {"a VLAN tag", with(kQueryV4, 12, "8100")},
      {"version 5", with_v4(14, "55")},
      {"IP options", with_v4(14, "46")},
      {"longer than the frame", with_v4(16, "003e")},
      {"shorter than its headers", with_v4(16, "001b")},
      {"the first fragment", with_v4(20, "2000")},
      {"a later fragment", with_v4(20, "0001")},
      {"TCP", with_v4(23, "06")},
      {"a wrong header checksum", with(kQueryV4, 24, "f64c")},
      {"from this network", with_v4(26, "00000263")},
      {"from loopback", with_v4(26, "7f000001")},
      {"from a group", with_v4(26, "e0000001")},
      {"from everybody", with_v4(26, "ffffffff")},
      {"from port 0", with(kQueryV4, 34, "0000")},
      {"UDP longer than IP", with(kQueryV4, 38, "002a")},
      {"UDP shorter than its header", with(kQueryV4, 38, "0007")},
      {"a wrong checksum", with(kQueryV4, 40, "0c3f")},
      {"a changed payload", with(kQueryV4, 60, "00")},
      {"IPv6: version 4", with(kQueryV6, 14, "40")},
      {"IPv6: longer than the frame", with(kQueryV6, 18, "002a")},
      {"IPv6: shorter than UDP", with(kQueryV6, 18, "0007")},
      {"IPv6: a fragment header", with(kQueryV6, 20, "2c")},
      {"IPv6: from a group", with(kQueryV6, 22, "ff")},
      {"IPv6: from ::1", with(kQueryV6, 22, "00000000000000000000000000000001")},
      {"IPv6: from ::", with(kQueryV6, 22, "00000000000000000000000000000000")},
      {"IPv6: IPv4-mapped", with(kQueryV6, 22, "00000000000000000000ffffc0000263")},
      {"IPv6: a wrong checksum", with(kQueryV6, 60, "3498")},
  };
  for (const auto& [what, frame] : cases) EXPECT_FALSE(parse_udp_frame(frame)) << what;
}

TEST(Frame, BearsEveryTruncation) {
  for (const Octets* whole : {&kQueryV4, &kQueryV6}) {
    for (std::size_t size = 0; size < whole->size(); ++size) {
      const Octets cut(whole->begin(), whole->begin() + static_cast<long>(size));
      EXPECT_FALSE(parse_udp_frame(cut)) << size;
    }
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
