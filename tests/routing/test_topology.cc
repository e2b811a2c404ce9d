// SPDX-License-Identifier: Apache-2.0
//
// Names and distances.
#include <gtest/gtest.h>

#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

TEST(Topology, FindsSitesAndServicesByName) {
  const Topology topology = testing::three_sites();
  EXPECT_EQ(topology.find_site("sin"), testing::kSin);
  EXPECT_EQ(topology.find_site("syd"), std::nullopt);
  EXPECT_EQ(topology.find_service("www.example.com"), testing::kWww);
  EXPECT_EQ(topology.find_service("example.com"), std::nullopt);
}

TEST(Distance, IsThatOfTheGreatCircle) {
  // A quarter of a meridian and half the equator of a sphere of 6371.0088 km: pi r / 2 and pi r.
  EXPECT_NEAR(distance_km({0, 0}, {90, 0}), 10'007.557, 0.001);
  EXPECT_NEAR(distance_km({0, 0}, {0, 180}), 20'015.115, 0.001);
  EXPECT_NEAR(distance_km({10, 179.5}, {10, -179.5}), 109.5, 0.1);
  EXPECT_EQ(distance_km({50, 8}, {50, 8}), 0);
}

}  // namespace
}  // namespace isochrone::routing
