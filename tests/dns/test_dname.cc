// SPDX-License-Identifier: Apache-2.0
//
// DNAME (RFC 6672): redirection of all that lies below a name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kApex = "$TTL 3600\n@ SOA ns host 7 3600 600 86400 300\n@ NS ns.example.net.\n";

Snapshot world_with(const std::string& records) {
  return snapshot_of({}, {{"example.com", kApex + records}}, routing::Topology{});
}

TEST(Dname, LeadsToTheSameNameElsewhereInTheZone) {
  const Snapshot snapshot = world_with("old 60 DNAME new\na.b.new A 192.0.2.7\n");
  const Heard heard = ask(snapshot, {.name = "A.b.Old.example.com"});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.flags, "qr aa");
  EXPECT_THAT(heard.answer, ElementsAre("Old.example.com. 60 DNAME new.example.com.",
                                        "A.b.Old.example.com. 60 CNAME a.b.new.example.com.",
                                        "a.b.new.example.com. 3600 A 192.0.2.7"));
}

TEST(Dname, ItsOwnerIsNotRedirected) {
  const Snapshot snapshot = world_with("old DNAME new\nold TXT \"here\"\n");
  EXPECT_THAT(ask(snapshot, {.name = "old.example.com", .type = "TXT"}).answer,
              ElementsAre("old.example.com. 3600 TXT \"here\""));
  EXPECT_THAT(ask(snapshot, {.name = "old.example.com", .type = "DNAME"}).answer,
              ElementsAre("old.example.com. 3600 DNAME new.example.com."));
  EXPECT_THAT(ask(snapshot, {.name = "old.example.com"}).answer, IsEmpty());
}

TEST(Dname, MayLeadOutOfTheZoneOrNowhere) {
  const Snapshot snapshot = world_with("out DNAME example.org.\nold DNAME new\n");
  const Heard out = ask(snapshot, {.name = "a.out.example.com"});
  EXPECT_EQ(out.rcode, "NOERROR");
  EXPECT_EQ(out.answer.back(), "a.out.example.com. 3600 CNAME a.example.org.");
  const Heard nowhere = ask(snapshot, {.name = "a.old.example.com"});
  EXPECT_EQ(nowhere.rcode, "NXDOMAIN");  // RFC 6604: of the last name
  EXPECT_EQ(nowhere.answer.size(), 2U);
  EXPECT_EQ(nowhere.authority.size(), 1U);
}

TEST(Dname, TheAliasMadeFromItAnswersAQueryForAliases) {
  const Snapshot snapshot = world_with("old DNAME new\n");
  const Heard heard = ask(snapshot, {.name = "a.old.example.com", .type = "CNAME"});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.answer.size(), 2U);
  EXPECT_THAT(heard.authority, IsEmpty());
}

TEST(Dname, MayStandAtTheApex) {
  const Snapshot snapshot = world_with("@ DNAME example.org.\n");
  EXPECT_EQ(ask(snapshot, {.name = "a.example.com"}).answer.back(),
            "a.example.com. 3600 CNAME a.example.org.");
  EXPECT_EQ(ask(snapshot, {.name = "example.com", .type = "SOA"}).answer.size(), 1U);
}

TEST(Dname, HidesWhatTheZoneHasBelowIt) {
  const Snapshot snapshot = world_with("old DNAME new\na.old A 192.0.2.1\na.new A 192.0.2.2\n");
  EXPECT_EQ(ask(snapshot, {.name = "a.old.example.com"}).answer.back(),
            "a.new.example.com. 3600 A 192.0.2.2");
}

TEST(Dname, ANameThatBecomesTooLongIsYxdomain) {
  const std::string label(60, 'x');
  const Snapshot snapshot =
      world_with("old DNAME " + label + "." + label + "." + label + ".example.org.\n");
  const Heard fits = ask(snapshot, {.name = "a.old.example.com"});
  EXPECT_EQ(fits.answer.size(), 2U);
  const Heard heard = ask(snapshot, {.name = label + ".old.example.com"});
  EXPECT_EQ(heard.rcode, "YXDOMAIN");
  EXPECT_EQ(heard.answer.size(), 1U);
}

TEST(Dname, ALoopEnds) {
  const Snapshot snapshot = world_with("a DNAME b\nb DNAME a\n");
  const Heard heard = ask(snapshot, {.name = "x.a.example.com", .payload = 1232});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_LE(heard.bytes.size(), 1232U);
}

TEST(Dname, ASecondOneIsAnError) {
  const auto loaded =
      ZoneSet::parse({{"example.com", kApex + "old DNAME a\nold DNAME b\n"}}, routing::Topology{});
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_THAT(loaded.errors[0].text(), ::testing::HasSubstr("second DNAME"));
}

}  // namespace
}  // namespace isochrone::dns::testing
