// SPDX-License-Identifier: Apache-2.0
//
// The clauses of RFCs about messages: header, EDNS and its options, sizes, opcodes. Queries are bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/cookie_secrets.h"
#include "dns/stream_options.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Lines = std::vector<std::string>;

constexpr std::uint32_t kNow = 1559731985;
const std::string kQuestion = "046d61696c 076578616d706c65 03636f6d 00 0001 0001";  // mail A
const std::string kWww = "03777777 076578616d706c65 03636f6d 00 0001 0001";
const std::string kClientCookie = "2464c4abcf10c957";
constexpr int kNsid = 3, kSubnet = 8, kCookie = 10, kExtendedError = 15;

Snapshot full_world() {
  Snapshot snapshot = world();
  snapshot.options.cookies = parse_cookie_secrets("e5e973e5a6b2a43f48e7dc849e37bfcf").value();
  snapshot.options.nsid = "ns1";
  return snapshot;
}

std::string opt(const std::string& options, const std::string& size = "04d0",
                const std::string& version_and_flags = "00 00 0000") {
  const std::size_t octets = from_hex(options).size();
  return "00 0029" + size + version_and_flags +
         to_hex(std::vector<std::uint8_t>{static_cast<std::uint8_t>(octets >> 8),
                                          static_cast<std::uint8_t>(octets)}) +
         options;
}
std::string query(const std::string& question, const std::string& additional = "",
                  const std::string& flags = "0000") {
  return "0007" + flags + "0001 0000 0000" + (additional.empty() ? "0000" : "0001") + question +
         additional;
}
std::string numbered(int i) { return "n" + std::to_string(i); }
Heard say(const Snapshot& snapshot, const std::string& hex, Transport transport = Transport::udp) {
  const auto bytes = from_hex(hex);
  std::vector<std::uint8_t> out(65'535);
  const Reply reply =
      answer(snapshot, {bytes, Address::v4(198, 51, 100, 53), transport, kNow}, out);
  Heard heard = reply.size == 0 ? Heard{} : hear(Bytes(out).first(reply.size));
  heard.reply = reply;
  return heard;
}

TEST(Rfc1035, HeaderIsCopiedWhereItIsTheClients) {  // section 4.1.1
  struct Row {
    const char* what;
    const char* flags;
    const char* reply;
  };
  for (const Row& row :
       {Row{"nothing set", "0000", "qr aa"}, Row{"RD", "0100", "qr aa rd"},
        Row{"TC in a query", "0200", "qr aa"}, Row{"AA in a query", "0400", "qr aa"},
        Row{"RA in a query", "0080", "qr aa"}, Row{"Z is clear", "0040", "qr aa"},
        Row{"AD is not ours to say", "0020", "qr aa"},
        Row{"CD (RFC 4035 section 3.1.6)", "0010", "qr aa cd"}}) {
    const Heard heard = say(full_world(), query(kQuestion, "", row.flags));
    EXPECT_EQ(heard.flags, row.reply) << row.what;
    EXPECT_EQ(to_hex(Bytes(heard.bytes).first(2)), "0007");
    EXPECT_EQ(to_hex(Bytes(heard.bytes).subspan(12, 22)), to_hex(from_hex(kQuestion)));
    EXPECT_EQ(heard.answer.size(), 1U) << row.what;
  }
}

TEST(Rfc1035, ThePointerOfAQuestionHasNowhereToLead) {  // section 4.1.4
  for (const char* name : {"c00c", "c000", "c00e", "ffff", "01 61 c00c", "80 61 00", "40 61 00"}) {
    EXPECT_EQ(say(full_world(), query(std::string(name) + "0001 0001")).rcode, "FORMERR") << name;
  }
}

// 127 labels are a name; one octet more than 255 is none.
TEST(Rfc1035, NamesHave255OctetsAtMost) {  // section 2.3.4
  const auto name_of = [](std::size_t octets) {
    std::string hex;
    std::size_t left = octets - 13;  // example.com and the root
    while (left > 64) {
      hex += "3f" + std::string(126, '6');
      left -= 64;
    }
    hex += to_hex(std::vector<std::uint8_t>{static_cast<std::uint8_t>(left - 1)});
    hex += std::string(2 * (left - 1), '6');
    return hex + "076578616d706c65 03636f6d 00";
  };
  EXPECT_EQ(say(full_world(), query(name_of(255) + "0001 0001")).rcode, "NXDOMAIN");
  EXPECT_EQ(say(full_world(), query(name_of(256) + "0001 0001")).rcode, "FORMERR");
  std::string labels;
  for (int i = 0; i < 121; ++i) labels += "0161";
  EXPECT_EQ(say(full_world(), query(labels + "076578616d706c65 03636f6d 00 0001 0001")).rcode,
            "NXDOMAIN");
  EXPECT_EQ(
      say(full_world(), query("0161" + labels + "076578616d706c65 03636f6d 00 0001 0001")).rcode,
      "FORMERR");
}

TEST(Rfc9619, AQueryHasOneQuestion) {
  const std::string head = "0007 0000 ";
  EXPECT_EQ(say(full_world(), head + "0002 0000 0000 0000" + kQuestion + kQuestion).rcode,
            "FORMERR");
  EXPECT_EQ(say(full_world(), head + "0002 0000 0000 0000" + kQuestion).rcode, "FORMERR");
  EXPECT_EQ(say(full_world(), head + "ffff 0000 0000 0000" + kQuestion).rcode, "FORMERR");
  EXPECT_EQ(say(full_world(), head + "0000 0000 0000 0000").rcode, "FORMERR");
  EXPECT_EQ(say(full_world(), head + "0000 0000 0000 0001" + opt("")).rcode, "FORMERR");
  const Heard cookie =
      say(full_world(), head + "0000 0000 0000 0001" + opt("000a 0008" + kClientCookie));
  EXPECT_EQ(cookie.rcode, "NOERROR") << "RFC 7873 section 5.4";
  EXPECT_EQ(cookie.options.at(kCookie).substr(0, 16), kClientCookie);
}

TEST(Rfc6891, OptIsReadAsItIsWritten) {
  struct Row {
    const char* what;
    std::string additional;
    const char* rcode;
  };
  const std::string two = opt("") + opt("");
  for (const Row& row : {
           Row{"version 0", opt(""), "NOERROR"},
           Row{"version 1", opt("", "04d0", "00 01 0000"), "BADVERS"},
           Row{"version 255", opt("", "04d0", "00 ff 0000"), "BADVERS"},
           Row{"an extended rcode in a query", opt("", "04d0", "05 00 0000"), "NOERROR"},
           Row{"all flags", opt("", "04d0", "00 00 ffff"), "NOERROR"},
           Row{"an unknown option", opt("fde9 0003 010203"), "NOERROR"},
           Row{"an empty unknown option", opt("fde9 0000"), "NOERROR"},
           Row{"an option past the record", opt("fde9 0004 010203"), "FORMERR"},
           Row{"half an option", opt("fde9"), "FORMERR"},
           Row{"an owner that is not the root", "0161" + opt(""), "FORMERR"},
       }) {
    const Heard heard = say(full_world(), query(kQuestion, row.additional));
    EXPECT_EQ(heard.rcode, row.rcode) << row.what;
    EXPECT_EQ(heard.has_edns, row.additional.substr(0, 4) != "0161") << row.what;
  }
  EXPECT_EQ(say(full_world(), "0007 0000 0001 0000 0000 0002" + kQuestion + two).rcode, "FORMERR")
      << "section 6.1.1: at most one";
  const Heard badvers = say(full_world(), query(kQuestion, opt("", "04d0", "00 01 0000")));
  EXPECT_THAT(badvers.answer, IsEmpty());
  EXPECT_EQ(badvers.bytes[badvers.bytes.size() - 11 + 6], 0) << "version 0 is what is spoken here";
}

TEST(Rfc6891, ASizeBelow512Is512) {  // section 6.2.3
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n";
  for (int i = 0; i < 27; ++i) zone += "a 60 A 192.0.2." + std::to_string(i) + "\n";
  const Snapshot snapshot = snapshot_of({}, {{"z.test", zone}}, {});
  for (const int size : {0, 1, 12, 511, 512}) {
    const Heard heard =
        ask(snapshot, {.name = "a.z.test", .payload = static_cast<std::uint16_t>(size)});
    EXPECT_EQ(heard.rcode, "NOERROR") << size;
    EXPECT_EQ(heard.answer.size(), 27U) << size;
    EXPECT_GT(heard.bytes.size(), 460U);
  }
}

TEST(Rfc9715, NoReplyOverUdpIsAboveTheLimit) {
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n";
  for (int i = 0; i < 250; ++i) {
    for (int j = 0; j <= i; ++j) {
      if (i % 5 == 0) zone += numbered(i) + " 60 A 10.0.0." + std::to_string(j) + "\n";
    }
  }
  Snapshot snapshot = snapshot_of({}, {{"z.test", zone}}, {});
  for (const int limit : {512, 1232, 1400}) {
    snapshot.options.max_udp_payload = static_cast<std::uint16_t>(limit);
    for (int i = 0; i < 250; i += 5) {
      const Heard heard = ask(snapshot, {.name = numbered(i) + ".z.test",
                                         .payload = 65535,
                                         .subnet = prefix("2001:db8::/128"),
                                         .options = from_hex("000a 0008" + kClientCookie)});
      EXPECT_LE(heard.bytes.size(), static_cast<std::size_t>(limit));
      EXPECT_EQ(heard.reply.is_truncated, heard.answer.empty());
      EXPECT_EQ(heard.scope, 0) << "room for OPT is kept (RFC 7871 section 7.2.2)";
    }
  }
}

TEST(Rfc7871, WhatIsIllFormedIsAFormatError) {  // section 7.2.1
  struct Row {
    const char* what;
    const char* option;
    const char* rcode;
  };
  for (const Row& row : {
           Row{"a /24", "0008 0007 0001 18 00 c00002", "NOERROR"},
           Row{"a /0 of IPv4", "0008 0004 0001 00 00", "NOERROR"},
           Row{"a /0 of IPv6", "0008 0004 0002 00 00", "NOERROR"},
           Row{"a /32", "0008 0008 0001 20 00 c0000201", "NOERROR"},
           Row{"a /128", "0008 0014 0002 80 00 20010db8000000000000000000000001", "NOERROR"},
           Row{"a /1", "0008 0005 0001 01 00 80", "NOERROR"},
           Row{"family 0", "0008 0004 0000 00 00", "FORMERR"},
           Row{"family 3", "0008 0007 0003 18 00 c00002", "FORMERR"},
           Row{"family 65535", "0008 0007 ffff 18 00 c00002", "FORMERR"},
           Row{"stray bits", "0008 0007 0001 17 00 c00003", "FORMERR"},
           Row{"a stray bit of a /1", "0008 0005 0001 01 00 c0", "FORMERR"},
           Row{"one octet too many", "0008 0008 0001 18 00 c0000200", "FORMERR"},
           Row{"sixteen octets for a /24", "0008 0008 0001 18 00 c0000201", "FORMERR"},
           Row{"one octet too few", "0008 0006 0001 18 00 c000", "FORMERR"},
           Row{"an octet for a /0", "0008 0005 0001 00 00 00", "FORMERR"},
           Row{"SOURCE 33", "0008 0009 0001 21 00 c000020100", "FORMERR"},
           Row{"SOURCE 129", "0008 0015 0002 81 00 20010db80000000000000000000000000000",
               "FORMERR"},
           Row{"a SCOPE in a query", "0008 0007 0001 18 18 c00002", "FORMERR"},
           Row{"no data", "0008 0000", "FORMERR"},
           Row{"three octets", "0008 0003 0001 18", "FORMERR"},
           Row{"a bad one behind a good one", "0008 0007 0001 18 00 c00002 0008 0004 0003 00 00",
               "FORMERR"},
       }) {
    EXPECT_EQ(say(full_world(), query(kWww, opt(row.option))).rcode, row.rcode) << row.what;
  }
}

TEST(Rfc7871, TheOptionComesBackInEveryReplyAsItCame) {  // sections 7.2.1, 12.1
  const std::string subnet = "0008 0007 0001 15 00 0a0108";
  struct Row {
    const char* what;
    std::string query;
    int scope;
  };
  const std::string outside = "076f757473696465 00 0001 0001";
  const std::string missing = "0171 076578616d706c65 03636f6d 00 0001 0001";
  const std::string below_cut = "0171 056368696c64 076578616d706c65 03636f6d 00 0001 0001";
  const std::string apex = "076578616d706c65 03636f6d 00 ";
  for (const Row& row : {
           Row{"routed", query(kWww, opt(subnet)), 21},
           Row{"static", query(kQuestion, opt(subnet)), 0},
           Row{"refused", query(outside, opt(subnet)), 0},
           Row{"a denial", query(missing, opt(subnet)), 0},
           Row{"a delegation", query(below_cut, opt(subnet)), 0},
           Row{"SOA", query(apex + "0006 0001", opt(subnet)), 0},
           Row{"NS", query(apex + "0002 0001", opt(subnet)), 0},
           Row{"DNSKEY", query(apex + "0030 0001", opt(subnet)), 0},
           Row{"an opcode not implemented", query(kWww, opt(subnet), "2800"), 0},
           Row{"a version not spoken", query(kWww, opt(subnet, "04d0", "00 01 0000")), 0},
           Row{"behind it a format error", query(kWww, opt(subnet + "000a 0001 00")), 0},
           Row{"a transfer", query(apex + "00fc 0001", opt(subnet)), 0},
       }) {
    const Heard heard = say(full_world(), row.query);
    EXPECT_EQ(heard.subnet, "1 21 0a0108") << row.what;
    if (row.scope == 0) {
      EXPECT_EQ(heard.scope, 0) << row.what;
    } else {
      EXPECT_GE(heard.scope.value_or(0), row.scope) << row.what;
    }
  }
}

TEST(Rfc7871, ATruncatedReplyHasItToo) {
  const auto bytes = from_hex(query(kWww, opt("0008 0007 0001 18 00 0a0102")));
  std::vector<std::uint8_t> out(512);
  Request request{bytes, Address::v4(198, 51, 100, 53), Transport::udp, kNow};
  request.must_truncate = true;
  const Heard heard = hear(Bytes(out).first(answer(full_world(), request, out).size));
  EXPECT_EQ(heard.flags, "qr tc");
  EXPECT_EQ(heard.scope, 0);
}

TEST(Rfc7873, OptionsMeetInOneReply) {
  // NSID, Client Subnet, two cookies, an unknown option and NSID again: each of ours once.
  const Heard heard =
      say(full_world(),
          query(kWww, opt("0003 0000 0008 0007 0001 18 00 0a0102 000a 0008" + kClientCookie +
                          "000a 0008 1111111111111111 fde9 0001 00 0003 0000")));
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.options.size(), 3U);
  EXPECT_EQ(heard.options.at(kNsid), "6e7331");
  EXPECT_EQ(heard.options.at(kCookie).substr(0, 16), kClientCookie) << "the first counts";
  EXPECT_EQ(heard.options.at(kCookie).substr(16, 8), "01000000")
      << "RFC 9018: version 1, reserved 0";
  EXPECT_EQ(heard.options.at(kSubnet), "000118180a0102");
}

TEST(Rfc7873, KnowsEveryLength) {
  for (int octets = 0; octets <= 48; ++octets) {
    const std::string option =
        "000a" + to_hex(std::vector<std::uint8_t>{0, static_cast<std::uint8_t>(octets)}) +
        std::string(static_cast<std::size_t>(2 * octets), '1');
    const bool is_good = octets == 8 || (octets >= 16 && octets <= 40);
    EXPECT_EQ(say(full_world(), query(kQuestion, opt(option))).rcode,
              is_good ? "NOERROR" : "FORMERR")
        << octets;
  }
}

TEST(Rfc8914, ErrorsAreExplainedToThoseWhoSpeakEdns) {
  const std::string outside = "076f757473696465 00 0001 0001";
  EXPECT_EQ(say(full_world(), query(outside, opt(""))).options.at(kExtendedError), "0014");
  EXPECT_THAT(say(full_world(), query(outside)).options, IsEmpty());
  EXPECT_FALSE(say(full_world(), query(outside)).has_edns);
}

TEST(Rfc5001, TheServerNamesItselfOnlyWhenAsked) {
  EXPECT_EQ(say(full_world(), query(kQuestion, opt("0003 0000"))).options.at(kNsid), "6e7331");
  EXPECT_FALSE(say(full_world(), query(kQuestion, opt(""))).options.contains(kNsid));
}

TEST(Rfc7828, KeepaliveIsTwoOctetsAndOnlyWhenAsked) {
  std::vector<std::uint8_t> out(65'535);
  const auto reply_to = [&](const std::string& options) {
    const auto bytes = from_hex(query(kQuestion, opt(options)));
    Reply reply =
        answer(full_world(), {bytes, Address::v4(198, 51, 100, 53), Transport::tcp, kNow}, out);
    add_stream_options(out, reply, Millis(10'000), false);
    return hear(Bytes(out).first(reply.size));
  };
  EXPECT_EQ(reply_to("000b 0000").options.at(11), "0064") << "in units of 100 ms";
  EXPECT_FALSE(reply_to("").options.contains(11));
  EXPECT_FALSE(reply_to("000c 0000").options.contains(12)) << "padding needs encryption (RFC 7830)";
  EXPECT_FALSE(say(full_world(), query(kQuestion, opt("000b 0000"))).options.contains(11)) << "UDP";
}

TEST(Rfc1996, OtherOpcodesHaveNoEffectAndComeBack) {  // also RFC 2136, 3425, 8490, 6895
  for (int opcode = 1; opcode < 16; ++opcode) {
    const auto flags = static_cast<std::uint16_t>(opcode << 11 | 0x07f0);
    const std::string hex = to_hex(std::vector<std::uint8_t>{static_cast<std::uint8_t>(flags >> 8),
                                                             static_cast<std::uint8_t>(flags)});
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      const Heard heard = say(full_world(), query(kQuestion, opt(""), hex), transport);
      EXPECT_EQ(heard.rcode, "NOTIMPL") << opcode;
      EXPECT_EQ(heard.bytes[2] >> 3 & 0xf, opcode);
      EXPECT_EQ(heard.flags, "qr rd cd") << opcode << ": Z, AA, TC and RA are clear";
      EXPECT_THAT(heard.answer, IsEmpty());
    }
  }
}

// A response is nothing to answer: two servers would talk for ever.
TEST(Rfc5936, WhatIsNoQueryIsNotAnswered) {
  for (const char* type : {"0001", "00fc", "00fb"}) {
    const std::string question = "076578616d706c65 03636f6d 00" + std::string(type) + "0001";
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      EXPECT_EQ(say(full_world(), query(question, "", "8000"), transport).reply.size, 0U) << type;
      EXPECT_EQ(say(full_world(), query(question, "", "8400"), transport).reply.size, 0U) << type;
    }
  }
}

TEST(Rfc4892, ClassesAndNamesOfTheServerAreRefusedUnlessConfigured) {
  for (const char* name :
       {"version.bind", "hostname.bind", "id.server", "version.server", "x.bind"}) {
    const Heard heard =
        ask(full_world(), {.name = name, .type = "TXT", .klass = 3, .payload = 1232});
    EXPECT_EQ(heard.rcode, "REFUSED") << name;
    EXPECT_THAT(heard.answer, IsEmpty());
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
