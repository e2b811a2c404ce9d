// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Lines = std::vector<std::string>;

const std::string kNegativeSoa = "example.com. 300 SOA ns1.example.com.";

struct Row {
  const char* name;
  const char* type;
  const char* rcode;
  const char* flags;
  Lines answer;
  Lines authority;
};

void check(const Snapshot& snapshot, const Row& row) {
  const Heard heard = ask(snapshot, {.name = row.name, .type = row.type});
  SCOPED_TRACE(std::string(row.name) + " " + row.type);
  EXPECT_EQ(heard.rcode, row.rcode);
  EXPECT_EQ(heard.flags, row.flags);
  EXPECT_EQ(heard.answer, row.answer);
  EXPECT_EQ(heard.authority, row.authority);
  EXPECT_FALSE(heard.has_edns);
}

TEST(Answer, GivesWhatTheZoneHolds) {
  const Snapshot snapshot = world();
  const Row rows[] = {
      {"mail.example.com", "A", "NOERROR", "qr aa", {"mail.example.com. 3600 A 192.0.2.25"}, {}},
      {"ns1.example.com",
       "AAAA",
       "NOERROR",
       "qr aa",
       {"ns1.example.com. 3600 AAAA 2001:db8::53"},
       {}},
      {"example.com",
       "NS",
       "NOERROR",
       "qr aa",
       {"example.com. 3600 NS ns1.example.com.", "example.com. 3600 NS ns.elsewhere.org."},
       {}},
      {"example.com", "SOA", "NOERROR", "qr aa", {"example.com. 7200 SOA ns1.example.com."}, {}},
      {"example.com", "MX", "NOERROR", "qr aa", {"example.com. 3600 MX 10 mail.example.com."}, {}},
      {"mail.example.com",
       "TXT",
       "NOERROR",
       "qr aa",
       {R"(mail.example.com. 3600 TXT "one" "two")"},
       {}},
      {"_sip._tcp.example.com",
       "SRV",
       "NOERROR",
       "qr aa",
       {"_sip._tcp.example.com. 3600 SRV 1 2 5060 mail.example.com."},
       {}},
      {"example.com",
       "CAA",
       "NOERROR",
       "qr aa",
       {R"(example.com. 3600 CAA 0 issue "ca.example.net")"},
       {}},
      {"private.example.com",
       "TYPE4711",
       "NOERROR",
       "qr aa",
       {R"(private.example.com. 3600 TYPE4711 \# 3 010203)"},
       {}},
      {"www.example.com", "TXT", "NOERROR", "qr aa", {R"(www.example.com. 3600 TXT "routed")"}, {}},
  };
  for (const Row& row : rows) check(snapshot, row);
}

TEST(Answer, DeniesWithTheSoaOfTheApex) {  // RFC 2308, 8020, 3597
  const Snapshot snapshot = world();
  const Lines soa{kNegativeSoa};
  const Row rows[] = {
      {"nothing.example.com", "A", "NXDOMAIN", "qr aa", {}, soa},
      {"below.mail.example.com", "A", "NXDOMAIN", "qr aa", {}, soa},
      {"mail.example.com", "AAAA", "NOERROR", "qr aa", {}, soa},
      {"mail.example.com", "TYPE65280", "NOERROR", "qr aa", {}, soa},
      {"b.deep.example.com", "A", "NOERROR", "qr aa", {}, soa},
      {"deep.example.com", "A", "NOERROR", "qr aa", {}, soa},
      {"c.deep.example.com", "A", "NXDOMAIN", "qr aa", {}, soa},
      {"mail.example.com", "TYPE65535", "NOERROR", "qr aa", {}, soa},
      {"mail.example.com", "TYPE254", "NOERROR", "qr aa", {}, soa},
      {"www.example.com", "MX", "NOERROR", "qr aa", {}, soa},
      {"example.com", "DS", "NOERROR", "qr aa", {}, soa},
      {"dead.example.com",
       "A",
       "NXDOMAIN",
       "qr aa",
       {"dead.example.com. 3600 CNAME nothing.example.com."},
       soa},
      {"alias.example.com",
       "MX",
       "NOERROR",
       "qr aa",
       {"alias.example.com. 3600 CNAME www.example.com."},
       soa},
  };
  for (const Row& row : rows) check(snapshot, row);
}

TEST(Answer, ExpandsWildcardsAsRfc4592Says) {
  const Snapshot snapshot = world();
  const Lines soa{kNegativeSoa};
  const Row rows[] = {
      {"x.wild.example.com", "A", "NOERROR", "qr aa", {"x.wild.example.com. 3600 A 192.0.2.8"}, {}},
      {"y.x.wild.example.com",
       "MX",
       "NOERROR",
       "qr aa",
       {"y.x.wild.example.com. 3600 MX 5 mail.example.com."},
       {}},
      {"x.wild.example.com", "TXT", "NOERROR", "qr aa", {}, soa},
      {"exists.wild.example.com", "A", "NOERROR", "qr aa", {}, soa},
      {"x.exists.wild.example.com", "A", "NXDOMAIN", "qr aa", {}, soa},
      {"wild.example.com", "A", "NOERROR", "qr aa", {}, soa},
      {"*.wild.example.com", "A", "NOERROR", "qr aa", {"*.wild.example.com. 3600 A 192.0.2.8"}, {}},
      {"sub.*.star.example.com",
       "TXT",
       "NOERROR",
       "qr aa",
       {R"(sub.*.star.example.com. 3600 TXT "ordinary")"},
       {}},
      {"x.star.example.com", "TXT", "NOERROR", "qr aa", {}, soa},
      {"sub.x.star.example.com", "TXT", "NOERROR", "qr aa", {}, soa},
      {"ghost.*.wild.example.com", "A", "NXDOMAIN", "qr aa", {}, soa},
  };
  for (const Row& row : rows) check(snapshot, row);
}

TEST(Answer, FollowsAliasesInsideTheServedZones) {
  const Snapshot snapshot = world();
  const std::string alias = "alias.example.com. 3600 CNAME www.example.com.";
  const std::string www = "www.example.com. 30 A 192.0.2.99";
  const Row rows[] = {
      {"alias.example.com", "A", "NOERROR", "qr aa", {alias, www}, {}},
      {"alias2.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"alias2.example.com. 3600 CNAME alias.example.com.", alias, www},
       {}},
      {"alias.example.com", "CNAME", "NOERROR", "qr aa", {alias}, {}},
      {"out.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"out.example.com. 3600 CNAME www.elsewhere.org."},
       {}},
      {"over.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"over.example.com. 3600 CNAME www.example.net.",
        "www.example.net. 600 CNAME www.example.com.", www},
       {}},
      {"loop1.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"loop1.example.com. 3600 CNAME loop2.example.com.",
        "loop2.example.com. 3600 CNAME loop1.example.com."},
       {}},
      {"q.loop.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"q.loop.example.com. 3600 CNAME x.loop.example.com."},
       {}},
      {"x.alias.wild.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {"x.alias.wild.example.com. 3600 CNAME www.example.com.", www},
       {}},
  };
  for (const Row& row : rows) check(snapshot, row);
}

TEST(Answer, StopsALongChainAfterSixteenAliases) {
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nc40 60 A 192.0.2.1\n";
  for (int i = 0; i < 40; ++i) {
    zone += "c" + std::to_string(i) + " 60 CNAME c" + std::to_string(i + 1) + "\n";
  }
  const Snapshot snapshot = snapshot_of({}, {{"chain.test", zone}}, {});
  const Heard heard = ask(snapshot, {.name = "c0.chain.test", .payload = 1232});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_THAT(heard.answer, SizeIs(kMaxAliases));
}

TEST(Answer, RefersWithGlueAndWithoutAuthority) {  // RFC 9471
  const Snapshot snapshot = world();
  for (const char* name :
       {"host.child.example.com", "child.example.com", "ns1.child.example.com"}) {
    const Heard heard = ask(snapshot, {.name = name});
    EXPECT_EQ(heard.flags, "qr") << name;
    EXPECT_THAT(heard.answer, IsEmpty());
    EXPECT_THAT(heard.authority, ElementsAre("child.example.com. 3600 NS ns1.child.example.com.",
                                             "child.example.com. 3600 NS ns2.child.example.com.",
                                             "child.example.com. 3600 NS ns.sibling.example.com."));
    EXPECT_THAT(heard.additional,
                UnorderedElementsAre("ns1.child.example.com. 3600 A 192.0.2.61",
                                     "ns2.child.example.com. 3600 A 192.0.2.62",
                                     "ns2.child.example.com. 3600 AAAA 2001:db8::62",
                                     "ns.sibling.example.com. 3600 A 192.0.2.63"));
  }
}

TEST(Answer, KeepsAuthorityWhenAnAliasEndsInAReferral) {  // RFC 1034 section 4.3.2
  const Heard heard = ask(world(), {.name = "toward.example.com"});
  EXPECT_EQ(heard.flags, "qr aa");
  EXPECT_THAT(heard.answer, ElementsAre("toward.example.com. 3600 CNAME host.child.example.com."));
  EXPECT_THAT(heard.authority, SizeIs(3));
  EXPECT_THAT(heard.additional, SizeIs(4));
}

TEST(Answer, AnswersDsAtACutFromTheParent) {  // RFC 4035 section 3.1.4.1
  const Heard heard = ask(world(), {.name = "child.example.com", .type = "DS"});
  EXPECT_EQ(heard.flags, "qr aa");
  EXPECT_THAT(heard.answer, SizeIs(1));
  EXPECT_THAT(heard.authority, IsEmpty());
}

TEST(Answer, TruncatesWhenInDomainGlueDoesNotFit) {
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n";
  for (int i = 0; i < 13; ++i) {
    const std::string ns = "a-rather-long-server-name-" + std::to_string(i) + ".child";
    zone += "child 60 NS " + ns + "\n" + ns + " 60 A 192.0.2.1\n" + ns + " 60 AAAA 2001:db8::1\n";
  }
  const Snapshot snapshot = snapshot_of({}, {{"glue.test", zone}}, {});
  const Heard small = ask(snapshot, {.name = "x.child.glue.test", .payload = 1000});
  EXPECT_EQ(small.flags, "qr tc");
  EXPECT_LE(small.bytes.size(), 1000U);
  const Heard all = ask(snapshot, {.name = "x.child.glue.test", .transport = Transport::tcp});
  EXPECT_EQ(all.flags, "qr");
  EXPECT_THAT(all.additional, SizeIs(26));
}

TEST(Answer, TruncatesOnlyWhatDoesNotFit) {
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n";
  for (int i = 0; i < 40; ++i) zone += "many 60 A 192.0.2." + std::to_string(i) + "\n";
  const Snapshot snapshot = snapshot_of({}, {{"many.test", zone}}, {});
  const Heard plain = ask(snapshot, {.name = "many.many.test"});
  EXPECT_EQ(plain.flags, "qr aa tc");
  EXPECT_THAT(plain.answer, IsEmpty());
  const Heard edns = ask(snapshot, {.name = "many.many.test", .payload = 1232});
  EXPECT_EQ(edns.flags, "qr aa");
  EXPECT_THAT(edns.answer, SizeIs(40));
  EXPECT_TRUE(ask(snapshot, {.name = "many.many.test", .payload = 100}).reply.is_truncated);
}

TEST(Answer, KeepsAnyAndMetaTypesSmall) {  // RFC 8482
  const Snapshot snapshot = world();
  EXPECT_THAT(ask(snapshot, {.name = "example.com", .type = "ANY"}).answer, SizeIs(1));
  EXPECT_THAT(ask(snapshot, {.name = "www.example.com", .type = "ANY"}).answer,
              ElementsAre("www.example.com. 30 A 192.0.2.99"));
  EXPECT_THAT(ask(snapshot, {.name = "alias.example.com", .type = "ANY"}).answer, SizeIs(1));
  EXPECT_EQ(ask(snapshot, {.name = "nothing.example.com", .type = "ANY"}).rcode, "NXDOMAIN");
  for (const Transport transport : {Transport::udp, Transport::tcp}) {
    EXPECT_EQ(ask(snapshot, {.name = "example.com", .type = "AXFR", .transport = transport}).rcode,
              "REFUSED");
    EXPECT_EQ(ask(snapshot, {.name = "example.com", .type = "IXFR", .transport = transport}).rcode,
              "REFUSED");
  }
}

TEST(Answer, RefusesWhatIsNotServed) {
  const Snapshot snapshot = world();
  for (const char* name : {"www.elsewhere.org", ".", "com", "notexample.com"}) {
    const Heard heard = ask(snapshot, {.name = name, .payload = 1232});
    EXPECT_EQ(heard.rcode, "REFUSED") << name;
    EXPECT_EQ(heard.flags, "qr");
    EXPECT_TRUE(heard.has_edns);
    EXPECT_THAT(heard.authority, IsEmpty());
  }
  for (const std::uint16_t klass : std::initializer_list<std::uint16_t>{3, 4, 254, 255}) {
    EXPECT_EQ(ask(snapshot, {.name = "mail.example.com", .klass = klass}).rcode, "REFUSED");
  }
}

TEST(Answer, KeepsTheCaseOfTheQuestion) {  // RFC 4343
  const Heard heard = ask(world(), {.name = "mAiL.ExAmPlE.cOm"});
  EXPECT_THAT(heard.answer, ElementsAre("mAiL.ExAmPlE.cOm. 3600 A 192.0.2.25"));
  const std::string bytes(heard.bytes.begin(), heard.bytes.end());
  EXPECT_NE(bytes.find("mAiL\x07"
                       "ExAmPlE\x03"
                       "cOm"),
            std::string::npos);
}

TEST(Answer, CopiesOnlyTheFlagsItMay) {
  // All of Z, AD, CD, RA, RD, TC and AA set in the query: RD and CD come back.
  EXPECT_EQ(ask(world(), {.name = "mail.example.com", .flags = 0x07f0}).flags, "qr aa rd cd");
}

TEST(Answer, GivesExactlyTheseBytes) {
  const auto query =
      from_hex("abcd0100 00010000 00000000 03777777 07657861 6d706c65 03636f6d 00 00010001");
  EXPECT_EQ(to_hex(send_bytes(world(), query)),
            "abcd8500000100010000000003777777076578616d706c6503636f6d0000010001"
            "c00c000100010000001e0004c0000263");
  const auto denied =
      from_hex("00070000 00010000 00000000 0178 07657861 6d706c65 03636f6d 00 00010001");
  // The SOA's owner and both its names end in pointers to the apex within the question.
  EXPECT_EQ(to_hex(send_bytes(world(), denied)),
            "000784030001000000010000"
            "0178076578616d706c6503636f6d0000010001"
            "c00e000600010000012c"
            "0021"
            "036e7331c00e"
            "04686f7374c00e"
            "00000007"
            "00000e10"
            "00000258"
            "00015180"
            "0000012c");
}

TEST(Answer, TakesTheLongestNames) {  // RFC 1035 section 2.3.4
  const Snapshot snapshot = world();
  std::string longest;
  while (longest.size() < 220) longest += "abcdefghi.";
  longest += std::string(253 - 11 - longest.size() - 1, 'x') + ".example.com";
  EXPECT_EQ(ask(snapshot, {.name = longest}).rcode, "NXDOMAIN");
  std::string deepest;
  for (int i = 0; i < 118; ++i) deepest += "a.";
  EXPECT_EQ(ask(snapshot, {.name = deepest + "example.com"}).rcode, "NXDOMAIN");
  EXPECT_EQ(ask(snapshot, {.name = deepest + "wild.example.com"}).rcode, "NOERROR");
}

}  // namespace
}  // namespace isochrone::dns::testing
