// SPDX-License-Identifier: Apache-2.0
//
// Answers that name several sites, or share clients by weight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/random.h"
#include "dns/site_sets.h"
#include "dns/zone_walk.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const char* const kWww = "www.example.com";
const std::string kFraLine = "www.example.com. 30 A 192.0.2.1";
const std::string kIadLine = "www.example.com. 30 A 192.0.2.2";
const std::string kSinLine = "www.example.com. 30 A 192.0.2.99";

// three_sites(), where www.example.com names so many.
routing::Topology naming(unsigned count) {
  routing::Topology topology = three_sites();
  topology.services[0].count = count;
  topology.services[0].https = routing::Binding{{"h2"}, true, {}, {}};
  return topology;
}
Snapshot world_of(const routing::Topology& topology) {
  return snapshot_of(static_map(), {{"example.com", example_zone()}, {"example.net", other_zone()}},
                     topology);
}

// The two that are 45 ms behind the best are equally good, and keep the service's order.
TEST(AnswerSet, NamesTheBestSitesTheBestFirst) {
  const Snapshot snapshot = world_of(naming(2));
  EXPECT_THAT(ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")}).answer,
              ElementsAre(kFraLine, kSinLine));
  EXPECT_THAT(ask(snapshot, {.name = kWww, .subnet = prefix("10.1.2.0/24")}).answer,
              ElementsAre(kIadLine, kSinLine));
  EXPECT_THAT(ask(snapshot, {.name = kWww}).answer, ElementsAre(kSinLine, kFraLine));
  EXPECT_THAT(ask(snapshot, {.name = kWww, .type = "TYPE65"}).answer, SizeIs(2));
  EXPECT_THAT(ask(snapshot, {.name = kWww, .type = "AAAA", .subnet = prefix("10.1.2.0/24")}).answer,
              ElementsAre("www.example.com. 30 AAAA 2001:db8:3::1",
                          "www.example.com. 30 AAAA 2001:db8:1::1"));
  EXPECT_THAT(ask(snapshot, {.name = "over.example.com"}).answer, SizeIs(4)) << "behind aliases";
}

TEST(AnswerSet, LeavesOutWhoIsDown) {
  Snapshot snapshot = world_of(naming(2));
  snapshot.sites.up = ~kSinBit;
  EXPECT_THAT(ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")}).answer,
              ElementsAre(kFraLine, kIadLine));
  snapshot.sites.up = kSinBit;
  EXPECT_THAT(ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")}).answer,
              ElementsAre(kSinLine));
}

TEST(AnswerSet, WithASpreadNamesOnlyWhoIsNearAndOthersBesides) {
  routing::Topology topology = naming(3);
  topology.services[0].spread = Micros(10'000);  // the second best is 45 ms behind
  EXPECT_THAT(ask(world_of(topology), {.name = kWww, .subnet = prefix("10.9.9.0/24")}).answer,
              ElementsAre(kFraLine));
  topology.services[0].others = 1;
  EXPECT_THAT(ask(world_of(topology), {.name = kWww, .subnet = prefix("10.9.9.0/24")}).answer,
              ElementsAre(kFraLine, kSinLine));
}

TEST(AnswerSet, IsThereAsAWholeOrTruncated) {  // RFC 2181 section 9
  routing::Topology topology = naming(3);
  for (auto& site : topology.sites) {
    for (int i = 0; i < 12; ++i) {
      site.addresses.push_back(Address::v4(198, 51,
                                           static_cast<std::uint8_t>(&site - topology.sites.data()),
                                           static_cast<std::uint8_t>(i)));
    }
  }
  const Snapshot snapshot = world_of(topology);
  const Heard cut = ask(snapshot, {.name = kWww});
  EXPECT_TRUE(cut.reply.is_truncated);
  EXPECT_THAT(cut.answer, IsEmpty());
  EXPECT_THAT(ask(snapshot, {.name = kWww, .payload = 1232}).answer, SizeIs(39));
}

TEST(AnswerSet, IsTransferredAsTheOrderOfLastResortNamesIt) {
  const routing::Topology topology = naming(2);
  const auto zones = zones_of({{"example.com", example_zone()}}, topology);
  ZoneWalk walk({*zones, topology, zones->zones().front()});
  std::vector<std::string> seen;
  for (ZoneRecord record; walk.next(record);) {
    const bool is_routed = record.type == 1 || record.type == 28 || record.type == 65;
    if (name_to_text(record.owner) != kWww || !is_routed) continue;
    seen.push_back(std::to_string(record.type) + " " + to_hex(record.data).substr(0, 16));
  }
  EXPECT_THAT(seen,
              ElementsAre("1 c0000263", "1 c0000201", "28 20010db800030000", "28 20010db800010000",
                          "65 0001000001000302", "65 0002000001000302"));
}

// The octets of all answers' records: priority, target ".", alpn h2, hints.
std::vector<std::string> bindings_in(const Heard& heard) {
  std::vector<std::string> records;
  ByteReader in(Bytes(heard.bytes).subspan(6));
  const std::size_t answers = in.u16();
  in.skip(4);
  while (const std::uint8_t label = in.u8()) in.skip(label);
  in.skip(4);
  while (records.size() < answers) {
    in.skip(kRecordHead - 2);
    records.push_back(to_hex(in.take(in.u16())));
  }
  return records;
}

TEST(AnswerSet, BindingsHaveThePriorityOfTheirSiteInTheRanking) {  // RFC 9460 section 2.4.1
  const std::string fra =
      "0000010003026832"
      "00040004c0000201"
      "0006001020010db8000100000000000000000001";
  const std::string iad =
      "0000010003026832"
      "00040004c0000202";
  const std::string sin =
      "0000010003026832"
      "00040004c0000263"
      "0006001020010db8000300000000000000000001";
  Snapshot snapshot = world_of(naming(3));
  const auto from = [&](const char* subnet) {
    return bindings_in(ask(snapshot, {.name = kWww, .type = "TYPE65", .subnet = prefix(subnet)}));
  };
  EXPECT_THAT(from("10.9.9.0/24"), ElementsAre("0001" + fra, "0002" + sin, "0003" + iad));
  EXPECT_THAT(from("10.1.2.0/24"), ElementsAre("0001" + iad, "0002" + sin, "0003" + fra));
  snapshot.sites.up = ~kFraBit;
  EXPECT_THAT(from("10.9.9.0/24"), ElementsAre("0001" + sin, "0002" + iad))
      << "the best that is up";
  EXPECT_EQ(
      snapshot.zones->routed().get(routing::ServiceId(0), RoutedType::https, kSin).first_data()[1],
      1)
      << "what all answers copy stays as it is";
}

TEST(AnswerSet, LeavesAliasesAmongBindingsAlone) {  // RFC 9460 section 2.4.2
  const std::string zone = example_zone() + "lead HTTPS 0 www\nboth HTTPS 2 one\n HTTPS 1 two\n";
  const Snapshot snapshot = snapshot_of(static_map(), {{"example.com", zone}}, naming(3));
  EXPECT_THAT(bindings_in(ask(snapshot, {.name = "lead.example.com", .type = "TYPE65"})),
              ElementsAre("0000" + to_hex(*name_from_text(kWww))));
  EXPECT_THAT(bindings_in(ask(snapshot, {.name = "both.example.com", .type = "TYPE65"})),
              ::testing::UnorderedElementsAre("0002" + to_hex(*name_from_text("one.example.com")),
                                              "0001" + to_hex(*name_from_text("two.example.com"))));
}

routing::Topology sharing() {
  routing::Topology topology = three_sites();
  topology.services[0].weights = {1, 1, 1};
  topology.services[0].min_gain = Micros(50'000);  // whoever is not 50 ms worse is as good
  return topology;
}

TEST(AnswerByWeight, GivesEveryNetworkItsOwnAndSaysSoInTheScope) {
  const Snapshot snapshot = world_of(sharing());
  std::set<std::string> answers;
  for (int i = 0; i < 64; ++i) {
    const auto third = static_cast<std::uint8_t>(i);
    const Heard heard =
        ask(snapshot, {.name = kWww, .subnet = Prefix(Address::v4(10, 9, third, 0), 24)});
    ASSERT_THAT(heard.answer, SizeIs(1));
    answers.insert(heard.answer.front());
    EXPECT_EQ(heard.scope, 24);
    EXPECT_EQ(heard.reply.choice.override, routing::Override::none);
  }
  EXPECT_THAT(answers, ElementsAre(kFraLine, kIadLine, kSinLine));
}

TEST(AnswerByWeight, HasTheWidestScopeAgainWhenOneIsLeft) {
  Snapshot snapshot = world_of(sharing());
  snapshot.sites.up = kIadBit;
  const Heard heard = ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")});
  EXPECT_THAT(heard.answer, ElementsAre(kIadLine));
  EXPECT_EQ(heard.scope, 8);
}

TEST(AnswerByWeight, NamesOneSiteInAllTypesOfAName) {
  routing::Topology topology = sharing();
  topology.services[0].https = routing::Binding{{"h2"}, true, {}, {}};
  topology.sites[kIad.index()].addresses.push_back(address("2001:db8:2::1"));
  const Snapshot snapshot = world_of(topology);
  for (int i = 0; i < 64; ++i) {
    const Prefix subnet(Address::v4(10, 9, static_cast<std::uint8_t>(i), 0), 24);
    const auto site = ask(snapshot, {.name = kWww, .subnet = subnet}).reply.choice.site;
    for (const char* type : {"AAAA", "TYPE65"}) {
      EXPECT_EQ(ask(snapshot, {.name = kWww, .type = type, .subnet = subnet}).reply.choice.site,
                site);
    }
  }
}

TEST(AnswerSet, EveryAddressInsideAScopeGetsTheSameAnswer) {  // RFC 7871 section 7.2.1
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    SCOPED_TRACE(seed);
    Random random(seed);
    routing::Topology topology = sharing();
    topology.services[0].count = 1 + static_cast<unsigned>(random.below(3));
    topology.services[0].min_gain = Micros(static_cast<int>(random.below(90'000)));
    if (random.below(2) == 0) topology.services[0].spread = Micros(45'001);
    NodeState state;
    for (int i = 0; i < 40; ++i) {
      const Address base = Address::from_bits(Family::v4, random() & 0x07ff'ffff'0000'0000, 0);
      prefer(state, Prefix(base, static_cast<int>(8 + random.below(17))).to_string(),
             routing::SiteId(static_cast<std::uint16_t>(random.below(3))));
    }
    Snapshot snapshot = snapshot_of(state, {{"example.com", example_zone()}}, topology);
    for (int i = 0; i < 200; ++i) {
      snapshot.sites.up = random() | (i % 2 == 0 ? routing::kAllSites : 0);
      const Address client = Address::from_bits(Family::v4, random() & 0x07ff'ffff'0000'0000, 0);
      const Heard heard = ask(snapshot, {.name = kWww, .subnet = Prefix(client, 24)});
      ASSERT_TRUE(heard.scope);
      const Prefix block(client, *heard.scope);
      for (int j = 0; j < 10; ++j) {
        const std::uint64_t inside = random() & (~std::uint64_t{0} >> block.length());
        const Address other = Address::from_bits(Family::v4, block.address().high() | inside, 0);
        ASSERT_EQ(ask(snapshot, {.name = kWww, .subnet = Prefix(other, 32)}).answer, heard.answer)
            << block.to_string() << " " << other.to_string();
      }
    }
  }
}

TEST(AnswerSet, IsMadeWithoutAllocating) {
  routing::Topology topology = sharing();
  topology.services[0].count = 3;
  topology.services[0].spread = Micros(50'000);
  const Snapshot snapshot = world_of(topology);
  std::array<std::uint8_t, 4'096> out{};
  const auto query = wire({.name = kWww, .subnet = prefix("10.9.9.0/24")});
  const std::size_t before = isochrone::testing::allocations();
  const Reply reply = answer(snapshot, {query, Address::v4(198, 51, 100, 53), Transport::udp}, out);
  EXPECT_EQ(isochrone::testing::allocations() - before, 0U);
  EXPECT_GT(reply.size, 0U);
}

TEST(SiteSets, EachOrderHasItsOwnNumber) {
  for (const routing::SiteMask among :
       {routing::SiteMask{0}, routing::SiteMask{0b1}, routing::SiteMask{0b1011'0110},
        routing::SiteMask{1} << 63, routing::kAllSites << 57}) {
    const auto sites = static_cast<std::size_t>(std::popcount(among));
    for (std::size_t most = 1; most <= 4; ++most) {
      const auto orders = orders_of(among, most);
      ASSERT_EQ(orders.size(), count_of_orders(sites, most));
      std::set<std::vector<routing::SiteId>> seen;
      for (std::size_t i = 0; i < orders.size(); ++i) {
        ASSERT_EQ(index_of_order(orders[i], among), i);
        ASSERT_TRUE(!orders[i].empty() && orders[i].size() <= most);
        seen.insert(orders[i]);
      }
      ASSERT_EQ(seen.size(), orders.size());
    }
  }
  EXPECT_EQ(count_of_orders(8, 3), 8U + 8 * 7 + 8 * 7 * 6);
  EXPECT_EQ(orders_of(0b1'1111'1110, 8).size(), 109'600U);
}

TEST(SiteSets, EachSetHasItsOwnNumber) {
  for (const routing::SiteMask among :
       {routing::SiteMask{0}, routing::SiteMask{0b1}, routing::SiteMask{0b1011'0110},
        routing::SiteMask{1} << 63, routing::kAllSites << 52}) {
    const auto sites = static_cast<std::size_t>(std::popcount(among));
    for (std::size_t most = 1; most <= 4; ++most) {
      const auto sets = sets_of(among, most);
      ASSERT_EQ(sets.size(), count_of_sets(sites, most));
      for (std::size_t i = 0; i < sets.size(); ++i) {
        ASSERT_EQ(index_of_set(sets[i], among), i);
        ASSERT_EQ(sets[i] & ~among, 0U);
        const auto members = static_cast<std::size_t>(std::popcount(sets[i]));
        ASSERT_TRUE(members >= 1 && members <= most);
      }
    }
  }
  EXPECT_EQ(count_of_sets(8, 3), 8U + 28 + 56);
  EXPECT_EQ(sets_of(routing::kAllSites, 2).size(), 64U + 64 * 63 / 2);
}

}  // namespace
}  // namespace isochrone::dns::testing
