// SPDX-License-Identifier: Apache-2.0
//
// HTTPS, SVCB and CNAME records that routing decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "dns/zone_walk.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const char* const kApp = "app.example.com";
const char* const kCdn = "cdn.example.com";
const char* const kAtFra = "10.9.9.0/24";
const char* const kAtIad = "10.1.2.0/24";
const char* const kAtSin = "11.0.0.0/24";

Snapshot world_with(const routing::Topology& topology) {
  return snapshot_of(static_map(),
                     {{"example.com", zone_of_every_routed_type()}, {"example.net", other_zone()}},
                     topology);
}
Snapshot routed_types() { return world_with(every_routed_type()); }

Heard ask_from(const Snapshot& snapshot, const char* name, const char* type, const char* subnet) {
  return ask(snapshot, {.name = name, .type = type, .subnet = prefix(subnet)});
}

// The data of the only answer, as it is on the wire.
std::string answered_data(const Heard& heard) {
  EXPECT_EQ(heard.answer.size(), 1U);
  // Header, question, then owner, type, class and TTL before the length.
  ByteReader in(Bytes(heard.bytes).subspan(12));
  while (const std::uint8_t label = in.u8()) in.skip(label);
  in.skip(4 + 10);
  return to_hex(in.take(in.u16()));
}

TEST(RoutedTypes, AFenceWithoutTheTypeHasNoDataForItsBlockAlone) {
  routing::Topology topology = every_routed_type();
  std::erase_if(topology.sites[kFra.index()].addresses,
                [](const Address& a) { return !a.is_v4(); });
  routing::Service& www = topology.services[0];
  const routing::Fence fence{routing::site_bit(kIad) | routing::site_bit(kSin),
                             routing::Fence::Kind::never_in,
                             {{{prefix(kAtIad), true}}}};
  www.terms = routing::Terms::of(routing::sites_of(www), {fence}, {});
  const Snapshot snapshot = world_with(topology);
  const char* const name = "www.example.com";
  EXPECT_EQ(ask_from(snapshot, name, "A", kAtIad).answer.size(), 1U);
  const Heard none = ask_from(snapshot, name, "AAAA", kAtIad);
  EXPECT_EQ(none.rcode, "NOERROR");
  EXPECT_THAT(none.answer, IsEmpty());
  EXPECT_EQ(none.scope, 24);
  EXPECT_EQ(ask_from(snapshot, name, "AAAA", kAtSin).answer.size(), 1U);
}

TEST(RoutedTypes, HttpsRecordsHintAtTheAddressesOfTheChosenSite) {  // RFC 9460 section 2.2
  const Snapshot snapshot = routed_types();
  // Priority 1, target ".", alpn h3 h2, no-default-alpn, port 8443, hints of both families.
  EXPECT_EQ(answered_data(ask_from(snapshot, kApp, "TYPE65", kAtFra)),
            "0001"
            "00"
            "00010006"
            "026833026832"
            "00020000"
            "0003000220fb"
            "00040004"
            "c0000201"
            "00060010"
            "20010db8000100000000000000000001");
  EXPECT_EQ(answered_data(ask_from(snapshot, kApp, "TYPE65", kAtIad)),
            "0001"
            "00"
            "00010006"
            "026833026832"
            "00020000"
            "0003000220fb"
            "00040004"
            "c0000202");
}

TEST(RoutedTypes, SvcbRecordsSayTheirOwn) {  // RFC 9461
  EXPECT_EQ(answered_data(ask_from(routed_types(), kApp, "TYPE64", kAtIad)),
            "0001"
            "00"
            "00010004"
            "03646f74"
            "00040004"
            "c0000202"
            "00070010"
            "2f646e732d71756572797b3f646e737d");
}

TEST(RoutedTypes, HintsAndAddressesNameOneSiteForOneScope) {
  const Snapshot snapshot = routed_types();
  for (const char* type : {"A", "TYPE65", "TYPE64"}) {
    const Heard heard = ask_from(snapshot, kApp, type, kAtIad);
    EXPECT_EQ(heard.reply.choice.site, kIad) << type;
    EXPECT_EQ(heard.scope, 24) << type;
  }
}

TEST(RoutedTypes, ANameWithoutABindingKeepsTheRecordsOfItsZone) {
  const std::string zone =
      zone_of_every_routed_type() + "www TYPE65 \\# 3 000100\n" + "app TYPE65 \\# 3 000200\n";
  const auto loaded = ZoneSet::parse({{"example.com", zone}}, every_routed_type());
  ASSERT_TRUE(loaded.zones);
  EXPECT_THAT(loaded.warnings, ElementsAre(HasSubstr("service bindings at a service's name")));
  const Snapshot snapshot = snapshot_of(static_map(), {{"example.com", zone}}, every_routed_type());
  EXPECT_EQ(answered_data(ask_from(snapshot, "www.example.com", "TYPE65", kAtIad)), "000100");
  EXPECT_EQ(answered_data(ask_from(snapshot, kApp, "TYPE65", kAtIad)).substr(0, 4), "0001");
}

TEST(RoutedTypes, AnAliasLeadsToTheNameOfTheSiteAndOnIntoOurZones) {
  const Snapshot snapshot = routed_types();
  const std::string to_fra = "cdn.example.com. 30 CNAME fra.sites.example.com.";
  const Heard fra = ask_from(snapshot, kCdn, "A", kAtFra);
  EXPECT_THAT(fra.answer, ElementsAre(to_fra, "fra.sites.example.com. 3600 A 192.0.2.11"));
  EXPECT_EQ(fra.scope, 13);
  EXPECT_THAT(ask_from(snapshot, kCdn, "TXT", kAtFra).answer,
              ElementsAre(to_fra, "fra.sites.example.com. 3600 TXT \"frankfurt\""));
  EXPECT_THAT(ask_from(snapshot, kCdn, "A", kAtIad).answer,
              ElementsAre("cdn.example.com. 30 CNAME iad.example.org."));
  EXPECT_THAT(ask_from(snapshot, "to-cdn.example.com", "A", kAtSin).answer,
              ElementsAre("to-cdn.example.com. 3600 CNAME cdn.example.com.",
                          "cdn.example.com. 30 CNAME sin.sites.example.com.",
                          "sin.sites.example.com. 3600 CNAME mail.example.com.",
                          "mail.example.com. 3600 A 192.0.2.25"));
}

TEST(RoutedTypes, AskedForItselfAnAliasIsNotFollowed) {
  const Snapshot snapshot = routed_types();
  for (const char* type : {"CNAME", "ANY"}) {
    EXPECT_THAT(ask_from(snapshot, kCdn, type, kAtFra).answer,
                ElementsAre("cdn.example.com. 30 CNAME fra.sites.example.com."));
  }
}

TEST(RoutedTypes, ADenialBehindAnAliasKeepsTheScopeOfTheAlias) {
  const Heard heard = ask_from(routed_types(), kCdn, "MX", kAtFra);
  EXPECT_EQ(heard.answer.size(), 1U);
  EXPECT_THAT(heard.authority, ElementsAre("example.com. 300 SOA ns1.example.com."));
  EXPECT_EQ(heard.scope, 13);
}

TEST(RoutedTypes, AnAliasThatLeadsBackEndsThere) {
  routing::Topology topology = every_routed_type();
  topology.sites[kFra.index()].host_name = "to-cdn.example.com";
  EXPECT_THAT(ask_from(world_with(topology), kCdn, "A", kAtFra).answer,
              ElementsAre("cdn.example.com. 30 CNAME to-cdn.example.com.",
                          "to-cdn.example.com. 3600 CNAME cdn.example.com."));
}

TEST(RoutedTypes, NeverLeadToADeadSite) {
  Snapshot snapshot = routed_types();
  snapshot.sites.up = ~kFraBit;
  EXPECT_THAT(ask_from(snapshot, kCdn, "CNAME", kAtFra).answer,
              ElementsAre("cdn.example.com. 30 CNAME iad.example.org."));
  EXPECT_EQ(ask_from(snapshot, kApp, "TYPE65", kAtFra).reply.choice.site, kIad);
}

TEST(RoutedTypes, AreWithheldWhenAllAreDownAndTheServiceWantsNoneNamed) {
  routing::Topology topology = every_routed_type();
  for (auto& service : topology.services) service.on_all_down = routing::OnAllDown::nodata;
  Snapshot snapshot = world_with(topology);
  snapshot.sites.up = 0;
  for (const auto& [name, type] : {std::pair{kCdn, "A"}, {kCdn, "CNAME"}, {kApp, "TYPE65"}}) {
    const Heard heard = ask_from(snapshot, name, type, kAtFra);
    EXPECT_EQ(heard.rcode, "NOERROR") << name;
    EXPECT_THAT(heard.answer, IsEmpty()) << name;
    EXPECT_THAT(heard.authority, ElementsAre("example.com. 30 SOA ns1.example.com.")) << name;
  }
}

TEST(RoutedTypes, NothingCanStandBesideAnAlias) {
  const auto loaded = ZoneSet::parse(
      {{"example.com", "@ SOA ns host 1 2 3 4 5\n NS ns.example.net.\ncdn TXT \"x\"\n"}},
      every_routed_type());
  ASSERT_EQ(loaded.errors.size(), 1U);
  EXPECT_THAT(loaded.errors[0].text(),
              HasSubstr(":3: service cdn.example.com is an alias (services[].answer: cname)"));
}

TEST(RoutedTypes, AreTransferredAsTheirOrderOfLastResort) {
  const routing::Topology topology = every_routed_type();
  const auto zones = zones_of({{"example.com", zone_of_every_routed_type()}}, topology);
  ZoneWalk walk({*zones, topology, zones->zones().front()});
  std::vector<std::string> seen;
  for (ZoneRecord record; walk.next(record);) {
    const std::string owner = name_to_text(record.owner);
    if (owner != kCdn && owner != kApp) continue;
    seen.push_back(owner + " " + std::to_string(record.type) + " " + to_hex(record.data));
  }
  // The first of each service's sites is sin.
  EXPECT_THAT(seen, Contains("app.example.com 1 c0000263"));
  EXPECT_THAT(seen, Contains(HasSubstr("app.example.com 65 000100")));
  EXPECT_THAT(seen, Contains(HasSubstr("app.example.com 64 000100")));
  EXPECT_THAT(seen, Contains("cdn.example.com 5 0373696e057369746573076578616d706c6503636f6d00"));
  EXPECT_EQ(seen.size(), 5U);
}

TEST(RoutedTypes, AreAnsweredWithoutAllocating) {
  const Snapshot snapshot = routed_types();
  std::array<std::uint8_t, 4'096> out{};
  for (const auto& [name, type] : {std::pair{kCdn, "A"}, {kCdn, "CNAME"}, {kApp, "TYPE65"}}) {
    const auto query = wire({.name = name, .type = type, .subnet = prefix(kAtFra)});
    const std::size_t before = isochrone::testing::allocations();
    answer(snapshot, {query, Address::v4(198, 51, 100, 53), Transport::udp}, out);
    EXPECT_EQ(isochrone::testing::allocations() - before, 0U) << name;
  }
}

}  // namespace
}  // namespace isochrone::dns::testing
