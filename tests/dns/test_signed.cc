// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "dns/key_store.h"
#include "tests/dns/signed_world.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// One of every kind of answer.
const Question kKinds[] = {
    {.name = "example.com", .type = "SOA"},
    {.name = "example.com", .type = "NS"},
    {.name = "example.com", .type = "DNSKEY"},
    {.name = "example.com", .type = "CDS"},
    {.name = "example.com", .type = "CDNSKEY"},
    {.name = "example.com", .type = "DS"},
    {.name = "mail.example.com"},
    {.name = "MAIL.Example.COM", .type = "TXT"},
    {.name = "mail.example.com", .type = "MX"},
    {.name = "_sip._tcp.example.com", .type = "SRV"},
    {.name = "private.example.com", .type = "TYPE4711"},
    {.name = "www.example.com"},
    {.name = "www.example.com", .type = "AAAA"},
    {.name = "www.example.com", .type = "TXT"},
    {.name = "www.example.com", .type = "MX"},
    {.name = "v4.example.com"},
    {.name = "v4.example.com", .type = "AAAA"},
    {.name = "alias.example.com"},
    {.name = "alias2.example.com", .type = "MX"},
    {.name = "out.example.com"},
    {.name = "dead.example.com"},
    {.name = "nothing.example.com"},
    {.name = "a.b.c.example.com"},
    {.name = "x.mail.example.com"},
    {.name = "b.deep.example.com"},
    {.name = "wild.example.com"},
    {.name = "x.wild.example.com"},
    {.name = "x.y.wild.example.com"},
    {.name = "x.wild.example.com", .type = "TXT"},
    {.name = "exists.wild.example.com"},
    {.name = "x.alias.wild.example.com"},
    {.name = "x.exists.wild.example.com"},
    {.name = "host.child.example.com"},
    {.name = "child.example.com", .type = "DS"},
    {.name = "sibling.example.com", .type = "DS"},
    {.name = "host.sibling.example.com"},
    {.name = "toward.example.com"},
};

// Of names of every_routed_type().
const Question kRoutedKinds[] = {
    {.name = "app.example.com"},
    {.name = "app.example.com", .type = "AAAA"},
    {.name = "app.example.com", .type = "TYPE64"},
    {.name = "app.example.com", .type = "TYPE65"},
    {.name = "app.example.com", .type = "MX"},
    {.name = "cdn.example.com"},
    {.name = "cdn.example.com", .type = "CNAME"},
    {.name = "cdn.example.com", .type = "MX"},
    {.name = "to-cdn.example.com", .type = "AAAA"},
    {.name = "fra.sites.example.com", .type = "MX"},
};

struct Kind {
  Denial denial;
  const KeyFiles* key;
};
class SignedAnswer : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(
    Signed, SignedAnswer,
    ::testing::Values(Kind{Denial::nsec, &kEcdsaKey}, Kind{Denial::nsec, &kEd25519Key},
                      Kind{Denial::nsec3, &kEcdsaKey}, Kind{Denial::nsec3, &kEd25519Key},
                      Kind{Denial::compact, &kEcdsaKey}, Kind{Denial::compact, &kEd25519Key}));

TEST_P(SignedAnswer, IsBelievedByAValidator) {
  const SignedWorld world(GetParam().denial, *GetParam().key);
  for (const Question& kind : kKinds) {
    const Heard heard = ask_signed(world, kind.name, kind.type);
    EXPECT_EQ(fault_of(world, heard, kind.name, kind.type), "") << kind.name << " " << kind.type;
    EXPECT_THAT(heard.flags, Not(HasSubstr("ad")));
  }
}

TEST_P(SignedAnswer, OfEveryRoutedTypeIsBelievedWhoeverLives) {
  routing::Topology topology = every_routed_type();
  for (auto& service : topology.services) service.on_all_down = routing::OnAllDown::nodata;
  SignedWorld world(GetParam().denial, *GetParam().key, zone_of_every_routed_type(), topology);
  for (const routing::SiteMask up : {kFraBit | kIadBit | kSinBit, kFraBit, kIadBit, kSinBit, 0UL}) {
    world.snapshot.sites.up = up;
    for (const Question& kind : kRoutedKinds) {
      const Heard heard = ask_signed(world, kind.name, kind.type);
      EXPECT_EQ(fault_of(world, heard, kind.name, kind.type), "")
          << kind.name << " " << kind.type << " with " << up;
    }
  }
}

TEST_P(SignedAnswer, OfEverySetOfSitesIsBelieved) {
  for (const unsigned count : {2U, 3U}) {
    routing::Topology topology = every_routed_type();
    for (auto& service : topology.services) {
      if (service.answer == routing::AnswerWith::addresses) service.count = count;
      service.min_gain = Micros(90'000);
      service.weights.assign(service.sites.size(), 1);
    }
    SignedWorld world(GetParam().denial, *GetParam().key, zone_of_every_routed_type(), topology);
    for (routing::SiteMask up = 0; up < 8; ++up) {
      world.snapshot.sites.up = up;
      for (int i = 0; i < 8; ++i) {  // networks, each with an order of its own
        const Prefix subnet(Address::v4(10, 9, static_cast<std::uint8_t>(i), 0), 24);
        for (const Question& kind : kRoutedKinds) {
          Question question = kind;
          question.subnet = subnet;
          question.wants_dnssec = true;
          const Heard heard = ask(world.snapshot, question);
          ASSERT_EQ(fault_of(world, heard, kind.name, kind.type), "")
              << kind.name << " " << kind.type << " with " << up;
        }
      }
    }
  }
}

TEST_P(SignedAnswer, BitMapsNameEveryRoutedTypeOfAName) {  // RFC 8198
  const SignedWorld world(GetParam().denial, *GetParam().key, zone_of_every_routed_type(),
                          every_routed_type());
  const auto denial_of = [&](const char* name) {
    std::string lines;
    for (const std::string& line : ask_signed(world, name, "MX").authority) lines += line + "\n";
    return lines;
  };
  EXPECT_THAT(denial_of("app.example.com"), ContainsRegex(" A AAAA RRSIG (NSEC )?(TYPE64|SVCB) "
                                                          "(TYPE65|HTTPS)"));
  SignedWorld withheld(GetParam().denial, *GetParam().key, zone_of_every_routed_type(), [] {
    routing::Topology topology = every_routed_type();
    topology.services.back().on_all_down = routing::OnAllDown::nodata;
    return topology;
  }());
  withheld.snapshot.sites.up = 0;
  const Heard heard = ask_signed(withheld, "cdn.example.com", "A");
  EXPECT_THAT(heard.answer, IsEmpty());
  EXPECT_THAT(heard.authority, Not(Contains(ContainsRegex("NSEC.* CNAME"))));
}

TEST_P(SignedAnswer, HasNothingOfDnssecUnlessAsked) {  // RFC 3225 section 3
  const SignedWorld world(GetParam().denial, *GetParam().key);
  Snapshot unsigned_snapshot = world.snapshot;
  unsigned_snapshot.signatures = nullptr;
  for (const Question& kind : kKinds) {
    if (kind.type == "DNSKEY" || kind.type == "CDS" || kind.type == "CDNSKEY") continue;
    EXPECT_EQ(ask(world.snapshot, kind).bytes, ask(unsigned_snapshot, kind).bytes) << kind.name;
  }
}

TEST_P(SignedAnswer, NeverAllocates) {
  const SignedWorld world(GetParam().denial, *GetParam().key);
  std::array<std::uint8_t, 4'096> out{};
  for (Question question : kKinds) {
    question.wants_dnssec = true;
    const auto query = wire(question);
    const std::size_t before = isochrone::testing::allocations();
    answer(world.snapshot, {query, question.sender, question.transport, 0}, out);
    EXPECT_EQ(isochrone::testing::allocations() - before, 0U) << question.name;
  }
}

TEST_P(SignedAnswer, IsTruncatedWhenAProofDoesNotFit) {
  const SignedWorld world(GetParam().denial, *GetParam().key);
  const Heard heard =
      ask(world.snapshot, {.name = "dead.example.com", .payload = 512, .wants_dnssec = true});
  EXPECT_TRUE(heard.reply.is_truncated);
  EXPECT_LE(heard.bytes.size(), 512U);
}

TEST_P(SignedAnswer, OfEverySiteHasItsOwnSignature) {  // RFC 7871 section 9
  const SignedWorld world(GetParam().denial, *GetParam().key);
  std::set<std::string> signatures;
  for (const char* subnet : {"10.9.9.0/24", "10.1.2.0/24", "11.0.0.0/24"}) {
    const Heard heard =
        ask(world.snapshot,
            {.name = "www.example.com", .subnet = prefix(subnet), .wants_dnssec = true});
    EXPECT_EQ(fault_of(world, heard, "www.example.com"), "") << subnet;
    ASSERT_EQ(heard.answer.size(), 2U);
    signatures.insert(heard.answer[1]);
    EXPECT_GT(*heard.scope, 0);
  }
  EXPECT_EQ(signatures.size(), 3U);
}

TEST_P(SignedAnswer, ProvesAFamilyMissingThatOnlyDeadSitesHave) {
  SignedWorld world(GetParam().denial, *GetParam().key);
  world.snapshot.sites.up = kIadBit;
  const Heard heard = ask_signed(world, "www.example.com", "AAAA");
  EXPECT_EQ(fault_of(world, heard, "www.example.com", "AAAA"), "");
  EXPECT_THAT(heard.answer, IsEmpty());
  for (const std::string& line : heard.authority) {
    EXPECT_THAT(line, HasSubstr(" 30 ")) << "no longer than an address would live";
  }
}

TEST_P(SignedAnswer, NamesBothFamiliesInTheBitMapWhateverIsUp) {  // RFC 8198
  SignedWorld world(GetParam().denial, *GetParam().key);
  for (const routing::SiteMask up : {routing::kAllSites, kIadBit}) {
    world.snapshot.sites.up = up;
    const Heard heard = ask_signed(world, "www.example.com", "MX");
    EXPECT_THAT(heard.authority, Contains(HasSubstr(" A TXT AAAA RRSIG")));
  }
}

TEST_P(SignedAnswer, BoundsQueriesForSignatures) {  // RFC 8482 section 7
  const SignedWorld world(GetParam().denial, *GetParam().key);
  for (const char* name :
       {"example.com", "mail.example.com", "www.example.com", "v4.example.com"}) {
    const Heard heard = ask_signed(world, name, "RRSIG");
    EXPECT_EQ(heard.answer.size(), 1U) << name;
    EXPECT_THAT(heard.answer, Each(HasSubstr(" RRSIG ")));
  }
  EXPECT_LE(ask_signed(world, "example.com", "ANY").answer.size(), 3U);
}

TEST(Validator, SeesWhatIsWrong) {
  const SignedWorld world;
  Heard heard = ask(world.snapshot, {.name = "mail.example.com", .payload = 1'232});
  EXPECT_THAT(fault_of(world, heard, "mail.example.com"), HasSubstr("is not signed"));
  heard = ask_signed(world, "mail.example.com");
  heard.bytes[12 + 18 + 4 + 15] ^= 1;  // the address
  EXPECT_THAT(fault_of(world, heard, "mail.example.com"), HasSubstr("Bogus"));
  heard = ask_signed(world, "nothing.example.com");
  EXPECT_THAT(fault_of(world, heard, "elsewhere.example.com"), HasSubstr("denial"));
}

// RFC 9824.
class Compact : public ::testing::TestWithParam<const KeyFiles*> {
 protected:
  SignedWorld world{Denial::compact, *GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Compact, Compact, ::testing::Values(&kEcdsaKey, &kEd25519Key));

TEST_P(Compact, IsBelievedByAValidator) {
  for (const Question& kind : kKinds) {
    const Heard heard = ask_online(world, kind);
    EXPECT_EQ(fault_of(world, heard, kind.name, kind.type), "") << kind.name << " " << kind.type;
  }
}

TEST_P(Compact, SaysThatAMissingNameHasNothing) {
  const Heard heard = ask_online(world, {.name = "Nothing.example.com"});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_EQ(heard.authority.size(), 4U);
  EXPECT_THAT(heard.authority, Contains("Nothing.example.com. 300 NSEC "
                                        "\\000.nothing.example.com. RRSIG NSEC TYPE128"));
  // Those who know both may have the code; those who want no proof get what they always got.
  EXPECT_EQ(ask(world.snapshot, {.name = "nothing.example.com"}).rcode, "NXDOMAIN");
}

TEST_P(Compact, TellsEmptyNonTerminalsFromMissingNames) {
  const Heard heard = ask_online(world, {.name = "b.deep.example.com"});
  EXPECT_THAT(heard.authority, Contains("b.deep.example.com. 300 NSEC "
                                        "\\000.b.deep.example.com. RRSIG NSEC"));
  EXPECT_FALSE(heard.reply.unsigned_denial) << "what exists is signed ahead";
}

TEST_P(Compact, DeniesATypeWhereAWildcardStands) {
  const Heard heard = ask_online(world, {.name = "x.wild.example.com", .type = "TXT"});
  EXPECT_THAT(heard.authority, Contains("x.wild.example.com. 300 NSEC "
                                        "\\000.x.wild.example.com. A MX RRSIG NSEC"));
  EXPECT_TRUE(heard.reply.unsigned_denial.has_value());
}

TEST_P(Compact, FallsBackToTheChainWithoutASignatureToSpend) {
  const Heard heard = ask_signed(world, "nothing.example.com");
  EXPECT_EQ(heard.rcode, "NXDOMAIN");
  EXPECT_TRUE(heard.reply.lacked_signature);
  EXPECT_EQ(fault_of(world, heard, "nothing.example.com"), "");
}

TEST_P(Compact, LeavesNamesTooLongToTheChain) {
  std::string name;
  while (name.size() + 64 + 12 < 253) name += std::string(62, 'x') + ".";
  name += std::string(253 - name.size() - 12, 'y') + ".example.com";
  const Heard heard = ask_online(world, {.name = name, .transport = Transport::tcp});
  EXPECT_EQ(heard.rcode, "NXDOMAIN");
  EXPECT_EQ(fault_of(world, heard, name), "");
}

TEST_P(Compact, ProvesAFamilyMissingThatOnlyDeadSitesHave) {
  world.snapshot.sites.up = kIadBit;
  const Heard heard = ask_online(world, {.name = "www.example.com", .type = "AAAA"});
  EXPECT_EQ(fault_of(world, heard, "www.example.com", "AAAA"), "");
  EXPECT_THAT(heard.authority, Contains("www.example.com. 30 NSEC \\000.www.example.com. "
                                        "A TXT RRSIG NSEC"));
}

TEST(Signed, TheMetaTypeOfMissingNamesIsNoQuestion) {  // RFC 9824 section 3.5
  const SignedWorld world;
  EXPECT_EQ(ask_signed(world, "example.com", "TYPE128").rcode, "FORMERR");
}

TEST(Signed, AnswersAreSignedOverTheirOwnTtl) {
  const SignedWorld world;
  const Heard heard = ask_signed(world, "www.example.com");
  ASSERT_EQ(heard.answer.size(), 2U);
  EXPECT_THAT(heard.answer[1], StartsWith("www.example.com. 30 RRSIG A 13 3 30 "));
}

TEST(Signed, DenialsLiveAsLongAsTheirSoa) {  // RFC 9077
  const SignedWorld world;
  const Heard heard = ask_signed(world, "nothing.example.com");
  for (const std::string& line : heard.authority) EXPECT_THAT(line, HasSubstr(" 300 "));
  EXPECT_THAT(heard.authority, Contains(HasSubstr(" RRSIG SOA 13 2 7200 ")))
      << "the signature is over the SOA's own TTL";
}

// RFC 6672 section 5.3.1: the CNAME that was made for the question has no signature of its own.
TEST_P(SignedAnswer, ProvesWhatADnameLeadsTo) {
  const SignedWorld world(GetParam().denial, *GetParam().key,
                          example_zone() + "moved DNAME wild\nhidden.moved A 192.0.2.1\n");
  const Heard heard = ask_online(world, {.name = "exists.moved.example.com", .type = "TXT"});
  EXPECT_THAT(heard.answer, Contains(StartsWith("moved.example.com. 3600 RRSIG DNAME ")));
  EXPECT_THAT(heard.answer, Contains(StartsWith("exists.wild.example.com. 3600 RRSIG TXT ")));
  EXPECT_THAT(heard.answer, Contains(HasSubstr(" RRSIG CNAME ")).Times(0));
  const Heard at = ask_online(world, {.name = "moved.example.com", .type = "MX"});
  EXPECT_EQ(fault_of(world, at, "moved.example.com", "MX"), "");
  EXPECT_THAT(at.authority, Contains(HasSubstr(" DNAME RRSIG")));
}

TEST(Signed, ReferralsCarryTheDsOrProveThereIsNone) {
  const SignedWorld world;
  const Heard secure = ask_signed(world, "host.child.example.com");
  EXPECT_THAT(secure.authority, Contains(StartsWith("child.example.com. 3600 DS 1 13 2 ")));
  EXPECT_THAT(secure.additional, Contains("ns1.child.example.com. 3600 A 192.0.2.61"));
  const Heard insecure = ask_signed(world, "host.sibling.example.com");
  EXPECT_THAT(insecure.authority,
              Contains("sibling.example.com. 300 NSEC *.star.example.com. NS RRSIG NSEC").Times(0));
  EXPECT_THAT(insecure.authority, Contains(HasSubstr(" NS RRSIG NSEC")));
  EXPECT_THAT(insecure.additional, Each(Not(HasSubstr("RRSIG"))));
}

TEST(Signed, OtherZonesStayUnsigned) {
  const SignedWorld world;
  EXPECT_THAT(ask_signed(world, "a.example.net").answer,
              ElementsAre("a.example.net. 600 A 192.0.2.77"));
  // An alias out of the signed zone carries the signature of what is signed.
  const Heard heard = ask_signed(world, "over.example.com");
  EXPECT_THAT(heard.answer, Contains(HasSubstr(" RRSIG CNAME ")).Times(1));
}

TEST(Signed, TheNsecOfANameIsThereToBeAskedFor) {
  const SignedWorld world;
  const Heard heard = ask_signed(world, "mail.example.com", "NSEC");
  EXPECT_EQ(fault_of(world, heard, "mail.example.com", "NSEC"), "");
  EXPECT_THAT(heard.answer, Contains(HasSubstr(" A TXT RRSIG NSEC")));
  const SignedWorld hashed(Denial::nsec3);
  EXPECT_THAT(ask_signed(hashed, "mail.example.com", "NSEC").answer, IsEmpty());
  EXPECT_THAT(ask_signed(hashed, "example.com", "NSEC3PARAM").answer,
              Contains("example.com. 3600 NSEC3PARAM 1 0 0 -"));  // RFC 9276
}

TEST(Signed, ZonesThatBringWhatIsMadeHereAreRefused) {
  SignedWorld world;
  const std::string zone = example_zone() + "@ CDNSKEY 0 3 0 AA==\n";
  const Snapshot other = snapshot_of({}, {{"example.com", zone}}, three_sites());
  const auto made = SignedZones::sign(other.zones, {{"example.com", world.policy}}, kNow, nullptr);
  ASSERT_EQ(made.errors.size(), 1U);
  EXPECT_THAT(made.errors[0].text(), HasSubstr("record of type 60 at the apex; remove it"));
}

TEST(Resigning, KeepsWhatLastsAndMakesWhatFallsDue) {
  SignedWorld world;
  const std::size_t all = world.signatures().signatures_made();
  const auto again = world.sign_again(kNow + Seconds(60));
  const Signatures& kept = *again.zones->of(&world.zone());
  EXPECT_EQ(kept.signatures_made(), 0U);
  EXPECT_EQ(kept.signatures_kept(), all);
  // When the first falls due, the others do not all.
  const auto due = world.sign_again(*again.zones->next_change() + Seconds(1));
  const Signatures& first = *due.zones->of(&world.zone());
  EXPECT_GE(first.signatures_made(), 1U);
  EXPECT_LT(first.signatures_made(), all / 2);
  // After the policy's lifetime every one is new.
  const auto late = world.sign_again(kNow + world.policy.lifetime);
  EXPECT_EQ(late.zones->of(&world.zone())->signatures_kept(), 0U);
}

TEST(Resigning, LeavesNoSignatureWithLessThanTheRefreshTime) {
  SignedWorld world;
  const Instant soonest = world.signatures().earliest_expiration();
  EXPECT_GE(soonest, kNow + world.policy.refresh);
  EXPECT_LE(soonest, kNow + world.policy.lifetime);
  for (int day = 1; day < 30; ++day) {
    const Instant now = kNow + Seconds(86'400) * day;
    world.snapshot.signatures = world.sign_again(now).zones;
    EXPECT_GE(world.signatures().earliest_expiration(), now + world.policy.refresh) << day;
  }
}

TEST(Resigning, TakesOverUnchangedSetsOfAChangedZone) {
  SignedWorld world;
  const std::size_t all = world.signatures().signatures_made();
  const Snapshot changed =
      snapshot_of({}, {{"example.com", example_zone() + "aa A 192.0.2.200\n"}}, three_sites());
  const auto made = SignedZones::sign(changed.zones, {{"example.com", world.policy}}, kNow,
                                      world.snapshot.signatures.get());
  const Signatures& signatures = *made.zones->of(&changed.zones->zones().front());
  EXPECT_LE(signatures.signatures_made(), 3U) << "the new set, its NSEC and the one before";
  EXPECT_GE(signatures.signatures_kept(), all - 1);
}

// The zone at some time of a rollover: tags of DNSKEY, of the signers of DNSKEY, of SOA, and of CDS.
struct Rolled {
  std::vector<int> keys, key_signers, signers, cds;
};

int tag_at(const std::string& line, int field) {
  std::istringstream words(line);
  std::string word;
  for (int i = 0; i <= field; ++i) words >> word;
  return std::stoi(word);
}

Rolled roll_state(SignedWorld& world, Instant now) {
  world.snapshot.signatures = world.sign_again(now).zones;
  Rolled state;
  const auto keys = KeyStore(world.policy.keys).load(world.zone().origin()).value();
  const Heard dnskey = ask_signed(world, "example.com", "DNSKEY");
  for (const SigningKey& key : keys) {
    const bool is_there = std::any_of(dnskey.answer.begin(), dnskey.answer.end(), [&](auto& line) {
      return line.find("id = " + std::to_string(key.tag())) != std::string::npos &&
             line.find(" DNSKEY 257") != std::string::npos;
    });
    if (is_there) state.keys.push_back(key.tag());
  }
  const auto signers = [](const std::vector<std::string>& lines) {
    std::vector<int> tags;
    for (const std::string& line : lines) {
      if (line.find(" RRSIG ") != std::string::npos) tags.push_back(tag_at(line, 9));
    }
    return tags;
  };
  state.key_signers = signers(dnskey.answer);
  state.signers = signers(ask_signed(world, "example.com", "SOA").answer);
  for (const std::string& line : ask_signed(world, "example.com", "CDS").answer) {
    if (line.find(" CDS ") != std::string::npos && line.find("RRSIG") == std::string::npos) {
      state.cds.push_back(tag_at(line, 3));
    }
  }
  return state;
}

TEST(Rollover, PublishesFirstThenSignsThenLetsTheOldGo) {
  SignedWorld world;
  const KeyStore store(world.policy.keys);
  const auto origin = *name_from_text("example.com");
  KeyTimes times;
  times.publish = kNow + Seconds(100);
  times.activate = kNow + Seconds(200);
  const auto fresh = SigningKey::generate(origin, KeyAlgorithm::ecdsap256sha256, times).value();
  KeyTimes old_times;
  old_times.publish = old_times.activate = kNow - Seconds(1);
  old_times.inactive = times.activate;
  old_times.remove = kNow + Seconds(300);
  const auto old = store.load(origin)->front().with_times(old_times);
  ASSERT_TRUE(store.save(fresh).has_value());
  ASSERT_TRUE(store.save(old).has_value());
  const int a = old.tag();
  const int b = fresh.tag();
  using ::testing::UnorderedElementsAre;
  Rolled state = roll_state(world, kNow);
  EXPECT_THAT(state.keys, ElementsAre(a));
  state = roll_state(world, kNow + Seconds(100));
  EXPECT_THAT(state.keys, UnorderedElementsAre(a, b));
  EXPECT_THAT(state.signers, ElementsAre(a));
  EXPECT_THAT(state.key_signers, ElementsAre(a));
  EXPECT_THAT(state.cds, ElementsAre(a));
  state = roll_state(world, kNow + Seconds(200));
  EXPECT_THAT(state.keys, UnorderedElementsAre(a, b));
  EXPECT_THAT(state.signers, ElementsAre(b));
  // The parent's DS may be that of either.
  EXPECT_THAT(state.key_signers, UnorderedElementsAre(a, b));
  EXPECT_THAT(state.cds, ElementsAre(b));
  state = roll_state(world, kNow + Seconds(300));
  EXPECT_THAT(state.keys, ElementsAre(b));
  EXPECT_THAT(state.key_signers, ElementsAre(b));
}

TEST(Rollover, WakesWhenAKeyChangesItsState) {
  SignedWorld world;
  KeyTimes times;
  times.publish = kNow + Seconds(100);
  const auto fresh =
      SigningKey::generate(*name_from_text("example.com"), KeyAlgorithm::ecdsap256sha256, times);
  ASSERT_TRUE(KeyStore(world.policy.keys).save(*fresh).has_value());
  EXPECT_EQ(world.sign_again(kNow).zones->next_change(), kNow + Seconds(100));
}

}  // namespace
}  // namespace isochrone::dns::testing
