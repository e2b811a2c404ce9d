// SPDX-License-Identifier: Apache-2.0
//
// explain: the layer that spoke, its evidence, and always what choose() would answer.
#include <gtest/gtest.h>

#include "routing/explain.h"
#include "routing/policy.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using testing::everything;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::measured;
using testing::never_answered;
using testing::prefix;
using testing::random_address;
using testing::rtt;
using testing::state_of;
using testing::three_sites;

struct World {
  Topology topology = three_sites();
  PerformanceState state = state_of(
      {measured("10.1.0.0/16", {{kIad, rtt(20)}, {kFra, never_answered()}}),
       measured("10.1.2.0/24", {{kFra, rtt(9)}, {kSin, rtt(90)}}),
       measured("10.1.3.0/24", {{kFra, never_answered()}}),
       measured("2001:db8:1::/48", {{kSin, rtt(9)}}), measured("2001:db8::/32", {{kIad, rtt(9)}})});
  GeoPrior geo = GeoPrior::from({{prefix("10.0.0.0/8"), {35.7, 139.7}}});
  std::shared_ptr<const RoutingTable> table = compile_table(topology, state, &geo, 3);

  Decision explained(const char* client, SiteMask up = kAllSites) const {
    return explain(topology, *table, state, &geo, SiteStates{up, 0, {}}, kWww, address(client));
  }
};

TEST(Explain, SaysHowSureItIs) {
  const World world;
  EXPECT_GT(*world.explained("10.1.2.3").confidence, 0.999);  // 9 ms against 90
  EXPECT_EQ(world.explained("10.1.9.1").confidence, 1);       // the only one that answered
  EXPECT_FALSE(world.explained("10.9.9.9").confidence);       // by the map
  // The rival is down.
  EXPECT_EQ(world.explained("10.1.2.3", site_bit(kFra) | site_bit(kIad)).confidence, 1);
}

TEST(Explain, NamesTheLayerThatSpokeAndItsPrefix) {
  struct Case {
    const char* client;
    Reason reason;
    std::optional<Prefix> basis;
  };
  const Case cases[] = {
      {"10.1.2.3", Reason::measured, prefix("10.1.2.0/24")},
      {"10.1.9.1", Reason::covering_prefix, prefix("10.1.0.0/16")},
      {"10.1.3.1", Reason::covering_prefix, prefix("10.1.0.0/16")},
      {"10.9.9.9", Reason::geography, prefix("10.0.0.0/8")},
      {"192.0.2.1", Reason::default_order, std::nullopt},
      {"2001:db8:1::1", Reason::measured, prefix("2001:db8:1::/48")},
      {"2001:db8:2::1", Reason::covering_prefix, prefix("2001:db8::/32")},
  };
  const World world;
  for (const Case& one : cases) {
    const Decision decision = world.explained(one.client);
    EXPECT_EQ(to_string(decision.reason), to_string(one.reason)) << one.client;
    EXPECT_EQ(decision.basis, one.basis) << one.client;
  }
}

TEST(Explain, GivesEachCandidateItsEvidence) {
  const Decision decision = World().explained("10.1.2.3", kAllSites & ~site_bit(kSin));
  ASSERT_EQ(decision.candidates.size(), 3U);
  const Candidate& first = decision.candidates[0];
  EXPECT_EQ(first.site, kFra);
  EXPECT_TRUE(first.is_up);
  EXPECT_EQ(first.estimate->p50, Micros(9'000));
  EXPECT_EQ(first.score, Micros(9'000));
  EXPECT_NEAR(first.distance_km.value(), 9'330, 50);  // Frankfurt to Tokyo
  EXPECT_EQ(decision.candidates[1].site, kSin);
  EXPECT_FALSE(decision.candidates[1].is_up);
  EXPECT_FALSE(decision.candidates[2].estimate);
  EXPECT_EQ(decision.ttl, Seconds(30));
  EXPECT_EQ(decision.generation, 3U);
}

TEST(Explain, GivesNoScoreToAPathThatNeverAnswered) {
  const Decision decision = World().explained("10.1.9.1");
  const Candidate& last = decision.candidates.back();
  EXPECT_EQ(last.site, kFra);
  EXPECT_EQ(last.estimate->loss_permille, 1000);
  EXPECT_FALSE(last.score);
}

TEST(Explain, DoesNotCallItGeographyWhenNoSiteHasALocation) {
  World world;
  for (Site& site : world.topology.sites) site.location.reset();
  world.table = compile_table(world.topology, world.state, &world.geo, 4);
  EXPECT_EQ(world.explained("10.9.9.9").reason, Reason::default_order);
}

// Random worlds: nested prefixes of both families, half-measured sites, preferences, networks.
class RandomWorld {
 public:
  explicit RandomWorld(std::uint64_t seed) : random_(seed) {
    topology_.services.push_back({"two.example.com", {kSin, kIad}});
    std::vector<GeoNetwork> networks;
    for (int i = 0; i < 20; ++i) {
      networks.push_back({some_prefix(), {random_.unit() * 180 - 90, random_.unit() * 360 - 180}});
    }
    geo_ = GeoPrior::from(networks);
    for (int i = 0; i < 20; ++i) add_measured(some_prefix());
    table_ = compile_table(topology_, state_, &geo_, 1);
  }

  void expect_explained_as_answered() {
    for (int i = 0; i < 200; ++i) {
      const Address client = random_address(random_, some_prefix());
      const SiteMask up = random_.below(8);
      for (const ServiceId service : {ServiceId(0), ServiceId(1)}) check(service, client, up);
    }
  }

 private:
  // Few bits to choose from, so that prefixes meet.
  Prefix some_prefix() {
    const Prefix around = random_.below(2) == 0 ? prefix("10.0.0.0/8") : prefix("2001:db8::/32");
    const int length = around.length() + static_cast<int>(random_.below(4)) * 8;
    std::uint64_t bits = 0;
    for (int byte = 0; byte < 3; ++byte)
      bits |= random_.below(3) << (56 - around.length() - 8 * byte);
    const Address& first = around.address();
    return {Address::from_bits(around.family(), first.high() | bits, 0), length};
  }

  void add_measured(const Prefix& where) {
    PrefixState known;
    known.prefix = where;
    for (const SiteId site : {kFra, kIad, kSin}) {
      const auto kind = random_.below(3);
      if (kind == 0) known.set(site, rtt(1 + random_.unit() * 100));
      if (kind == 1) known.set(site, never_answered());
    }
    if (random_.below(2) == 0) decide_preferences(known, topology_, kAllSites, Instant{});
    state_.apply(known);
  }

  void check(ServiceId service, const Address& client, SiteMask up) {
    const Decision decision =
        explain(topology_, *table_, state_, &geo_, SiteStates{up, 0, {}}, service, client);
    const Choice choice = choose(*table_, service, client, up);
    ASSERT_EQ(decision.choice.site, choice.site);
    ASSERT_EQ(decision.choice.scope, choice.scope);
    ASSERT_EQ(decision.choice.override, choice.override);
    ASSERT_EQ(decision.candidates.size(), topology_.services[service.index()].sites.size());
    const bool spoke =
        decision.reason == Reason::measured || decision.reason == Reason::covering_prefix;
    // The layer that is named must order the sites as the table does.
    if (spoke) {
      const Service& asked = topology_.services[service.index()];
      const PrefixState& basis = *state_.find(*decision.basis);
      const auto first = rank_sites(asked, service, basis, asked.sites).front();
      ASSERT_EQ(decision.candidates[0].site, first) << client.to_string();
    } else if (decision.reason == Reason::geography) {
      ASSERT_LE(decision.candidates[0].distance_km, decision.candidates[1].distance_km);
    } else {
      ASSERT_EQ(decision.candidates[0].site, topology_.services[service.index()].sites[0]);
    }
  }

  Random random_;
  Topology topology_ = three_sites();
  GeoPrior geo_;
  PerformanceState state_;
  std::shared_ptr<const RoutingTable> table_;
};

TEST(Explain, ShowsWhatASetRestsOn) {
  Topology topology = three_sites();
  topology.services[0].count = 3;
  topology.services[0].others = 1;
  topology.services[0].spread = Micros(10'000);
  topology.services[0].weights = {1, 1, 1};
  const auto state =
      state_of({measured("10.1.2.0/24", {{kFra, rtt(20)}, {kIad, rtt(20.1)}, {kSin, rtt(90)}})});
  const auto table = compile_table(topology, state, nullptr, 1);
  const Decision decision =
      explain(topology, *table, state, nullptr, SiteStates{}, kWww, address("10.1.2.3"));
  ASSERT_EQ(decision.named.size(), 3U);
  EXPECT_EQ(decision.named.front(), decision.choice.site);
  EXPECT_EQ(decision.named.back(), kSin);
  EXPECT_EQ(decision.candidates[1].group, 1U);
  EXPECT_EQ(decision.candidates[2].group, 2U);
  EXPECT_EQ(decision.candidates[1].is_near, true);
  EXPECT_EQ(decision.candidates[2].is_near, false);
  EXPECT_TRUE(decision.candidates[2].is_named);
}

TEST(Explain, NamesNobodyWhenTheAnswerIsWithheld) {
  Topology topology = three_sites();
  topology.services[0].on_all_down = OnAllDown::nodata;
  const auto table = compile_table(topology, {}, nullptr, 1);
  const Decision decision = explain(topology, *table, PerformanceState(), nullptr,
                                    SiteStates{0, 0, {}}, kWww, address("10.1.2.3"));
  EXPECT_TRUE(decision.named.empty());
  EXPECT_EQ(decision.choice.override, Override::withheld);
}

TEST(Explain, AgreesWithTheAnswerOnRandomWorlds) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    RandomWorld(seed).expect_explained_as_answered();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace isochrone::routing
