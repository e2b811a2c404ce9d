// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

// mail.example.com A IN, without a header.
const std::string kQuestion = "046d61696c 076578616d706c65 03636f6d 00 0001 0001";
const std::string kOpt = "00 0029 04d0 00 00 0000 ";  // then length and options

std::string reply_hex(const std::string& query) {
  return to_hex(send_bytes(world(), from_hex(query)));
}
std::string rcode(const std::string& query) {
  return hear(send_bytes(world(), from_hex(query))).rcode;
}
std::string with_opt(const std::string& rest) {
  return "0001 0000 0001 0000 0000 0001" + kQuestion + rest;
}
// One EDNS option and all that precedes it.
std::string with_option(const std::string& option) {
  const std::size_t octets = from_hex(option).size();
  return with_opt(kOpt + to_hex(std::vector<std::uint8_t>{0, static_cast<std::uint8_t>(octets)}) +
                  option);
}

TEST(Malformed, ResponsesAndRuntsAreNeverAnswered) {
  EXPECT_EQ(reply_hex(""), "");
  EXPECT_EQ(reply_hex("0001 0000 0001 0000 0000 00"), "");
  EXPECT_EQ(reply_hex("0001 8000 0001 0000 0000 0000" + kQuestion), "");
  EXPECT_EQ(reply_hex("0001 a800 0001 0000 0000 0000" + kQuestion), "");
}

TEST(Malformed, QueriesGetAFormatErrorWithTheirIdAndQuestion) {
  // Ends within the type; no question at all; a pointer for a name; label type 01; trailing octet.
  EXPECT_EQ(reply_hex("0007 0100 0001 0000 0000 0000 016100 00"), "000781010000000000000000");
  EXPECT_EQ(reply_hex("0007 0000 0000 0000 0000 0000"), "000780010000000000000000");
  EXPECT_EQ(reply_hex("0007 0000 0001 0000 0000 0000 c00c 0001 0001"), "000780010000000000000000");
  EXPECT_EQ(reply_hex("0007 0000 0001 0000 0000 0000 4161 00 0001 0001"),
            "000780010000000000000000");
  EXPECT_EQ(rcode("0007 0000 0001 0000 0000 0000" + kQuestion + "00"), "FORMERR");
  const auto echoed =
      send_bytes(world(), from_hex("0007 0000 0001 0000 0000 0000" + kQuestion + "00"));
  EXPECT_EQ(to_hex(Bytes(echoed).subspan(12)), to_hex(from_hex(kQuestion)));
}

TEST(Malformed, MoreThanOneQuestionIsAFormatError) {  // RFC 9619
  const auto heard = hear(send_bytes(
      world(), from_hex("0007 0000 0002 0000 0000 0001" + kQuestion + kQuestion + kOpt + "0000")));
  EXPECT_EQ(heard.rcode, "FORMERR");
  EXPECT_TRUE(heard.has_edns);
}

TEST(Malformed, NamesAreBoundedAt255Octets) {
  std::string name;
  for (int i = 0; i < 127; ++i) name += "0161";
  EXPECT_EQ(rcode("0001 0000 0001 0000 0000 0000" + name + "00 0001 0001"), "REFUSED");
  EXPECT_EQ(rcode("0001 0000 0001 0000 0000 0000" + name + "0161 00 0001 0001"), "FORMERR");
}

TEST(Malformed, OtherOpcodesAreNotImplementedAndEchoed) {
  for (const int opcode : {1, 2, 3, 4, 5, 6, 15}) {
    const auto flags = static_cast<std::uint16_t>(opcode << 11);
    const auto heard = ask(world(), {.name = "mail.example.com", .payload = 1232, .flags = flags});
    EXPECT_EQ(heard.rcode, "NOTIMPL") << opcode;
    EXPECT_EQ((heard.bytes[2] >> 3) & 0xf, opcode);
    EXPECT_EQ(heard.flags, "qr");
    EXPECT_TRUE(heard.has_edns);
    EXPECT_TRUE(heard.answer.empty());
  }
}

TEST(Edns, FollowsRfc6891) {
  EXPECT_EQ(rcode(with_opt("00 0029 04d0 00 01 0000 0000")), "BADVERS");
  EXPECT_EQ(rcode(with_opt("00 0029 04d0 00 ff 0000 0000")), "BADVERS");
  // Two OPT; OPT with an owner; OPT in the answer section; an option past its record.
  EXPECT_EQ(rcode("0001 0000 0001 0000 0000 0002" + kQuestion + kOpt + "0000" + kOpt + "0000"),
            "FORMERR");
  EXPECT_EQ(rcode(with_opt("0161" + kOpt + "0000")), "FORMERR");
  EXPECT_EQ(rcode("0001 0000 0001 0001 0000 0000" + kQuestion + kOpt + "0000"), "FORMERR");
  EXPECT_EQ(rcode(with_opt(kOpt + "0004 000a 0001")), "FORMERR");
  EXPECT_EQ(rcode(with_opt(kOpt + "0003 000a 00")), "FORMERR");
  EXPECT_EQ(rcode(with_opt(kOpt + "0009 0000")), "FORMERR");
}

TEST(Edns, IsInEveryReplyToAQueryThatHasIt) {
  for (const std::string& query :
       {with_opt(kOpt + "0000"), with_opt("00 0029 04d0 00 01 0000 0000"),
        with_opt(kOpt + "0004 000a 0001")}) {
    EXPECT_TRUE(hear(send_bytes(world(), from_hex(query))).has_edns) << query;
  }
}

TEST(Edns, UnknownOptionsAndFlagsAreNotEchoed) {
  // Option 65001, all flags: DO alone comes back.
  const auto reply =
      send_bytes(world(), from_hex(with_opt("00 0029 04d0 00 00 ffff 0006 fde9 0002 0102")));
  EXPECT_EQ(to_hex(Bytes(reply).last(11)), "00002904d0000080000000");
}

TEST(ClientSubnetOption, IllFormedIsAFormatError) {  // RFC 7871 section 7.2.1
  const std::pair<const char*, const char*> rows[] = {
      {"0008 0007 0001 18 00 c00002", "NOERROR"},
      {"0008 0004 0001 00 00", "NOERROR"},
      {"0008 0008 0001 19 00 c0000280", "NOERROR"},
      {"0008 0007 0003 18 00 c00002", "FORMERR"},      // unknown family
      {"0008 0004 0000 00 00", "FORMERR"},             // family 0
      {"0008 0007 0001 18 08 c00002", "FORMERR"},      // a scope in a query
      {"0008 0008 0001 18 00 c0000200", "FORMERR"},    // too many octets
      {"0008 0006 0001 18 00 c000", "FORMERR"},        // too few
      {"0008 0007 0001 17 00 c00003", "FORMERR"},      // a bit past SOURCE
      {"0008 0008 0001 19 00 c0000240", "FORMERR"},    // likewise
      {"0008 0009 0001 21 00 c000020100", "FORMERR"},  // SOURCE 33 of IPv4
      {"0008 0003 0001 18", "FORMERR"},                // cut short
      {"0008 0000", "FORMERR"},
      {"0008 000a 0002 30 00 20010db80005", "NOERROR"},
      {"0008 0015 0002 81 00 20010db800000000000000000000000000", "FORMERR"},  // SOURCE 129
  };
  for (const auto& [option, expected] : rows)
    EXPECT_EQ(rcode(with_option(option)), expected) << option;
}

TEST(ClientSubnetOption, IsAnyUnknownOptionWhenTurnedOff) {
  Snapshot snapshot = world();
  snapshot.options.edns_client_subnet = false;
  EXPECT_EQ(hear(send_bytes(snapshot, from_hex(with_option("0008 0000")))).rcode, "NOERROR");
}

TEST(Malformed, MutatedQueriesGetWellFormedRepliesOrNone) {
  const Snapshot snapshot = world();
  Random random(20240501);
  const auto seed = wire({.name = "alias.example.com", .subnet = prefix("10.1.2.0/24")});
  for (int i = 0; i < 20'000; ++i) {
    auto query = seed;
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
      query[random.below(query.size())] = static_cast<std::uint8_t>(random());
    }
    query.resize(random.below(8) == 0 ? random.below(query.size()) : query.size());
    const auto reply = send_bytes(snapshot, query);
    if (query.size() < 12 || (query[2] & 0x80) != 0) {
      ASSERT_TRUE(reply.empty());
      continue;
    }
    ASSERT_GE(reply.size(), 12U);
    ASSERT_EQ(to_hex(Bytes(reply).first(2)), to_hex(Bytes(query).first(2)));
    hear(reply);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
