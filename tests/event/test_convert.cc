// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "event/convert.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using routing::ServiceId;
using routing::SiteId;

routing::Topology topology_of(std::vector<std::string> sites, std::vector<std::string> services) {
  routing::Topology topology;
  for (std::string& name : sites) topology.sites.push_back({std::move(name), std::nullopt, {}});
  for (std::string& name : services) {
    routing::Service service;
    service.name = std::move(name);
    for (std::uint16_t i = 0; i < topology.sites.size(); ++i) service.sites.emplace_back(i);
    topology.services.push_back(std::move(service));
  }
  return topology;
}

routing::Estimate estimate_of(Micros p50) {
  routing::Estimate estimate;
  estimate.p50 = p50;
  return estimate;
}

routing::PrefixState two_paths() {
  routing::PrefixState prefix;
  prefix.prefix = testing::prefix_of("192.0.2.0/24");
  prefix.version = 3;
  prefix.set(SiteId(0), estimate_of(Micros(10)));
  prefix.set(SiteId(1), estimate_of(Micros(20)));
  prefix.prefer(ServiceId(0), SiteId(1));
  prefix.views.push_back({SiteId(0), {}, estimate_of(Micros(12))});
  prefix.views.push_back({SiteId(1), {Micros(1), Micros(2), Micros(3), Micros(4), 5, 1}, {}});
  return prefix;
}

TEST(Convert, StateSurvivesTheWayThereAndBack) {
  const auto topology = topology_of({"fra", "iad"}, {"www.example.com"});
  const auto back = from_event(to_event(two_paths(), topology), topology);
  EXPECT_EQ(back.prefix, two_paths().prefix);
  EXPECT_EQ(back.version, 3U);
  EXPECT_EQ(back.paths, two_paths().paths);
  EXPECT_EQ(back.preferences, two_paths().preferences);
  EXPECT_EQ(back.views, two_paths().views);
}

TEST(Convert, NamesFindTheirIdsInAnotherOrder) {
  const auto state = to_event(two_paths(), topology_of({"fra", "iad"}, {"www.example.com"}));
  const auto other =
      from_event(state, topology_of({"sin", "iad", "fra"}, {"a", "www.example.com"}));
  ASSERT_NE(other.find(SiteId(2)), nullptr);
  EXPECT_EQ(other.find(SiteId(2))->p50, Micros(10));
  ASSERT_EQ(other.views.size(), 2U);
  EXPECT_EQ(other.views[1].estimate.p50, Micros(12)) << "sorted by the ids that are here";
  ASSERT_NE(other.preferred(ServiceId(1)), nullptr);
  EXPECT_EQ(*other.preferred(ServiceId(1)), SiteId(1));
}

TEST(Convert, WhatTheTopologyDoesNotKnowIsLeftOut) {
  const auto state = to_event(two_paths(), topology_of({"fra", "iad"}, {"www.example.com"}));
  const auto other = from_event(state, topology_of({"fra"}, {"www.example.com"}));
  EXPECT_EQ(other.paths.size(), 1U);
  EXPECT_TRUE(other.preferences.empty());
}

}  // namespace
}  // namespace isochrone::event
