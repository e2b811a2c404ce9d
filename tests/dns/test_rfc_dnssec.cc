// SPDX-License-Identifier: Apache-2.0
//
// The clauses of the DNSSEC RFCs, for each way of denial; ldns judges, which shares no code with the
// signer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dns/signed_world.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class DnssecClause : public ::testing::TestWithParam<Denial> {
 protected:
  Heard hear_of(const std::string& name, const std::string& type = "A") {
    const Heard heard = ask_online(world_, {.name = name, .type = type});
    EXPECT_EQ(fault_of(world_, heard, name, type), "") << name << " " << type;
    return heard;
  }

  SignedWorld world_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Rfc, DnssecClause,
                         ::testing::Values(Denial::nsec, Denial::nsec3, Denial::compact));

TEST_P(DnssecClause, DsIsTheParentsAndTheApexHasNone) {  // RFC 4035 section 3.1.4.1
  const Heard cut = hear_of("child.example.com", "DS");
  EXPECT_EQ(cut.flags, "qr aa");
  EXPECT_THAT(cut.answer, Contains(StartsWith("child.example.com. 3600 DS 1 13 2 ")));
  const Heard insecure = hear_of("sibling.example.com", "DS");
  EXPECT_EQ(insecure.flags, "qr aa");
  EXPECT_THAT(insecure.answer, IsEmpty());
  const Heard apex = hear_of("example.com", "DS");
  EXPECT_EQ(apex.rcode, "NOERROR");
  EXPECT_EQ(apex.flags, "qr aa");
  EXPECT_THAT(apex.answer, IsEmpty());
}

TEST_P(DnssecClause, ReferralsAreUnsignedButForTheirSecurity) {  // RFC 4035 sections 2.2, 3.1.4
  for (const char* name : {"x.child.example.com", "ns1.child.example.com"}) {
    const Heard heard = hear_of(name);
    EXPECT_EQ(heard.flags, "qr");
    EXPECT_THAT(heard.authority, Contains(HasSubstr(" RRSIG DS ")).Times(1));
    EXPECT_THAT(heard.authority, Each(Not(HasSubstr(" RRSIG NS "))));
    EXPECT_THAT(heard.additional, Each(Not(HasSubstr("RRSIG"))));
  }
}

TEST_P(DnssecClause, NothingOfItComesWithoutDo) {  // RFC 4035 section 3.1
  for (const char* name : {"mail.example.com", "nothing.example.com", "x.child.example.com"}) {
    const Heard heard = ask(world_.snapshot, {.name = name, .payload = 1232});
    for (const auto& section : {heard.answer, heard.authority, heard.additional}) {
      EXPECT_THAT(section, Each(Not(AnyOf(HasSubstr(" RRSIG "), HasSubstr(" NSEC ")))));
    }
  }
}

TEST_P(DnssecClause, AuthenticDataIsForValidatorsToSay) {  // RFC 4035 section 3.1.6
  const Heard heard =
      ask(world_.snapshot, {.name = "mail.example.com", .flags = 0x0030, .wants_dnssec = true});
  EXPECT_EQ(heard.flags, "qr aa cd");
}

TEST_P(DnssecClause, DenialsLiveAsLongAsTheSoaSays) {  // RFC 9077
  for (const char* name : {"nothing.example.com", "mail.example.com", "b.deep.example.com"}) {
    const Heard heard = hear_of(name, "CAA");
    EXPECT_THAT(heard.authority,
                Contains(AnyOf(HasSubstr(" 300 NSEC "), HasSubstr(" 300 NSEC3 "))));
    EXPECT_THAT(heard.authority, Each(HasSubstr(" 300 ")));
  }
}

TEST_P(DnssecClause, AWildcardsAnswerProvesThatTheNameIsMissing) {  // RFC 4035 section 3.1.3.3
  const Heard heard = hear_of("q.wild.example.com");
  EXPECT_THAT(heard.answer, Contains(HasSubstr(" RRSIG A 13 3 "))) << "the labels of the wildcard";
  EXPECT_THAT(heard.authority, Contains(AnyOf(HasSubstr(" NSEC "), HasSubstr(" NSEC3 "))));
}

// A question of 255 octets is where intervals computed from names go wrong.
TEST_P(DnssecClause, TheLongestNamesAreDeniedTruthfully) {  // RFC 8198
  for (const char first : {'!', 'a', 'm', 'z', '~'}) {
    std::string name;
    while (name.size() + 64 + 12 < 253) name += std::string(63, first) + ".";
    name += std::string(253 - name.size() - 12, first) + ".example.com";
    const Heard heard = ask_online(world_, {.name = name, .transport = Transport::tcp});
    EXPECT_EQ(heard.rcode, "NXDOMAIN");
    EXPECT_EQ(fault_of(world_, heard, name), "") << name;
  }
}

TEST_P(DnssecClause, NoDenialLacksWhatExists) {  // RFC 8198
  for (const routing::SiteMask up : {routing::kAllSites, kIadBit}) {
    world_.snapshot.sites.up = up;
    EXPECT_THAT(hear_of("www.example.com", "LOC").authority,
                Contains(HasSubstr(" A TXT AAAA RRSIG")))
        << "a family that is there tomorrow may not be denied for the TTL of today";
  }
  EXPECT_THAT(hear_of("v4.example.com", "LOC").authority, Contains(HasSubstr(" A RRSIG")));
  EXPECT_THAT(hear_of("example.com", "LOC").authority,
              Contains(AllOf(HasSubstr(" NS SOA MX "), HasSubstr(" DNSKEY "))));
}

TEST(Rfc9276, HashesAreMadeOnceAndWithoutSalt) {
  const SignedWorld world(Denial::nsec3);
  const Heard heard = ask_signed(world, "nothing.example.com");
  std::size_t seen = 0;
  for (const std::string& line : heard.authority) {
    const auto at = line.find(" NSEC3 ");
    if (at == std::string::npos || line.find("RRSIG") < at) continue;
    EXPECT_THAT(line.substr(at), StartsWith(" NSEC3 1 0 0 - "))
        << "SHA-1, no flags, 0 times, no salt";
    ++seen;
  }
  EXPECT_GE(seen, 2U) << "RFC 5155 section 7.2.2: one record may do for two of the three";
  EXPECT_EQ(fault_of(world, heard, "nothing.example.com"), "");
}

TEST(Rfc9824, OnlyMissingNamesAreSaidToBeMissing) {
  const SignedWorld world(Denial::compact);
  const auto says_missing = [&](const char* name) {
    const Heard heard = ask_online(world, {.name = name});
    return std::any_of(heard.authority.begin(), heard.authority.end(), [](const std::string& line) {
      return line.find("TYPE128") != std::string::npos || line.find("NXNAME") != std::string::npos;
    });
  };
  EXPECT_TRUE(says_missing("nothing.example.com"));
  EXPECT_TRUE(says_missing("q.exists.wild.example.com"));
  EXPECT_FALSE(says_missing("deep.example.com")) << "an empty non-terminal";
  EXPECT_FALSE(says_missing("alias.wild.example.com")) << "an empty one above a wildcard";
  EXPECT_FALSE(says_missing("wild.example.com"));
  EXPECT_EQ(ask_signed(world, "nothing.example.com", "TYPE128").rcode, "FORMERR") << "section 3.5";
}

}  // namespace
}  // namespace isochrone::dns::testing
