// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "tests/dns/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const char* const kWww = "www.example.com";
const std::string kFraLine = "www.example.com. 30 A 192.0.2.1";
const std::string kIadLine = "www.example.com. 30 A 192.0.2.2";
const std::string kSinLine = "www.example.com. 30 A 192.0.2.99";

TEST(ClientSubnet, GetsTheCorrectAndWidestScope) {  // ANCHORS section 1
  const Snapshot snapshot = world();
  struct Row {
    const char* subnet;
    std::string answer;
    int scope;
    const char* echoed;
  };
  const Row rows[] = {
      {"10.9.9.0/24", kFraLine, 13, "1 24 0a0909"},
      {"10.1.2.0/24", kIadLine, 24, "1 24 0a0102"},
      {"10.1.0.0/16", kFraLine, 23, "1 16 0a01"},
      {"11.0.0.0/24", kSinLine, 8, "1 24 0b0000"},
  };
  for (const Row& row : rows) {
    const Heard heard = ask(snapshot, {.name = kWww, .subnet = prefix(row.subnet)});
    EXPECT_THAT(heard.answer, ElementsAre(row.answer)) << row.subnet;
    EXPECT_EQ(heard.scope, row.scope) << row.subnet;
    EXPECT_EQ(heard.subnet, row.echoed);
    EXPECT_TRUE(heard.reply.used_client_subnet);
  }
}

TEST(ClientSubnet, ScopeOfAnAliasIsThatOfWhereItLeads) {
  const Heard heard = ask(world(), {.name = "over.example.com", .subnet = prefix("10.1.2.0/24")});
  EXPECT_EQ(heard.answer.back(), kIadLine);
  EXPECT_EQ(heard.scope, 24);
}

TEST(ClientSubnet, IsEchoedWithScopeZeroWhereNothingDependsOnIt) {  // RFC 7871 sections 7.4, 12.1
  const Snapshot snapshot = world();
  struct Row {
    const char* name;
    const char* type;
  };
  for (const Row& row :
       {Row{"mail.example.com", "A"}, Row{"nothing.example.com", "A"}, Row{kWww, "MX"},
        Row{"example.com", "SOA"}, Row{"x.child.example.com", "A"}, Row{"www.elsewhere.org", "A"},
        Row{"v4.example.com", "AAAA"}}) {
    const Heard heard =
        ask(snapshot, {.name = row.name, .type = row.type, .subnet = prefix("192.0.2.0/24")});
    EXPECT_EQ(heard.scope, 0) << row.name;
    EXPECT_EQ(heard.subnet, "1 24 c00002");
  }
}

TEST(ClientSubnet, IsNeverSentUnasked) {
  const Snapshot snapshot = world();
  EXPECT_FALSE(ask(snapshot, {.name = kWww}).scope);
  EXPECT_FALSE(ask(snapshot, {.name = kWww, .payload = 1232}).scope);
  Snapshot without = snapshot;
  without.options.edns_client_subnet = false;
  const Heard heard = ask(without, {.name = kWww, .subnet = prefix("10.1.2.0/24")});
  EXPECT_FALSE(heard.scope);
  EXPECT_THAT(heard.answer, ElementsAre(kSinLine));
}

TEST(ClientSubnet, OfNoBitsIsAnsweredForTheResolver) {  // RFC 7871 section 7.5
  const Heard heard =
      ask(world(), {.name = kWww, .subnet = prefix("0.0.0.0/0"), .sender = address("10.1.2.3")});
  EXPECT_THAT(heard.answer, ElementsAre(kIadLine));
  EXPECT_EQ(heard.scope, 0);
  EXPECT_EQ(heard.reply.client, address("10.1.2.3"));
  EXPECT_EQ(heard.reply.client_network, prefix("10.1.2.0/24"));
}

TEST(ClientSubnet, OfAnUnmeasuredPrivateNetworkIsAnsweredForTheResolver) {  // section 10
  const Heard heard = ask(
      world(), {.name = kWww, .subnet = prefix("192.168.7.0/24"), .sender = address("10.1.2.3")});
  EXPECT_THAT(heard.answer, ElementsAre(kIadLine));
  EXPECT_EQ(heard.scope, 0);
  // Demand names the network all the same: where probers may go there, it comes to be measured.
  EXPECT_EQ(heard.reply.client_network, prefix("192.168.7.0/24"));
}

TEST(ClientSubnet, LongerThanOurUnitCountsAsItsNetwork) {
  const Heard heard = ask(world(), {.name = kWww, .subnet = prefix("10.1.2.77/32")});
  EXPECT_EQ(heard.reply.client_network, prefix("10.1.2.0/24"));
  const Heard v6 = ask(world(), {.name = kWww, .subnet = prefix("2001:db8:5:6::/64")});
  EXPECT_EQ(v6.reply.client_network, prefix("2001:db8:5::/48"));
  EXPECT_EQ(v6.subnet, "2 64 20010db800050006");
}

TEST(ClientSubnet, EveryAddressInsideAScopeGetsTheSameAnswer) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    SCOPED_TRACE(seed);
    Random random(seed);
    NodeState state;
    for (int i = 0; i < 40; ++i) {
      const Address base = Address::from_bits(Family::v4, random() & 0x07ff'ffff'0000'0000, 0);
      const auto length = static_cast<int>(8 + random.below(17));
      prefer(state, Prefix(base, length).to_string(),
             routing::SiteId(static_cast<std::uint16_t>(random.below(3))));
    }
    Snapshot snapshot = snapshot_of(state);
    for (int i = 0; i < 200; ++i) {
      const Address client = Address::from_bits(Family::v4, random() & 0x07ff'ffff'0000'0000, 0);
      const Heard heard = ask(snapshot, {.name = kWww, .subnet = Prefix(client, 24)});
      ASSERT_TRUE(heard.scope);
      const Prefix block(client, *heard.scope);
      for (int j = 0; j < 10; ++j) {
        const std::uint64_t inside = random() & (~std::uint64_t{0} >> block.length());
        const Address other = Address::from_bits(Family::v4, block.address().high() | inside, 0);
        const Heard same = ask(snapshot, {.name = kWww, .subnet = Prefix(other, 32)});
        ASSERT_EQ(same.answer, heard.answer) << block.to_string() << " " << other.to_string();
      }
    }
  }
}

TEST(Routed, FollowsTheResolverWithoutClientSubnet) {
  const Heard heard = ask(world(), {.name = kWww, .sender = address("10.1.2.3")});
  EXPECT_THAT(heard.answer, ElementsAre(kIadLine));
  EXPECT_FALSE(heard.reply.used_client_subnet);
  ASSERT_TRUE(heard.reply.service);
  EXPECT_EQ(heard.reply.choice.site, kIad);
}

TEST(Routed, NeverNamesASiteThatIsDown) {
  Snapshot snapshot = world();
  snapshot.sites.up = ~kFraBit;
  const Heard heard = ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")});
  EXPECT_NE(heard.answer, std::vector{kFraLine});
  EXPECT_EQ(heard.reply.choice.override, routing::Override::site_down);
}

TEST(Routed, TakesAllSitesWhenAllAreDown) {
  Snapshot snapshot = world();
  snapshot.sites.up = 0;
  const Heard heard = ask(snapshot, {.name = kWww, .subnet = prefix("10.9.9.0/24")});
  EXPECT_THAT(heard.answer, ElementsAre(kFraLine));
  EXPECT_EQ(heard.reply.choice.override, routing::Override::all_down);
  // The service's own sites count, not all there are.
  snapshot.sites.up = ~kIadBit;
  EXPECT_THAT(ask(snapshot, {.name = "v4.example.com"}).answer,
              ElementsAre("v4.example.com. 20 A 192.0.2.2"));
}

TEST(Routed, TakesTheNextSiteThatHasTheFamily) {
  const Heard heard = ask(world(), {.name = kWww, .type = "AAAA", .subnet = prefix("10.1.2.0/24")});
  ASSERT_EQ(heard.answer.size(), 1U);
  EXPECT_EQ(heard.reply.choice.override, routing::Override::none);
  EXPECT_NE(heard.reply.choice.site, kIad);
  EXPECT_EQ(heard.scope, 24);
}

TEST(Routed, DeniesAFamilyThatNoSiteHas) {
  const Heard heard = ask(world(), {.name = "v4.example.com", .type = "AAAA"});
  EXPECT_EQ(heard.rcode, "NOERROR");
  EXPECT_THAT(heard.answer, IsEmpty());
  EXPECT_THAT(heard.authority, ElementsAre("example.com. 300 SOA ns1.example.com."));
}

TEST(Routed, DeniesAFamilyThatOnlyDeadSitesHaveForNoLongerThanAnAnswerLives) {
  Snapshot snapshot = world();
  snapshot.sites.up = kIadBit;
  const Heard heard = ask(snapshot, {.name = kWww, .type = "AAAA"});
  EXPECT_THAT(heard.answer, IsEmpty());
  EXPECT_THAT(heard.authority, ElementsAre("example.com. 30 SOA ns1.example.com."));
}

TEST(Routed, GivesAllAddressesOfTheSite) {
  routing::Topology topology = three_sites();
  topology.sites[kSin.index()].addresses.push_back(address("192.0.2.98"));
  const Snapshot snapshot = snapshot_of({}, {{"example.com", example_zone()}}, topology);
  EXPECT_THAT(ask(snapshot, {.name = kWww}).answer,
              ElementsAre(kSinLine, "www.example.com. 30 A 192.0.2.98"));
}

TEST(Answer, NeverAllocates) {
  const Snapshot snapshot = world();
  const Question questions[] = {
      {.name = kWww, .subnet = prefix("10.1.2.0/24")},
      {.name = kWww, .type = "AAAA", .subnet = prefix("2001:db8::/48")},
      {.name = "over.example.com", .subnet = prefix("10.9.9.0/24")},
      {.name = "mail.example.com"},
      {.name = "x.wild.example.com", .payload = 1232},
      {.name = "nothing.example.com"},
      {.name = "b.deep.example.com"},
      {.name = "loop1.example.com"},
      {.name = "host.child.example.com"},
      {.name = "toward.example.com", .transport = Transport::tcp},
      {.name = "example.com", .type = "ANY"},
      {.name = "example.com", .type = "AXFR"},
      {.name = "www.elsewhere.org", .payload = 512},
      {.name = "mail.example.com", .options = {0, 8, 0, 1, 9}},
      {.name = "mail.example.com", .flags = 0x2800},
      {.name = "mail.example.com", .flags = 0x8000},
  };
  std::array<std::uint8_t, 4'096> out{};
  for (const Question& question : questions) {
    const auto query = wire(question);
    const std::size_t before = isochrone::testing::allocations();
    const Reply reply = answer(snapshot, {query, question.sender, question.transport}, out);
    const std::size_t after = isochrone::testing::allocations();
    EXPECT_EQ(after - before, 0U) << question.name;
    EXPECT_EQ(reply.size == 0, question.flags == 0x8000) << question.name;
  }
  const std::size_t before = isochrone::testing::allocations();
  const std::vector<int> counted(100);
  EXPECT_GT(isochrone::testing::allocations(), before) << "the counter itself must count";
}

}  // namespace
}  // namespace isochrone::dns::testing
