// SPDX-License-Identifier: Apache-2.0
//
// Terms: what is allowed somewhere is what the fences around it say, one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/compile.h"
#include "routing/decision.h"
#include "routing/explain.h"
#include "routing/policy.h"
#include "routing/routed_networks.h"
#include "routing/site_states.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using ::testing::ElementsAre;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::last_address;
using testing::measured;
using testing::prefix;
using testing::random_address;
using testing::rtt;
using testing::state_of;
using testing::three_sites;

constexpr SiteMask kThree = 7;

Fence only_in(SiteMask sites, std::vector<Region> regions) {
  return {sites, Fence::Kind::only_in, std::move(regions)};
}
Fence never_in(SiteMask sites, std::vector<Region> regions) {
  return {sites, Fence::Kind::never_in, std::move(regions)};
}
Region block(std::string_view text) { return {{prefix(text), true}}; }

// By looking at every block of every region.
bool is_in(const Region& region, const Address& client) {
  const RegionBlock* longest = nullptr;
  for (const RegionBlock& each : region) {
    if (!each.prefix.contains(client)) continue;
    if (longest == nullptr || each.prefix.length() >= longest->prefix.length()) longest = &each;
  }
  return longest != nullptr && longest->is_inside;
}

SiteMask allowed_for(const std::vector<Fence>& fences, const Address& client) {
  SiteMask allowed = kThree;
  for (const Fence& fence : fences) {
    const bool is_inside = std::any_of(fence.regions.begin(), fence.regions.end(),
                                       [&](const Region& each) { return is_in(each, client); });
    if (is_inside != (fence.kind == Fence::Kind::only_in)) allowed &= ~fence.sites;
  }
  return allowed != 0 ? allowed : kThree;
}

std::optional<SiteId> pin_for(const std::vector<Pin>& pins, const Address& client) {
  const Pin* longest = nullptr;
  for (const Pin& pin : pins) {
    if (!pin.prefix.contains(client)) continue;
    if (longest == nullptr || pin.prefix.length() > longest->prefix.length()) longest = &pin;
  }
  return longest != nullptr ? std::optional(longest->site) : std::nullopt;
}

Prefix random_prefix(Random& random) {
  const bool is_v4 = random.below(3) > 0;
  const std::uint64_t high =
      is_v4 ? 10ULL << 56 | (random() >> 40) << 32 : 0x2001ULL << 48 | random() >> 16;
  const int length = static_cast<int>(random.below(is_v4 ? 25 : 49));
  return {Address::from_bits(is_v4 ? Family::v4 : Family::v6, high, 0), length};
}

TEST(Terms, SayWhatTheFencesSayOneByOne) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    std::vector<Prefix> seen{prefix("0.0.0.0/0"), prefix("::/0")};
    std::vector<Fence> fences(random.below(4));
    for (Fence& fence : fences) {
      fence.sites = 1 + random.below(kThree);
      fence.kind = random.below(2) == 0 ? Fence::Kind::only_in : Fence::Kind::never_in;
      fence.regions.resize(random.below(3));
      for (Region& region : fence.regions) {
        for (std::uint64_t i = random.below(6); i > 0; --i) {
          const Prefix at = random_prefix(random);
          const bool is_new = std::none_of(region.begin(), region.end(),
                                           [&](const auto& one) { return one.prefix == at; });
          if (is_new) region.push_back({at, random.below(3) > 0});
          seen.push_back(at);
        }
      }
    }
    std::vector<Pin> pins;
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      const Prefix at = random_prefix(random);
      if (pin_for(pins, at.address()) &&
          std::any_of(pins.begin(), pins.end(), [&](const Pin& one) { return one.prefix == at; })) {
        continue;
      }
      pins.push_back({at, SiteId(static_cast<std::uint16_t>(random.below(3)))});
      seen.push_back(at);
    }
    const auto terms = Terms::of(kThree, fences, pins);
    for (const Prefix& at : seen) {
      for (const Address& client : {at.address(), last_address(at), random_address(random, at)}) {
        const Term* term =
            terms != nullptr ? terms->around(Prefix(client, client.width())) : nullptr;
        const SiteMask allowed = allowed_for(fences, client);
        ASSERT_EQ(term != nullptr ? term->allowed : kThree, allowed)
            << "seed " << seed << " " << client.to_string();
        const auto pin = pin_for(pins, client);
        const bool may_pin = pin && (allowed & site_bit(*pin)) != 0;
        ASSERT_EQ(term != nullptr ? term->pin : std::nullopt, may_pin ? pin : std::nullopt)
            << "seed " << seed << " " << client.to_string();
      }
    }
  }
}

TEST(Terms, OfNothingAreNone) { EXPECT_EQ(Terms::of(kThree, {}, {}), nullptr); }

TEST(Terms, ThatLeaveNoSiteLeaveAll) {
  const auto terms = Terms::of(kThree, {never_in(kThree, {block("10.0.0.0/8")})}, {});
  EXPECT_EQ(terms, nullptr);
}

std::vector<SiteId> order_of(const Topology& topology, const PerformanceState& state,
                             const char* client, const GeoPrior* geo = nullptr) {
  const auto table = compile_table(topology, state, geo, 1);
  const auto sites = table->ranking(table->find(kWww, address(client)).ranking);
  return {sites.begin(), sites.end()};
}

Topology with(const std::vector<Fence>& fences, const std::vector<Pin>& pins = {}) {
  Topology topology = three_sites();
  topology.services[0].terms = Terms::of(kThree, fences, pins);
  return topology;
}

TEST(Terms, ShutSitesOutOfAnswers) {
  const Topology topology = with({only_in(site_bit(kFra), {block("192.0.2.0/24")}),
                                  never_in(site_bit(kSin), {block("198.51.100.0/25")})});
  EXPECT_THAT(order_of(topology, {}, "192.0.2.1"), ElementsAre(kFra, kIad, kSin));
  EXPECT_THAT(order_of(topology, {}, "203.0.113.1"), ElementsAre(kIad, kSin));
  EXPECT_THAT(order_of(topology, {}, "198.51.100.1"), ElementsAre(kIad));
  EXPECT_THAT(order_of(topology, {}, "2001:db8::1"), ElementsAre(kIad, kSin));
}

TEST(Terms, HoldInsideAMeasuredPrefix) {
  const Topology topology = with({never_in(site_bit(kSin), {block("10.1.2.0/24")})});
  const auto state = state_of({measured("10.1.0.0/16", {{kSin, rtt(5)}, {kIad, rtt(20)}})});
  EXPECT_THAT(order_of(topology, state, "10.1.1.1"), ElementsAre(kSin, kIad, kFra));
  EXPECT_THAT(order_of(topology, state, "10.1.2.1"), ElementsAre(kIad, kFra));
}

TEST(Terms, KeepTheScopeInsideTheFence) {
  const Topology topology = with({never_in(site_bit(kSin), {block("10.1.2.0/24")})});
  const auto table = compile_table(topology, {}, nullptr, 1);
  EXPECT_EQ(table->find(kWww, address("10.1.2.1")).block_length, 24);
  EXPECT_EQ(table->find(kWww, address("10.1.3.1")).block_length, 24);
}

TEST(Terms, PinAgainstAllMeasurement) {
  const Topology topology = with({}, {{prefix("10.1.2.0/24"), kSin}});
  const auto state = state_of({measured("10.1.2.0/24", {{kFra, rtt(5)}, {kSin, rtt(200)}}),
                               measured("10.1.2.128/25", {{kIad, rtt(5)}})});
  EXPECT_THAT(order_of(topology, state, "10.1.2.1"), ElementsAre(kSin, kFra, kIad));
  EXPECT_THAT(order_of(topology, state, "10.1.2.129"), ElementsAre(kSin, kIad, kFra));
  EXPECT_THAT(order_of(topology, state, "10.1.3.1"), ElementsAre(kFra, kIad, kSin));
}

TEST(Terms, PinsStandAloneAmongEquals) {
  Topology topology = with({}, {{prefix("10.1.2.0/24"), kSin}});
  topology.services[0].weights = {1, 1, 1};
  topology.services[0].count = 2;
  const auto state =
      state_of({measured("10.1.2.0/24", {{kFra, rtt(5)}, {kIad, rtt(5)}, {kSin, rtt(5)}})});
  const auto table = compile_table(topology, state, nullptr, 1);
  for (int host = 0; host < 256; ++host) {
    NamedSites named;
    choose(*table, kWww, Address::v4(10, 1, 2, static_cast<std::uint8_t>(host)), kAllSites, named);
    ASSERT_EQ(named.sites[0], kSin);
    ASSERT_EQ(named.size, 2U);
  }
}

TEST(Terms, DecideAmongWhatIsAllowed) {
  const Topology topology =
      with({never_in(site_bit(kSin), {block("10.1.2.0/24")})}, {{prefix("10.1.3.0/24"), kIad}});
  auto fenced = measured("10.1.2.0/24", {{kSin, rtt(5)}, {kIad, rtt(250)}, {kFra, rtt(280)}});
  decide_preferences(fenced, topology, kAllSites, Instant{});
  EXPECT_EQ(*fenced.preferred(kWww), kIad);
  auto pinned = measured("10.1.3.0/24", {{kSin, rtt(5)}});
  decide_preferences(pinned, topology, kAllSites, Instant{});
  EXPECT_EQ(*pinned.preferred(kWww), kIad);
  decide_preferences(pinned, topology, kAllSites & ~site_bit(kIad), Instant{});
  EXPECT_EQ(*pinned.preferred(kWww), kSin);
  decide_preferences(pinned, topology, kAllSites, Instant{});
  EXPECT_EQ(*pinned.preferred(kWww), kIad);
}

TEST(Terms, NeverALivingSiteFromBehindAFence) {
  const Topology topology =
      with({never_in(site_bit(kSin) | site_bit(kIad), {block("10.0.0.0/8")})});
  const auto table = compile_table(topology, {}, nullptr, 1);
  const Choice choice = choose(*table, kWww, address("10.1.2.3"), kAllSites & ~site_bit(kFra));
  EXPECT_EQ(choice.site, kFra);
  EXPECT_EQ(choice.override, Override::all_down);
}

TEST(Terms, AreExplained) {
  const Topology topology =
      with({never_in(site_bit(kFra), {block("10.1.0.0/16")})}, {{prefix("10.1.2.0/24"), kSin}});
  const auto table = compile_table(topology, {}, nullptr, 1);
  const Decision decision = explain(topology, *table, PerformanceState{}, nullptr, SiteStates{},
                                    kWww, address("10.1.2.3"));
  EXPECT_THAT(decision.fenced, ElementsAre(kFra));
  EXPECT_TRUE(decision.is_pinned);
  EXPECT_EQ(decision.choice.site, kSin);
}

TEST(RoutedNetworks, AreReadWithTheirAs) {
  const auto parsed = RoutedNetworks::parse(
      "; remark\n10.0.0.0/8\t64496\n10.1.0.0/16 64500 # more\n\n10.1.1.0/24 "
      "64496\r\n2001:db8::/32\n");
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->networks().size(), 4U);
  EXPECT_EQ(parsed->around(prefix("10.1.2.0/24"))->prefix, prefix("10.1.0.0/16"));
  EXPECT_EQ(parsed->around(prefix("10.0.0.0/15"))->prefix, prefix("10.0.0.0/8"));
  EXPECT_EQ(parsed->around(prefix("11.0.0.0/8")), nullptr);
  const Region region = parsed->region_of(64496);
  EXPECT_TRUE(is_in(region, address("10.2.0.1")));
  EXPECT_FALSE(is_in(region, address("10.1.0.1")));
  EXPECT_TRUE(is_in(region, address("10.1.1.1")));
}

TEST(RoutedNetworks, OfEqualOnesTheLastCounts) {
  const auto parsed = RoutedNetworks::parse("10.0.0.0/8 1\n10.0.0.0/8 2\n9.0.0.0/8 3");
  ASSERT_EQ(parsed->networks().size(), 2U);
  EXPECT_EQ(parsed->networks()[1].as, 2U);
}

TEST(RoutedNetworks, AreRefusedWithTheLine) {
  for (const char* line :
       {"10.0.0.1/8 1", "10.0.0.0/8 x", "10.0.0.0/8 1 2", "AS1", "10.0.0.0/8 -1"}) {
    const auto parsed = RoutedNetworks::parse(std::string("# first\n") + line + "\n");
    ASSERT_FALSE(parsed) << line;
    EXPECT_NE(parsed.error().text().find("line 2"), std::string::npos) << parsed.error().text();
  }
}

}  // namespace
}  // namespace isochrone::routing
