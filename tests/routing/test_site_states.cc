// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "routing/site_states.h"

namespace isochrone::routing {
namespace {

constexpr ServiceId kService{0};
constexpr SiteMask kA = 1, kB = 2, kC = 4, kOther = 8;

TEST(SiteStates, UpComesBeforeDrainingAndDrainingBeforeThePolicy) {
  const struct {
    SiteMask up, draining, last_good;
    OnAllDown policy;
    SiteMask expected;
    Override why;
  } rows[] = {
      // up      draining  last good  policy               sites          why
      {kA | kB, kC, kA, OnAllDown::all, kA | kB, Override::none},
      {kA | kOther, 0, 0, OnAllDown::nodata, kA, Override::none},
      {kOther, kC, kA, OnAllDown::servfail, kC, Override::draining},
      {0, kB | kOther, kA, OnAllDown::all, kB, Override::draining},
      {0, 0, kA, OnAllDown::all, kA | kB | kC, Override::all_down},
      {0, kOther, kA | kOther, OnAllDown::last_good, kA, Override::all_down},
      {0, 0, 0, OnAllDown::last_good, kA | kB | kC, Override::all_down},
      {kOther, 0, kA, OnAllDown::nodata, 0, Override::withheld},
      {kOther, 0, kA, OnAllDown::servfail, 0, Override::withheld},
  };
  for (const auto& row : rows) {
    const SiteStates states{row.up, row.draining, {row.last_good}};
    const Nameable nameable = nameable_sites(states, kService, kA | kB | kC, row.policy);
    EXPECT_EQ(nameable.sites, row.expected) << &row - rows;
    EXPECT_EQ(nameable.why, row.why) << &row - rows;
  }
}

TEST(SiteStates, TheLastGoodSitesStayWhenAllGo) {
  Topology topology;
  topology.sites.resize(4);
  topology.services.resize(1);
  topology.services[0].sites = {SiteId(0), SiteId(1), SiteId(2)};
  SiteStates states;
  remember_good(topology, states);
  EXPECT_EQ(states.last_good[0], kA | kB | kC);
  states.up = kB | kOther;
  remember_good(topology, states);
  states.up = kOther;
  remember_good(topology, states);
  EXPECT_EQ(states.last_good[0], kB);
}

}  // namespace
}  // namespace isochrone::routing
