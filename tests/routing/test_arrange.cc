// SPDX-License-Identifier: Apache-2.0
//
// Which sites an order calls equally good, and which near.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/arrange.h"
#include "routing/policy.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::measured;
using testing::never_answered;
using testing::rtt;

constexpr SiteId kOff{3};  // 30 km from fra

// Of fra, iad, sin and off, which share clients by weight and may be named together within 20 ms.
Topology with_neighbour() {
  Topology topology = testing::three_sites();
  topology.sites.push_back({"off", Location{50.1, 8.3}, {}});
  Service& service = topology.services[0];
  service.sites.push_back(kOff);
  service.weights = {1, 1, 1, 1};
  service.count = 2;
  service.spread = Micros(20'000);
  return topology;
}

Order arranged(const Topology& topology, const PrefixState& state) {
  const Service& service = topology.services[0];
  return Arranger(topology, service)
      .arrange(rank_sites(service, kWww, state, service.sites), &state);
}
SiteMask bits(std::initializer_list<SiteId> sites) {
  SiteMask mask = 0;
  for (const SiteId site : sites) mask |= site_bit(site);
  return mask;
}

TEST(Arrange, LeavesOrdersAloneWhereOneSiteIsNamed) {
  const Topology topology = testing::three_sites();
  const Order order = Arranger(topology, topology.services[0]).arrange({kSin, kFra, kIad}, nullptr);
  EXPECT_THAT(order.sites, ElementsAre(kSin, kFra, kIad));
  EXPECT_EQ(order.group_starts, 0U);
  EXPECT_THAT(order.near, IsEmpty());
}

TEST(Arrange, SitesBetweenWhichTheServiceWouldNotMoveAreEquallyGood) {
  const Topology topology = with_neighbour();
  struct Row {
    double fra, off;
    std::uint64_t group_starts;  // of fra, off, iad, sin in some order
  };
  // min_gain is 0.5 ms, the share 3 %.
  for (const Row& row : {Row{10.0, 10.4, 0b1101}, Row{10.4, 10.0, 0b1101}, Row{10.0, 10.6, 0b1111},
                         Row{40.0, 41.1, 0b1101}, Row{40.0, 41.3, 0b1111}}) {
    const Order order = arranged(
        topology,
        measured("192.0.2.0/24",
                 {{kFra, rtt(row.fra)}, {kOff, rtt(row.off)}, {kIad, rtt(90)}, {kSin, rtt(200)}}));
    EXPECT_THAT(order.sites, ElementsAre(kFra, kOff, kIad, kSin)) << row.fra << " " << row.off;
    EXPECT_EQ(order.group_starts, row.group_starts) << row.fra << " " << row.off;
  }
}

TEST(Arrange, APreferredSiteThatIsNotEquallyGoodStandsAlone) {
  PrefixState state = measured(
      "192.0.2.0/24", {{kFra, rtt(10)}, {kOff, rtt(10.1)}, {kIad, rtt(20)}, {kSin, rtt(200)}});
  state.prefer(kWww, kIad);
  const Order order = arranged(with_neighbour(), state);
  EXPECT_THAT(order.sites, ElementsAre(kIad, kFra, kOff, kSin));
  EXPECT_EQ(order.group_starts, 0b1011U);
}

TEST(Arrange, WithoutWeightsThePreferredOneStaysFirstAmongEquals) {
  Topology topology = with_neighbour();
  topology.services[0].weights.clear();
  PrefixState state = measured("192.0.2.0/24", {{kFra, rtt(10)}, {kOff, rtt(10.1)}});
  state.prefer(kWww, kOff);
  const Order order = arranged(topology, state);
  EXPECT_THAT(order.sites, ElementsAre(kOff, kFra, kIad, kSin));
  EXPECT_EQ(order.group_starts, 0U);
}

TEST(Arrange, WhereNothingIsMeasuredTheMapSaysWhoStandsInOnePlace) {
  Topology topology = with_neighbour();
  topology.services[0].min_gain = Micros(300);  // 30 km
  const auto order_of = [&] {
    return Arranger(topology, topology.services[0]).arrange(topology.services[0].sites, nullptr);
  };
  EXPECT_THAT(order_of().sites, ElementsAre(kFra, kOff, kIad, kSin));
  EXPECT_EQ(order_of().group_starts, 0b1101U);
  EXPECT_EQ(order_of().near[0], bits({kFra, kOff}));
  topology.sites[kOff.index()].location.reset();
  EXPECT_THAT(order_of().sites, ElementsAre(kFra, kIad, kSin, kOff));
  EXPECT_EQ(order_of().group_starts, 0b1111U);
  EXPECT_EQ(order_of().near[0], bits({kFra}));
}

TEST(Arrange, NearIsWhatTheSpreadSaysFromEachPlace) {
  const Order order =
      arranged(with_neighbour(),
               measured("192.0.2.0/24",
                        {{kFra, rtt(10)}, {kOff, rtt(25)}, {kIad, rtt(40)}, {kSin, rtt(200)}}));
  EXPECT_THAT(order.sites, ElementsAre(kFra, kOff, kIad, kSin));
  EXPECT_THAT(order.near, ElementsAre(bits({kFra, kOff}), bits({kFra, kOff, kIad}),
                                      bits({kFra, kOff, kIad}), bits({kFra, kOff, kIad, kSin})));
}

TEST(Arrange, ASiteMeasuredInVainIsNearNobody) {
  const Order order = arranged(
      with_neighbour(), measured("192.0.2.0/24", {{kFra, rtt(10)}, {kOff, never_answered()}}));
  EXPECT_THAT(order.sites, ElementsAre(kFra, kIad, kSin, kOff));
  EXPECT_EQ(order.near[0], bits({kFra}));
  EXPECT_EQ(order.near[3], bits({kOff}));
  EXPECT_EQ(order.group_starts, 0b1111U);
}

}  // namespace
}  // namespace isochrone::routing
