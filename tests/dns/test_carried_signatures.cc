// SPDX-License-Identifier: Apache-2.0
//
// Zones that came signed: their signatures are served as whoever signed serves them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "dns/base32.h"
#include "dns/carried_signatures.h"
#include "dns/zone_walk.h"
#include "tests/dns/signed_world.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Of every kind of answer one.
const std::array<std::pair<const char*, const char*>, 28> kAsked{{
    {"example.com", "SOA"},
    {"example.com", "NS"},
    {"example.com", "DNSKEY"},
    {"example.com", "CDS"},
    {"example.com", "DS"},
    {"example.com", "NSEC"},
    {"example.com", "TYPE51"},
    {"mail.example.com", "A"},
    {"mail.example.com", "MX"},
    {"mail.example.com", "NSEC"},
    {"mail.example.com", "TXT"},
    {"_tcp.example.com", "A"},
    {"out.example.com", "A"},
    {"dead.example.com", "A"},
    {"nothing.example.com", "A"},
    {"a.b.c.example.com", "A"},
    {"x.mail.example.com", "A"},
    {"b.deep.example.com", "A"},
    {"wild.example.com", "A"},
    {"x.wild.example.com", "A"},
    {"x.y.wild.example.com", "A"},
    {"x.wild.example.com", "TXT"},
    {"exists.wild.example.com", "A"},
    {"host.child.example.com", "A"},
    {"child.example.com", "DS"},
    {"sibling.example.com", "DS"},
    {"host.sibling.example.com", "A"},
    {"mail.example.com", "RRSIG"},
}};

routing::Topology without_services() {
  routing::Topology topology = three_sites();
  topology.services.clear();
  return topology;
}

// What a transfer of the signed zone brings.
ZoneRecords records_of(const SignedWorld& primary) {
  ZoneRecords records;
  records.origin = *name_from_text("example.com");
  records.passages = {{1, 1, "transfer"}};
  ZoneWalk walk(
      {*primary.snapshot.zones, *primary.snapshot.topology, primary.zone(), &primary.signatures()});
  const ZoneRecord soa = walk.soa();
  records.add(soa.owner, soa.type, soa.ttl, soa.data, 0);
  for (ZoneRecord record; walk.next(record);) {
    records.add(record.owner, record.type, record.ttl, record.data, 0);
  }
  return records;
}

struct Secondary {
  Snapshot snapshot;
  std::vector<std::string> warnings;
  std::vector<Error> errors;
};
Secondary secondary_of(ZoneRecords records, const routing::Topology& topology) {
  Secondary made;
  made.snapshot = snapshot_of({}, {{"example.com", example_zone()}}, topology);
  auto loaded = ZoneSet::replaced(*made.snapshot.zones, std::move(records), topology);
  made.warnings = std::move(loaded.warnings);
  made.errors = std::move(loaded.errors);
  if (!loaded.zones) return made;
  made.snapshot.zones = loaded.zones;
  made.snapshot.signatures = SignedZones::sign(loaded.zones, {}, kNow, nullptr).zones;
  return made;
}

Question signed_question(const char* name, const char* type) {
  Question question{.name = name, .type = type};
  question.wants_dnssec = true;
  return question;
}

class CarriedSignature : public ::testing::TestWithParam<Denial> {
 protected:
  SignedWorld primary_{GetParam(), kEcdsaKey, example_zone(), without_services()};
};
INSTANTIATE_TEST_SUITE_P(Denials, CarriedSignature, ::testing::Values(Denial::nsec, Denial::nsec3));

TEST_P(CarriedSignature, AnswersAreThoseOfWhoeverSigned) {
  const Secondary secondary = secondary_of(records_of(primary_), without_services());
  ASSERT_THAT(secondary.errors, IsEmpty());
  EXPECT_THAT(secondary.warnings, IsEmpty());
  for (const auto& [name, type] : kAsked) {
    const Heard heard = ask(secondary.snapshot, signed_question(name, type));
    EXPECT_EQ(to_hex(heard.bytes), to_hex(ask_signed(primary_, name, type).bytes))
        << name << " " << type;
    if (std::string(type) == "RRSIG") continue;  // nobody signs these
    EXPECT_EQ(fault_of(primary_, heard, name, type), "") << name << " " << type;
  }
}

TEST_P(CarriedSignature, IsTransferredOnAsItCame) {
  const Secondary secondary = secondary_of(records_of(primary_), without_services());
  const Zone& zone = secondary.snapshot.zones->zones().front();
  const Signatures* signatures = secondary.snapshot.signatures->of(&zone);
  ASSERT_NE(signatures, nullptr);
  EXPECT_EQ(signatures->serial(), zone.serial());
  EXPECT_EQ(signatures->earliest_expiration(), primary_.signatures().earliest_expiration());
  const auto texts_of = [](const ZoneRecords& records) {
    std::multiset<std::string> texts;
    for (const auto& row : records.rows) {
      texts.insert(to_hex(records.owner(row)) + " " + std::to_string(row.type) + " " +
                   std::to_string(row.ttl) + " " + to_hex(records.rdata(row)));
    }
    return texts;
  };
  ZoneRecords passed_on;
  ZoneWalk walk({*secondary.snapshot.zones, *secondary.snapshot.topology, zone, signatures});
  const ZoneRecord soa = walk.soa();
  passed_on.origin = *name_from_text("example.com");
  passed_on.add(soa.owner, soa.type, soa.ttl, soa.data, 0);
  for (ZoneRecord record; walk.next(record);) {
    passed_on.add(record.owner, record.type, record.ttl, record.data, 0);
  }
  EXPECT_EQ(texts_of(passed_on), texts_of(records_of(primary_)));
}

TEST_P(CarriedSignature, WithoutKeysOrDenialsTheyAreLeftOut) {
  for (const std::uint16_t left_out : {type::dnskey, type::nsec, type::nsec3}) {
    const bool is_of_other_chain =
        left_out == (GetParam() == Denial::nsec ? type::nsec3 : type::nsec);
    if (is_of_other_chain) continue;
    ZoneRecords records = records_of(primary_);
    std::erase_if(records.rows, [&](const auto& row) { return row.type == left_out; });
    const Secondary secondary = secondary_of(std::move(records), without_services());
    EXPECT_THAT(secondary.warnings, Contains(HasSubstr("DNSSEC records are left out")));
    const Heard heard = ask(secondary.snapshot, signed_question("nothing.example.com", "A"));
    EXPECT_EQ(heard.rcode, "NXDOMAIN");
    EXPECT_EQ(heard.authority.size(), 1U) << "the SOA alone";
  }
}

TEST_P(CarriedSignature, NamesRoutedHereAreWarnedOfAndAnswered) {
  const Secondary secondary = secondary_of(records_of(primary_), three_sites());
  EXPECT_THAT(secondary.warnings,
              Contains(HasSubstr("www.example.com is routed and the zone came")));
  EXPECT_EQ(ask(secondary.snapshot, signed_question("www.example.com", "A")).answer.size(), 1U);
  EXPECT_EQ(ask(secondary.snapshot, signed_question("www.example.com", "TXT")).rcode, "NOERROR");
}

// Whatever a primary leaves out, there is an answer with the right rcode.
TEST_P(CarriedSignature, HolesTakeNothingButProofsAway) {
  Random random(7);
  for (int round = 0; round < 60; ++round) {
    ZoneRecords records = records_of(primary_);
    std::erase_if(records.rows, [&](const auto& row) {
      return type::is_signature(row.type) && row.type != type::nsec3param && random.below(3) == 0;
    });
    const Secondary secondary = secondary_of(std::move(records), without_services());
    ASSERT_THAT(secondary.errors, IsEmpty());
    for (const auto& [name, type] : kAsked) {
      if (std::string(type) == "RRSIG" || std::string(type) == "NSEC") continue;
      ASSERT_EQ(ask(secondary.snapshot, signed_question(name, type)).rcode,
                ask_signed(primary_, name, type).rcode)
          << name << " " << type << " round " << round;
    }
  }
}

TEST(CarriedNsec3, HashesThatCostTooMuchAreRefused) {
  const SignedWorld primary(Denial::nsec3, kEcdsaKey, example_zone(), without_services());
  for (const std::uint16_t iterations : {kMaxHashIterations, std::uint16_t{151}}) {
    ZoneRecords records = records_of(primary);
    for (auto& row : records.rows) {
      if (row.type != type::nsec3param && row.type != type::nsec3) continue;
      records.bytes[row.rdata + 2] = 0;
      records.bytes[row.rdata + 3] = static_cast<std::uint8_t>(iterations);
    }
    const Secondary secondary = secondary_of(std::move(records), without_services());
    if (iterations <= kMaxHashIterations) {
      EXPECT_THAT(secondary.errors, IsEmpty());
      EXPECT_THAT(secondary.warnings, Contains(HasSubstr("left out"))) << "the apex has no hash";
    } else {
      ASSERT_EQ(secondary.errors.size(), 1U);
      EXPECT_THAT(secondary.errors[0].text(), HasSubstr("151 NSEC3 iterations"));
    }
  }
}

// RFC 5155 appendix A: the zone "example", 12 iterations, salt aabbccdd.
TEST(CarriedNsec3, NamesAreHashedWithSaltAndIterations) {
  const HashTerms terms{12, {0xaa, 0xbb, 0xcc, 0xdd}};
  const auto label = [&](const char* name) {
    const auto made = hash_label(hash_name(*name_from_text(name), terms));
    return std::string(made.begin() + 1, made.end());
  };
  EXPECT_EQ(label("example"), "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom");
  EXPECT_EQ(label("ns1.example"), "2t7b4g4vsa5smi47k61mv5bv1a22bojr");
  EXPECT_EQ(label("*.w.example"), "r53bq7cc2uvmubfu5ocmm6pers9tk9en");
}

}  // namespace
}  // namespace isochrone::dns::testing
