// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "dns/options.h"
#include "dns/server.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kHead = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns.elsewhere.org.\n";

std::vector<std::string> errors_of(const std::string& text,
                                   const routing::Topology& topology = {}) {
  std::vector<std::string> texts;
  const auto loaded = ZoneSet::parse({{"example.com", text}}, topology);
  for (const Error& error : loaded.errors) texts.push_back(error.text());
  EXPECT_EQ(loaded.zones == nullptr, !texts.empty());
  return texts;
}
std::vector<std::string> warnings_of(const std::string& text,
                                     const routing::Topology& topology = {}) {
  const auto loaded = ZoneSet::parse({{"example.com", text}}, topology);
  EXPECT_THAT(loaded.errors, IsEmpty());
  return loaded.warnings;
}

TEST(ZoneFile, ReportsEveryErrorWithItsLine) {
  const auto errors = errors_of(kHead +
                                "; a comment\n"
                                "bad A 300.1.2.3\n"
                                "\n"
                                "good A 192.0.2.1\n"
                                "worse BOGUS 1\n"
                                "long TXT (\n"
                                "  \"x\" )\n"
                                "www.example.org. A 192.0.2.1\n"
                                "$INCLUDE more\n"
                                "ch CH TXT \"x\"\n");
  EXPECT_THAT(errors, ElementsAre(HasSubstr("text:5: "), HasSubstr("text:8: "),
                                  HasSubstr("text:12: $INCLUDE works in zone files only"),
                                  HasSubstr("text:13: class other than IN"),
                                  HasSubstr("text:11: www.example.org is outside the zone")));
}

TEST(ZoneFile, NeedsOneSoaAndNsAtTheApex) {
  EXPECT_THAT(errors_of("@ 60 NS ns\n"), ElementsAre(HasSubstr("no SOA")));
  EXPECT_THAT(errors_of("@ 60 SOA ns h 1 2 3 4 5\n"), ElementsAre(HasSubstr("no NS")));
  EXPECT_THAT(errors_of(kHead + "@ SOA ns h 2 2 3 4 5\n"),
              ElementsAre(HasSubstr("text:4: a second SOA")));
  EXPECT_THAT(errors_of(kHead + "sub SOA ns h 2 2 3 4 5\n"),
              ElementsAre(HasSubstr("text:4: SOA at sub.example.com")));
  EXPECT_THAT(errors_of(""), ::testing::Contains(HasSubstr("no SOA")));
}

TEST(ZoneFile, KeepsCnameAlone) {
  EXPECT_THAT(errors_of(kHead + "a CNAME b\na A 192.0.2.1\n"),
              ElementsAre(HasSubstr("text:5: a.example.com has a CNAME")));
  EXPECT_THAT(errors_of(kHead + "a CNAME b\na CNAME c\n"), ElementsAre(HasSubstr("two CNAMEs")));
  EXPECT_THAT(errors_of(kHead + "a CNAME b\na CNAME b\n"), IsEmpty());
}

TEST(ZoneFile, WarnsAndTakesTheLowestTtlOfASet) {
  const std::string text = kHead + "a 100 A 192.0.2.1\na 50 A 192.0.2.2\na 100 A 192.0.2.1\n";
  EXPECT_THAT(warnings_of(text), ::testing::Contains(HasSubstr("TTLs of one RRset differ")));
  EXPECT_THAT(warnings_of(text), ::testing::Contains(HasSubstr("text:6: record is there already")));
  const Heard heard = ask(snapshot_of({}, {{"example.com", text}}, {}), {.name = "a.example.com"});
  EXPECT_THAT(heard.answer,
              ElementsAre("a.example.com. 50 A 192.0.2.1", "a.example.com. 50 A 192.0.2.2"));
}

TEST(ZoneFile, UnderstandsOriginAndTtlDirectives) {
  const std::string text = kHead + "$ORIGIN sub.example.com.\n$TTL 1h\nx A 192.0.2.1\n  TXT a\n";
  const Snapshot snapshot = snapshot_of({}, {{"example.com", text}}, {});
  EXPECT_THAT(ask(snapshot, {.name = "x.sub.example.com"}).answer,
              ElementsAre("x.sub.example.com. 3600 A 192.0.2.1"));
  EXPECT_THAT(ask(snapshot, {.name = "x.sub.example.com", .type = "TXT"}).answer,
              ::testing::SizeIs(1));
}

TEST(ZoneFile, AServiceLiesInAZoneAndIsNoAliasOrDelegation) {
  routing::Topology topology = three_sites();
  EXPECT_THAT(errors_of(kHead + "www CNAME other\n", topology),
              ElementsAre(HasSubstr("www.example.com is a CNAME")));
  topology.services.pop_back();
  topology.services[0].name = "www.sub.example.com";
  EXPECT_THAT(errors_of(kHead + "sub NS ns.elsewhere.org.\n", topology),
              ElementsAre(HasSubstr("lies under a delegation")));
  topology.services[0].name = "www.example.org";
  EXPECT_THAT(errors_of(kHead, topology), ElementsAre(HasSubstr("lies in none of the zones")));
}

TEST(ZoneFile, AddressesOfAServiceAreOverriddenWithAWarning) {
  const std::string text = kHead + "www A 203.0.113.1\n";
  EXPECT_THAT(warnings_of(text, three_sites()), ElementsAre(HasSubstr("text:4: addresses")));
  const Snapshot snapshot = snapshot_of({}, {{"example.com", text}}, three_sites());
  EXPECT_THAT(ask(snapshot, {.name = "www.example.com"}).answer,
              ElementsAre("www.example.com. 30 A 192.0.2.99"));
}

TEST(ZoneFile, AServiceMakesEmptyNonTerminals) {  // RFC 8020
  routing::Topology topology = three_sites();
  topology.services[0].name = "a.b.c.example.com";
  const Snapshot snapshot = snapshot_of({}, {{"example.com", kHead}}, topology);
  EXPECT_EQ(ask(snapshot, {.name = "c.example.com"}).rcode, "NOERROR");
  EXPECT_EQ(ask(snapshot, {.name = "d.example.com"}).rcode, "NXDOMAIN");
}

TEST(ZoneFile, SignaturesAreLeftOut) {
  const std::string text = kHead + "a A 192.0.2.1\na NSEC b.example.com. A NSEC\n";
  EXPECT_THAT(warnings_of(text), ElementsAre(HasSubstr("DNSSEC")));
}

TEST(ZoneFile, DsAtTheApexIsLeftOut) {  // RFC 4035 section 2.4
  const std::string digest(64, '0');
  EXPECT_THAT(warnings_of(kHead + "@ DS 1 13 2 " + digest + "\na DS 1 13 2 " + digest +
                          "\na NS ns.elsewhere.org.\n"),
              ElementsAre(HasSubstr("DS at the apex")));
}

TEST(ZoneSet, MissingAndTwinZonesAreToldTogether) {
  Options options;
  options.zones = {{"example.com", "/nonexistent/zone"}, {"example.com", "/nonexistent/other"}};
  const auto errors = check_zones(options, {});
  ASSERT_EQ(errors.size(), 3U);
  EXPECT_THAT(errors[0].text(), HasSubstr("configured twice"));
  EXPECT_THAT(errors[1].text(), HasSubstr("/nonexistent/zone: cannot open"));
}

TEST(ZoneSet, TheDeepestZoneAnswers) {
  const std::string parent = kHead + "sub NS ns.sub\nns.sub A 192.0.2.1\nx A 192.0.2.2\n";
  const Snapshot snapshot = snapshot_of(
      {}, {{"example.com", parent}, {"sub.example.com", kHead + "x A 192.0.2.3\n"}}, {});
  EXPECT_THAT(ask(snapshot, {.name = "x.sub.example.com"}).answer,
              ElementsAre("x.sub.example.com. 60 A 192.0.2.3"));
  EXPECT_EQ(ask(snapshot, {.name = "sub.example.com", .type = "NS"}).flags, "qr aa");
  // DS of the child is the parent's (RFC 4035 section 3.1.4.1): denied with the parent's SOA.
  EXPECT_THAT(ask(snapshot, {.name = "sub.example.com", .type = "DS"}).authority,
              ElementsAre(HasSubstr("example.com. 5 SOA ns.example.com.")));
}

TEST(ZoneSet, ServesTheRootZone) {
  const std::string root = "@ 60 SOA ns. h. 1 2 3 4 5\n@ 60 NS ns.\nns 60 A 192.0.2.1\n";
  const Snapshot snapshot = snapshot_of({}, {{".", root}}, {});
  EXPECT_EQ(ask(snapshot, {.name = "ns"}).rcode, "NOERROR");
  EXPECT_EQ(ask(snapshot, {.name = "."}).rcode, "NOERROR");
  EXPECT_EQ(ask(snapshot, {.name = ".", .type = "SOA"}).answer.size(), 1U);
  EXPECT_EQ(ask(snapshot, {.name = "x.y"}).rcode, "NXDOMAIN");
}

TEST(Zone, ManyNamesStayCompactAndAreAllFound) {
  std::string text = kHead;
  for (int i = 0; i < 20'000; ++i) text += "host" + std::to_string(i) + " A 192.0.2.1\n";
  const Snapshot snapshot = snapshot_of({}, {{"example.com", text}}, {});
  for (int i = 0; i < 20'000; i += 37) {
    ASSERT_EQ(ask(snapshot, {.name = "host" + std::to_string(i) + ".example.com"}).rcode,
              "NOERROR");
  }
  EXPECT_EQ(ask(snapshot, {.name = "host20000.example.com"}).rcode, "NXDOMAIN");
  // A node of 16, its name, an RRset handle of 12, a record of 16 and two or three slots of 8.
  EXPECT_LT(snapshot.zones->memory_bytes(), 20'000U * 100);
}

}  // namespace
}  // namespace isochrone::dns::testing
