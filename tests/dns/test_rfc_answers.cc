// SPDX-License-Identifier: Apache-2.0
//
// The clauses of RFCs about what an answer holds, each one row: what is asked, and what ldns reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using Lines = std::vector<std::string>;

const std::string kZone = R"($TTL 300
@ 3600 IN SOA ns host 7 3600 600 86400 60
 NS ns
 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns A 192.0.2.53
one A 192.0.2.1
\000\001\255.odd A 192.0.2.2
a\.b.odd A 192.0.2.3
sp\032ce.odd A 192.0.2.4
*.w A 192.0.2.8
*.w TXT "wild"
cut.w NS ns.cut.w
ns.cut.w A 192.0.2.61
ent.terminal.w A 192.0.2.9
www.w CNAME nothing.ent2
real.ent2 A 192.0.2.10
*.cname CNAME one
*.far CNAME x.cut
cut NS ns.cut
 NS ns.sib
ns.cut A 192.0.2.62
 AAAA 2001:db8::62
www.cut A 192.0.2.63
sib NS ns.sib
ns.sib A 192.0.2.64
alias CNAME one
into CNAME www.cut
old 120 DNAME new
host.new A 192.0.2.11
long DNAME xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
srv SRV 1 2 53 one
naptr NAPTR 1 2 "s" "SIP" "" one
svcb SVCB 1 one alpn=h2 port=8443
https HTTPS 0 one
hints HTTPS 1 . ipv4hint=192.0.2.7 ipv6hint=2001:db8::7
mx MX 1 one
unknown TYPE65280 \# 4 0a000001
text TYPE16 \# 3 026869
)";

Snapshot clauses() { return snapshot_of({}, {{"example.com", kZone}}, {}); }

struct Clause {
  const char* rule;
  const char* name;
  const char* type;
  const char* rcode;
  const char* flags;
  Lines answer;
  Lines authority;
};

void check(const Snapshot& snapshot, const Clause& clause) {
  SCOPED_TRACE(std::string(clause.rule) + ": " + clause.name + " " + clause.type);
  for (const Transport transport : {Transport::udp, Transport::tcp}) {
    const Heard heard =
        ask(snapshot, {.name = clause.name, .type = clause.type, .transport = transport});
    EXPECT_EQ(heard.rcode, clause.rcode);
    EXPECT_EQ(heard.flags, clause.flags);
    EXPECT_EQ(heard.answer, clause.answer);
    EXPECT_EQ(heard.authority, clause.authority);
  }
}
void check(const std::vector<Clause>& clauses_of_rfc) {
  const Snapshot snapshot = clauses();
  for (const Clause& clause : clauses_of_rfc) check(snapshot, clause);
}

const Lines kSoa{"example.com. 60 SOA ns.example.com."};
const Lines kCut{"cut.example.com. 300 NS ns.cut.example.com.",
                 "cut.example.com. 300 NS ns.sib.example.com."};
std::string a(const std::string& owner, int last, int ttl = 300) {
  return owner + ".example.com. " + std::to_string(ttl) + " A 192.0.2." + std::to_string(last);
}
std::string cname(const std::string& owner, const std::string& target, int ttl = 300) {
  return owner + ".example.com. " + std::to_string(ttl) + " CNAME " + target + ".example.com.";
}

TEST(Rfc1034, AuthorityIsThatOfTheFirstOwner) {  // section 4.3.2
  check({
      {"an alias into a delegation",
       "into.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {cname("into", "www.cut")},
       kCut},
      {"a wildcard alias into a delegation",
       "q.far.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {cname("q.far", "x.cut")},
       kCut},
      {"the delegation itself", "www.cut.example.com", "A", "NOERROR", "qr", {}, kCut},
  });
}

TEST(Rfc2181, GlueIsNeverAnAnswer) {  // section 5.4.1
  check({
      {"the servers of a cut", "cut.example.com", "NS", "NOERROR", "qr", {}, kCut},
      {"an address at a cut", "cut.example.com", "A", "NOERROR", "qr", {}, kCut},
      {"the address of its server", "ns.cut.example.com", "A", "NOERROR", "qr", {}, kCut},
      {"a type its server has not", "ns.cut.example.com", "TXT", "NOERROR", "qr", {}, kCut},
      {"all of a cut", "cut.example.com", "ANY", "NOERROR", "qr", {}, kCut},
  });
}

TEST(Rfc2181, AnyOctetMayStandInALabel) {  // section 11
  check({
      {"control octets and 255",
       R"(\000\001\255.odd.example.com)",
       "A",
       "NOERROR",
       "qr aa",
       {a(R"(\000\001\255.odd)", 2)},
       {}},
      {"a dot", R"(a\.b.odd.example.com)", "A", "NOERROR", "qr aa", {a(R"(a\.b.odd)", 3)}, {}},
      {"the same letters as two labels", "a.b.odd.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"a space",
       R"(sp\032ce.odd.example.com)",
       "A",
       "NOERROR",
       "qr aa",
       {a(R"(sp\032ce.odd)", 4)},
       {}},
      {"an octet that is not there",
       R"(\000\001\254.odd.example.com)",
       "A",
       "NXDOMAIN",
       "qr aa",
       {},
       kSoa},
  });
}

TEST(Rfc2181, AdditionalDataMayBeLeftOutWithoutTruncation) {  // section 9
  std::string zone =
      "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\nns.c 60 A 192.0.2.1\nc 60 NS ns.c\n";
  for (int i = 0; i < 12; ++i) {
    const std::string ns = "a-server-of-another-zone-" + std::to_string(i) + ".sib";
    zone += "c 60 NS " + ns + "\n" + ns + " 60 A 192.0.2.2\n";
  }
  const Heard heard =
      ask(snapshot_of({}, {{"z.test", zone}}, {}), {.name = "x.c.z.test", .payload = 800});
  EXPECT_EQ(heard.flags, "qr") << "glue of a sibling is a courtesy";
  EXPECT_THAT(heard.additional, ::testing::Contains("ns.c.z.test. 60 A 192.0.2.1"));
  EXPECT_LT(heard.additional.size(), 13U);
  EXPECT_LE(heard.bytes.size(), 800U);
}

TEST(Rfc2308, DenialsLiveAsLongAsTheSoaSays) {  // section 5
  check({
      {"no such name", "nothing.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"no such type", "one.example.com", "MX", "NOERROR", "qr aa", {}, kSoa},
      {"no such type behind an alias",
       "alias.example.com",
       "MX",
       "NOERROR",
       "qr aa",
       {cname("alias", "one")},
       kSoa},
      {"no such name behind an alias",
       "www.w.example.com",
       "A",
       "NXDOMAIN",
       "qr aa",
       {cname("www.w", "nothing.ent2")},
       kSoa},
  });
  const Snapshot snapshot =
      snapshot_of({}, {{"z.test", "@ 30 SOA ns h 1 2 3 4 3600\n@ 30 NS ns.other.\n"}}, {});
  EXPECT_EQ(ask(snapshot, {.name = "x.z.test"}).authority, Lines{"z.test. 30 SOA ns.z.test."})
      << "its own TTL when that is shorter";
}

TEST(Rfc4343, OnlyTheLettersOfAsciiFold) {
  const Snapshot snapshot = snapshot_of({},
                                        {{"z.test",
                                          "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\n"
                                          "\\228 60 A 192.0.2.1\nab[ 60 A 192.0.2.2\n"}},
                                        {});
  EXPECT_EQ(ask(snapshot, {.name = R"(\228.Z.TEST)"}).answer.size(), 1U);
  EXPECT_EQ(ask(snapshot, {.name = R"(\196.z.test)"}).rcode, "NXDOMAIN") << "not Latin-1";
  EXPECT_EQ(ask(snapshot, {.name = "AB[.z.test"}).answer.size(), 1U);
  EXPECT_EQ(ask(snapshot, {.name = "ab{.z.test"}).rcode, "NXDOMAIN") << "[ and { differ by 0x20";
}

TEST(Rfc4592, AWildcardStandsForWhatIsMissingOnly) {
  check({
      {"a missing name", "q.w.example.com", "A", "NOERROR", "qr aa", {a("q.w", 8)}, {}},
      {"a name deep below", "q.r.s.w.example.com", "A", "NOERROR", "qr aa", {a("q.r.s.w", 8)}, {}},
      {"the wildcard by name", "*.w.example.com", "A", "NOERROR", "qr aa", {a("*.w", 8)}, {}},
      {"below the wildcard's name", "q.*.w.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"its own parent", "w.example.com", "A", "NOERROR", "qr aa", {}, kSoa},
      {"blocked by an empty non-terminal",
       "q.terminal.w.example.com",
       "A",
       "NXDOMAIN",
       "qr aa",
       {},
       kSoa},
      {"the empty non-terminal", "terminal.w.example.com", "A", "NOERROR", "qr aa", {}, kSoa},
      {"below a leaf", "q.ent.terminal.w.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"a type it has not", "q.w.example.com", "AAAA", "NOERROR", "qr aa", {}, kSoa},
      {"an alias",
       "q.cname.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {cname("q.cname", "one"), a("one", 1)},
       {}},
  });
}

TEST(Rfc4592, ACutBelowAWildcardWins) {
  check({{"the cut",
          "q.cut.w.example.com",
          "A",
          "NOERROR",
          "qr",
          {},
          {"cut.w.example.com. 300 NS ns.cut.w.example.com."}}});
}

TEST(Rfc8020, EmptyNonTerminalsExist) {
  check({
      {"empty", "ent2.example.com", "A", "NOERROR", "qr aa", {}, kSoa},
      {"beside what is there", "other.ent2.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"below a leaf", "q.one.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
      {"far below a leaf", "q.r.s.one.example.com", "A", "NXDOMAIN", "qr aa", {}, kSoa},
  });
}

TEST(Rfc6672, RedirectsWhatLiesBelow) {
  const std::string dname = "old.example.com. 120 DNAME new.example.com.";
  check({
      {"below",
       "host.old.example.com",
       "A",
       "NOERROR",
       "qr aa",
       {dname, cname("host.old", "host.new", 120), a("host.new", 11)},
       {}},
      {"the owner is not redirected", "old.example.com", "A", "NOERROR", "qr aa", {}, kSoa},
      {"the rcode is that of the last name (RFC 6604)",
       "q.old.example.com",
       "A",
       "NXDOMAIN",
       "qr aa",
       {dname, cname("q.old", "q.new", 120)},
       kSoa},
      {"an alias is the answer to a query for one",
       "q.old.example.com",
       "CNAME",
       "NOERROR",
       "qr aa",
       {dname, cname("q.old", "q.new", 120)},
       {}},
  });
  const Heard heard =
      ask(clauses(), {.name = "twelve.more.octets.long.example.com", .payload = 1232});
  EXPECT_EQ(heard.rcode, "YXDOMAIN") << "section 2.2: the name made would be longer than 255";
  EXPECT_EQ(heard.answer.size(), 1U);
  EXPECT_THAT(heard.answer, Each(HasSubstr(" DNAME ")));
}

TEST(Rfc3597, UnknownTypesAreTypes) {
  check({
      {"by number",
       "unknown.example.com",
       "TYPE65280",
       "NOERROR",
       "qr aa",
       {R"(unknown.example.com. 300 TYPE65280 \# 4 0a000001)"},
       {}},
      {"a known type in the unknown form",
       "text.example.com",
       "TXT",
       "NOERROR",
       "qr aa",
       {R"(text.example.com. 300 TXT "hi")"},
       {}},
      {"unknown and missing", "one.example.com", "TYPE65281", "NOERROR", "qr aa", {}, kSoa},
      {"the largest", "one.example.com", "TYPE65535", "NOERROR", "qr aa", {}, kSoa},
      {"a meta type (RFC 6895)", "one.example.com", "TYPE249", "NOERROR", "qr aa", {}, kSoa},
      {"MAILB", "one.example.com", "TYPE253", "NOERROR", "qr aa", {}, kSoa},
      {"the OPT type", "one.example.com", "TYPE41", "NOERROR", "qr aa", {}, kSoa},
      {"type 0", "one.example.com", "TYPE0", "NOERROR", "qr aa", {}, kSoa},
      {"an unknown type at a missing name",
       "q.example.com",
       "TYPE65281",
       "NXDOMAIN",
       "qr aa",
       {},
       kSoa},
  });
}

// Whether a compression pointer stands in the data of the only answer; golden, for ldns follows it.
bool data_has_a_pointer(const Heard& heard) {
  const std::string hex = to_hex(heard.bytes);
  return hex.find("036f6e65c0") != std::string::npos;  // "one" and a pointer
}

TEST(Rfc3597, NamesInNewerTypesAreNotCompressed) {  // section 4
  const Snapshot snapshot = clauses();
  for (const char* kind : {"SRV", "NAPTR", "SVCB", "HTTPS"}) {
    std::string name(kind);
    std::transform(name.begin(), name.end(), name.begin(), ::tolower);
    const Heard heard = ask(snapshot, {.name = name + ".example.com", .type = kind});
    ASSERT_EQ(heard.answer.size(), 1U) << kind;
    EXPECT_THAT(heard.answer[0], HasSubstr("one.example.com."));
    EXPECT_FALSE(data_has_a_pointer(heard)) << kind;
  }
  EXPECT_TRUE(data_has_a_pointer(ask(snapshot, {.name = "mx.example.com", .type = "MX"})))
      << "a type of RFC 1035: what this test looks for can be found";
  const Heard dname = ask(snapshot, {.name = "old.example.com", .type = "DNAME"});
  EXPECT_THAT(to_hex(dname.bytes), HasSubstr("0011036e6577076578616d706c6503636f6d00"))
      << "RFC 6672 section 2.5: 17 octets of data";
}

TEST(Rfc9460, ServiceBindingsAreKeptOctetForOctet) {
  const Heard heard = ask(clauses(), {.name = "hints.example.com", .type = "HTTPS"});
  EXPECT_THAT(to_hex(heard.bytes), HasSubstr("0001"
                                             "00"
                                             "0004"
                                             "0004"
                                             "c0000207"
                                             "0006"
                                             "0010"
                                             "20010db8000000000000000000000007"));
  EXPECT_THAT(to_hex(ask(clauses(), {.name = "svcb.example.com", .type = "SVCB"}).bytes),
              HasSubstr("036f6e65076578616d706c6503636f6d00"
                        "0001"
                        "0003"
                        "026832"
                        "0003"
                        "0002"
                        "20fb"));
}

TEST(Rfc4035, DsBelongsToTheParent) {  // section 3.1.4.1
  check(
      {{"the apex has none to give", "example.com", "DS", "NOERROR", "qr aa", {}, kSoa},
       {"a cut without one", "cut.example.com", "DS", "NOERROR", "qr aa", {}, kSoa},
       {"below the cut it is the child's", "x.cut.example.com", "DS", "NOERROR", "qr", {}, kCut}});
}

TEST(Rfc8482, AnyIsOneSet) {
  const Snapshot snapshot = clauses();
  for (const char* name :
       {"example.com", "one.example.com", "q.w.example.com", "q.cname.example.com"}) {
    const Heard heard = ask(snapshot, {.name = name, .type = "ANY", .transport = Transport::tcp});
    EXPECT_EQ(heard.answer.size(), 1U) << name;
    EXPECT_EQ(heard.flags, "qr aa");
  }
  check({{"a missing name", "nothing.example.com", "ANY", "NXDOMAIN", "qr aa", {}, kSoa},
         {"an empty one", "ent2.example.com", "ANY", "NOERROR", "qr aa", {}, kSoa}});
}

// Sets in the answer section never come twice, whatever leads there, and never in parts.
TEST(Rfc2181, EverySetIsThereOnceAndWhole) {  // section 5
  std::string zone = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.other.\na 60 CNAME b\nb 60 CNAME a\n";
  for (int i = 1; i <= 200; ++i) zone += "many 60 A 192.0.2." + std::to_string(i) + "\n";
  const Snapshot snapshot = snapshot_of({}, {{"z.test", zone}}, {});
  for (const int payload : {512, 700, 1000, 1232}) {
    const Heard heard =
        ask(snapshot, {.name = "many.z.test", .payload = static_cast<std::uint16_t>(payload)});
    EXPECT_TRUE(heard.answer.empty());
    EXPECT_EQ(heard.flags, "qr aa tc");
  }
  auto loop = ask(snapshot, {.name = "a.z.test"}).answer;
  EXPECT_EQ(loop.size(), 2U);
  std::sort(loop.begin(), loop.end());
  EXPECT_EQ(std::unique(loop.begin(), loop.end()), loop.end());
}

}  // namespace
}  // namespace isochrone::dns::testing
