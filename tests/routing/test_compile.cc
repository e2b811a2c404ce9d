// SPDX-License-Identifier: Apache-2.0
//
// compile_table: which layer speaks where, and over which block.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/compile.h"
#include "routing/decision.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using ::testing::ElementsAre;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::measured;
using testing::never_answered;
using testing::prefix;
using testing::rtt;
using testing::state_of;
using testing::three_sites;

constexpr Location kTokyo{35.7, 139.7};
constexpr Location kNewYork{40.7, -74.0};

struct Compiled {
  explicit Compiled(const PerformanceState& state, const GeoPrior* geo = nullptr,
                    Topology of = three_sites())
      : topology(std::move(of)), table(compile_table(topology, state, geo, 7)) {}

  std::vector<SiteId> order(const char* client, ServiceId service = kWww) const {
    const auto sites = table->ranking(table->find(service, address(client)).ranking);
    return {sites.begin(), sites.end()};
  }
  int scope(const char* client) const { return table->find(kWww, address(client)).block_length; }

  Topology topology;
  std::shared_ptr<const RoutingTable> table;
};

TEST(Compile, WithoutStateFollowsTheServicesOrder) {
  const Compiled compiled{PerformanceState()};
  EXPECT_THAT(compiled.order("192.0.2.1"), ElementsAre(kFra, kIad, kSin));
  EXPECT_EQ(compiled.scope("192.0.2.1"), 0);
  EXPECT_EQ(compiled.table->generation(), 7U);
  EXPECT_EQ(compiled.table->measured_prefixes(), 0U);
}

TEST(Compile, LayersMeasuredOverCoveringOverGeographyOverOrder) {
  const GeoPrior geo = GeoPrior::from({{prefix("10.0.0.0/8"), kTokyo}});
  const auto state = state_of({measured("10.1.0.0/16", {{kIad, rtt(20)}, {kFra, rtt(30)}}),
                               measured("10.1.2.0/24", {{kFra, rtt(9)}})});
  const Compiled compiled(state, &geo);
  EXPECT_THAT(compiled.order("10.1.2.3"), ElementsAre(kFra, kIad, kSin));
  EXPECT_THAT(compiled.order("10.1.3.1"), ElementsAre(kIad, kFra, kSin));
  EXPECT_THAT(compiled.order("10.9.9.9"), ElementsAre(kSin, kFra, kIad));
  EXPECT_THAT(compiled.order("192.0.2.1"), ElementsAre(kFra, kIad, kSin));
  EXPECT_EQ(compiled.table->measured_prefixes(), 2U);
}

TEST(Compile, LetsNoFinerMapPunchThroughAMeasurement) {
  const GeoPrior geo =
      GeoPrior::from({{prefix("10.1.0.0/16"), kNewYork}, {prefix("10.1.2.0/25"), kTokyo}});
  const Compiled compiled(state_of({measured("10.1.0.0/16", {{kFra, rtt(20)}})}), &geo);
  EXPECT_THAT(compiled.order("10.1.2.3"), ElementsAre(kFra, kIad, kSin));
  EXPECT_EQ(compiled.scope("10.1.2.3"), compiled.scope("10.1.200.1"));
}

TEST(Compile, OrdersUnmeasuredSitesByWhatWouldSpeakOtherwise) {
  const GeoPrior geo =
      GeoPrior::from({{prefix("10.1.2.0/25"), kTokyo}, {prefix("10.0.0.0/8"), kNewYork}});
  const Compiled by_map(state_of({measured("10.1.2.0/24", {{kFra, rtt(20)}})}), &geo);
  EXPECT_THAT(by_map.order("10.1.2.3"), ElementsAre(kFra, kSin, kIad));
  const auto nested = state_of({measured("10.1.0.0/16", {{kIad, rtt(20)}, {kSin, rtt(10)}}),
                                measured("10.1.2.0/24", {{kFra, rtt(5)}})});
  EXPECT_THAT(Compiled(nested, &geo).order("10.1.2.3"), ElementsAre(kFra, kSin, kIad));
}

TEST(Compile, IgnoresPrefixesThatNeverAnswered) {
  const GeoPrior geo = GeoPrior::from({{prefix("10.0.0.0/8"), kTokyo}});
  const Compiled compiled(state_of({measured("10.1.2.0/24", {{kFra, never_answered()}})}), &geo);
  EXPECT_THAT(compiled.order("10.1.2.3"), ElementsAre(kSin, kFra, kIad));
  EXPECT_EQ(compiled.table->measured_prefixes(), 0U);
}

TEST(Compile, TakesAMeasurementOnlyForServicesOfItsSites) {
  Topology topology = three_sites();
  topology.services.push_back({"far.example.com", {kIad, kSin}});
  const GeoPrior geo = GeoPrior::from({{prefix("10.0.0.0/8"), kTokyo}});
  const Compiled compiled(state_of({measured("10.1.2.0/24", {{kFra, rtt(5)}})}), &geo, topology);
  EXPECT_THAT(compiled.order("10.1.2.3"), ElementsAre(kFra, kSin, kIad));
  EXPECT_THAT(compiled.order("10.1.2.3", ServiceId(1)), ElementsAre(kSin, kIad));
}

TEST(Compile, FollowsThePreferenceOfTheState) {
  PrefixState known = measured("10.1.2.0/24", {{kFra, rtt(20)}, {kIad, rtt(19.8)}});
  known.prefer(kWww, kFra);
  EXPECT_THAT(Compiled(state_of({known})).order("10.1.2.3"), ElementsAre(kFra, kIad, kSin));
}

TEST(Compile, MergesNeighboursThatRankAlike) {
  std::vector<GeoNetwork> networks;
  for (int i = 0; i < 256; ++i) {
    const auto third = static_cast<std::uint8_t>(i);
    networks.push_back({Prefix(Address::v4(10, 1, third, 0), 24),
                        {kTokyo.latitude + i * 0.001, kTokyo.longitude}});
  }
  const GeoPrior geo = GeoPrior::from(networks);
  const Compiled compiled(PerformanceState(), &geo);
  EXPECT_EQ(compiled.scope("10.1.77.1"), 16);
  EXPECT_EQ(compiled.table->rankings().size(), 2U);
}

TEST(Compile, IsTheSameWhateverTheOrderOfArrival) {
  const auto one = measured("10.1.0.0/16", {{kIad, rtt(20)}});
  const auto two = measured("10.1.2.0/24", {{kSin, rtt(20)}});
  const auto three = measured("2001:db8::/48", {{kSin, rtt(20)}});
  const Compiled forwards(state_of({one, two, three}));
  const Compiled backwards(state_of({three, two, one}));
  for (const char* client : {"10.1.2.3", "10.1.0.1", "10.2.0.0", "2001:db8::1", "::1"}) {
    EXPECT_EQ(forwards.table->find(kWww, address(client)),
              backwards.table->find(kWww, address(client)));
  }
}

TEST(Choice, IsTheFirstSiteThatIsUp) {
  const Compiled compiled(state_of({measured("10.1.2.0/24", {{kSin, rtt(5)}, {kIad, rtt(9)}})}));
  struct Case {
    SiteMask up;
    SiteId site;
    Override override;
  };
  const Case cases[] = {
      {kAllSites, kSin, Override::none},
      {kAllSites & ~site_bit(kFra), kSin, Override::none},
      {kAllSites & ~site_bit(kSin), kIad, Override::site_down},
      {site_bit(kFra), kFra, Override::site_down},
      {0, kSin, Override::all_down},
  };
  for (const Case& one : cases) {
    const Choice choice = choose(*compiled.table, kWww, address("10.1.2.3"), one.up);
    EXPECT_EQ(choice.site, one.site);
    EXPECT_EQ(choice.override, one.override);
    EXPECT_EQ(choice.scope, 24);
  }
}

// A and B hover around each other from network to network: with merge-within they are one block.
TEST(Compile, MergesNeighboursThatDifferByLessThanMergeWithin) {
  const auto state = state_of({measured("10.1.0.0/24", {{kFra, rtt(20.4)}, {kIad, rtt(20)}}),
                               measured("10.1.1.0/24", {{kFra, rtt(20)}, {kIad, rtt(20.3)}}),
                               measured("10.1.2.0/24", {{kFra, rtt(29)}, {kIad, rtt(20)}})});
  EXPECT_EQ(Compiled(state).scope("10.1.0.1"), 24);
  Topology merging = three_sites();
  merging.services[0].merge_within = Micros(1'000);
  const Compiled merged(state, nullptr, merging);
  EXPECT_EQ(merged.scope("10.1.0.1"), 23);
  EXPECT_EQ(merged.scope("10.1.1.1"), 23);
  EXPECT_EQ(merged.order("10.1.0.1").front(), kFra);
  EXPECT_EQ(merged.order("10.1.2.1").front(), kIad);
}

}  // namespace
}  // namespace isochrone::routing
