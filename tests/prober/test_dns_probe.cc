// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "prober/dns_probe.h"
#include "prober/icmp.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

using Packet = std::vector<std::uint8_t>;

constexpr SipKey kKey{1, 2};
constexpr std::uint8_t kRefused = 5;

Probe probe_to(std::string_view to, std::uint64_t sequence = 0x5'1234) {
  Probe probe;
  probe.sequence = sequence;
  probe.destination = address(to);
  probe.method = Method::dns;
  probe.target = {7, 1};
  probe.round = 5;
  probe.sent = from_unix_nanos(1'700'000'000'000'000'000);
  return probe;
}

Packet encode(const Probe& probe, std::string_view contact = "noc@example.net") {
  std::array<std::uint8_t, kMaxQueryBytes> buffer{};
  const Bytes message = encode_query(kKey, probe, contact, buffer);
  return {message.begin(), message.end()};
}

Packet response_to(Packet query, std::uint8_t rcode = kRefused) {
  query[2] |= 0x80;
  query[3] = rcode;
  return query;
}

// The labels of the question, each with a dot behind it.
std::string name_in(const Packet& query) {
  std::string name;
  for (std::size_t at = 12; query.at(at) != 0; at += std::size_t{1} + query[at]) {
    name.append(query.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                query.begin() + static_cast<std::ptrdiff_t>(at) + 1 + query[at]);
    name += '.';
  }
  return name;
}

TEST(DnsProbe, AsksForANameThatNobodyHasAndSaysWhoAsks) {
  const Packet query = encode(probe_to("192.0.2.53"));
  EXPECT_EQ(query[2] & 0x81, 0);  // a query, recursion not desired
  const std::string name = name_in(query);
  EXPECT_TRUE(name.ends_with(".noc@example.net.isochrone-latency-probe.invalid.")) << name;
  EXPECT_EQ(name.find('.'), 16U);
}

TEST(DnsProbe, FitsWithTheLongestContact) {
  const Packet query = encode(probe_to("2001:db8::53"), std::string(kMaxContact, 'x'));
  ASSERT_FALSE(query.empty());
  EXPECT_LE(name_in(query).size() + 1, 255U);  // RFC 1035 section 3.1
}

TEST(DnsProbe, AnyResponseThatRepeatsTheNameCounts) {
  for (const char* to : {"192.0.2.53", "2001:db8::53"}) {
    const Probe probe = probe_to(to);
    for (std::uint8_t rcode = 0; rcode < 16; ++rcode) {
      const auto answer =
          decode_dns_answer(kKey, probe.destination, response_to(encode(probe), rcode));
      ASSERT_TRUE(answer && answer->arrival);
      EXPECT_FALSE(answer->arrival->is_forged);
      EXPECT_EQ(answer->arrival->sequence, probe.sequence);
    }
  }
}

TEST(DnsProbe, TakesTheNameInEitherCase) {
  const Probe probe = probe_to("192.0.2.53");
  Packet response = response_to(encode(probe));
  for (std::size_t at = 13; at < 13 + 16; ++at) {
    if (response[at] >= 'a') response[at] = static_cast<std::uint8_t>(response[at] - 0x20);
  }
  const auto answer = decode_dns_answer(kKey, probe.destination, response);
  ASSERT_TRUE(answer && answer->arrival);
  EXPECT_FALSE(answer->arrival->is_forged);
}

TEST(DnsProbe, TheIdNamesTheProbeWhereTheQuestionIsLeftOut) {
  const Probe probe = probe_to("192.0.2.53");
  Packet response = response_to(encode(probe), 1);
  response.resize(12);
  response[5] = 0;
  const auto answer = decode_dns_answer(kKey, probe.destination, response);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->arrival);
  EXPECT_EQ(answer->claimed, probe.sequence & kDnsSequenceMask);
}

TEST(DnsProbe, AnyChangedDigitOrAnotherServerIsForged) {
  const Probe probe = probe_to("192.0.2.53");
  const Packet response = response_to(encode(probe));
  for (std::size_t at = 12; at < 12 + 17 + 53; ++at) {
    Packet changed = response;
    changed[at] = changed[at] == '0' ? '1' : '0';
    const auto answer = decode_dns_answer(kKey, probe.destination, changed);
    ASSERT_TRUE(answer && answer->arrival);
    EXPECT_TRUE(answer->arrival->is_forged) << at;
  }
  const auto elsewhere = decode_dns_answer(kKey, address("192.0.2.54"), response);
  ASSERT_TRUE(elsewhere && elsewhere->arrival);
  EXPECT_TRUE(elsewhere->arrival->is_forged);
}

TEST(DnsProbe, AQueryIsNoAnswerAndAShortMessageNone) {
  const Probe probe = probe_to("192.0.2.53");
  EXPECT_FALSE(decode_dns_answer(kKey, probe.destination, encode(probe)));
  const Packet response = response_to(encode(probe));
  for (std::size_t size = 0; size < 12; ++size) {
    EXPECT_FALSE(decode_dns_answer(kKey, probe.destination, Bytes(response).first(size)));
  }
}

TEST(DnsProbe, AQuotedQueryProvesItself) {
  const Probe probe = probe_to("192.0.2.53");
  const Packet query = encode(probe);
  const auto arrival = decode_quoted_query(kKey, probe.destination, query);
  ASSERT_TRUE(arrival);
  EXPECT_FALSE(arrival->is_forged);
  EXPECT_EQ(arrival->sequence, probe.sequence);
  EXPECT_FALSE(decode_quoted_query(kKey, probe.destination, Bytes(query).first(8)));
}

}  // namespace
}  // namespace isochrone::prober
