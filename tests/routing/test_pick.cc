// SPDX-License-Identifier: Apache-2.0
//
// The sites that one answer names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/random.h"
#include "routing/arrange.h"
#include "routing/compile.h"
#include "routing/decision.h"
#include "routing/pick.h"
#include "routing/site_states.h"
#include "tests/routing/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::routing {
namespace {

using ::testing::ElementsAre;
using testing::everything;
using ::testing::IsEmpty;
using testing::random_address;

constexpr SiteId kA{0}, kB{1}, kC{2}, kD{3}, kE{4};

// Five sites a to e, one service over all of them.
Topology five_sites() {
  Topology topology;
  for (const char* name : {"a", "b", "c", "d", "e"}) topology.sites.push_back({name, {}, {}});
  topology.services = {{"www.example.com", {kA, kB, kC, kD, kE}}};
  return topology;
}

SiteMask bits(std::initializer_list<SiteId> sites) {
  SiteMask mask = 0;
  for (const SiteId site : sites) mask |= site_bit(site);
  return mask;
}

// What a service names in the order a to e; a to c are near each other, d and e are not.
std::vector<SiteId> named(unsigned count, unsigned others, SiteMask usable = kAllSites) {
  Topology topology = five_sites();
  topology.services[0].count = count;
  topology.services[0].others = others;
  const std::vector<SiteMask> near{bits({kA, kB, kC}), bits({kA, kB, kC}), bits({kA, kB, kC}),
                                   bits({kD}), bits({kE})};
  const NamedSites sites = pick(SetPolicy::of(topology, topology.services[0]),
                                topology.services[0].sites, {0, near}, usable, Address());
  EXPECT_FALSE(sites.is_by_network);
  return {sites.all().begin(), sites.all().end()};
}

TEST(Pick, NamesTheBestAndThoseNearIt) {
  EXPECT_THAT(named(1, 0), ElementsAre(kA));
  EXPECT_THAT(named(2, 0), ElementsAre(kA, kB));
  EXPECT_THAT(named(3, 0), ElementsAre(kA, kB, kC));
  EXPECT_THAT(named(5, 0), ElementsAre(kA, kB, kC)) << "too few are near";
  EXPECT_THAT(named(2, 0, ~bits({kA})), ElementsAre(kB, kC));
  EXPECT_THAT(named(2, 0, bits({kD, kE})), ElementsAre(kD)) << "near the best that is left";
}

TEST(Pick, NamesTheClosestAndSomeOther) {
  EXPECT_THAT(named(3, 1), ElementsAre(kA, kB, kD)) << "two closest and one other";
  EXPECT_THAT(named(3, 2), ElementsAre(kA, kD, kE));
  EXPECT_THAT(named(3, 1, ~bits({kA, kD})), ElementsAre(kB, kC, kE));
  EXPECT_THAT(named(3, 1, ~bits({kD, kE})), ElementsAre(kA, kB, kC)) << "near ones take the place";
  EXPECT_THAT(named(3, 1, bits({kA, kD, kE})), ElementsAre(kA, kD)) << "others take no near place";
}

Topology weighted(std::vector<std::uint16_t> weights) {
  Topology topology = five_sites();
  topology.services[0].weights = std::move(weights);
  return topology;
}
constexpr Marks kOneGroup{0b1, {}};

NamedSites raced(const Topology& topology, const Address& client, SiteMask usable = kAllSites) {
  return pick(SetPolicy::of(topology, topology.services[0]), topology.services[0].sites, kOneGroup,
              usable, client);
}

TEST(Pick, EquallyGoodSitesShareClientsByWeight) {
  const Topology topology = weighted({1, 2, 3, 4, 990});
  Random random(1);
  constexpr int kNetworks = 100'000;
  std::map<SiteId, int> counts;
  for (int i = 0; i < kNetworks; ++i) {
    const Address client = random_address(random, everything(i % 2 == 0 ? Family::v4 : Family::v6));
    counts[raced(topology, client, ~bits({kE})).sites[0]]++;
  }
  for (const auto& [site, share] : {std::pair{kA, 0.1}, {kB, 0.2}, {kC, 0.3}, {kD, 0.4}}) {
    // Five standard deviations of a binomial: one false alarm in half a million.
    EXPECT_NEAR(counts[site], kNetworks * share, 5 * std::sqrt(kNetworks * share * (1 - share)));
  }
}

TEST(Pick, WhenASiteLeavesOnlyItsClientsMove) {
  const Topology topology = weighted({5, 1, 3, 1, 2});
  Random random(2);
  for (int i = 0; i < 10'000; ++i) {
    const Address client = random_address(random, everything(Family::v4));
    const SiteId before = raced(topology, client).sites[0];
    const SiteId gone(static_cast<std::uint16_t>(random.below(5)));
    const SiteId after = raced(topology, client, ~site_bit(gone)).sites[0];
    if (before != gone) {
      ASSERT_EQ(after, before);
    }
    ASSERT_NE(after, gone);
  }
}

TEST(Pick, AClientNetworkKeepsItsSiteWhateverElseIsConfigured) {
  const Topology topology = weighted({1, 1, 1, 1, 1});
  Topology other = topology;
  // The same sites in another order, behind one that this service does not have.
  other.sites.insert(other.sites.begin(), {"z", {}, {}});
  std::reverse(other.sites.begin() + 1, other.sites.end());
  for (std::uint16_t i = 0; i < 5; ++i)
    other.services[0].sites[i] = SiteId(static_cast<std::uint16_t>(i + 1));
  Random random(3);
  for (int i = 0; i < 1'000; ++i) {
    const Address client = random_address(random, everything(Family::v6));
    const auto& site = topology.sites[raced(topology, client).sites[0].index()];
    EXPECT_EQ(other.sites[raced(other, client).sites[0].index()].name, site.name);
  }
}

TEST(Pick, WhereOneOfAGroupIsLeftNothingDependsOnTheNetwork) {
  const Topology topology = weighted({1, 1, 1, 1, 1});
  EXPECT_TRUE(raced(topology, Address()).is_by_network);
  EXPECT_FALSE(raced(topology, Address(), bits({kC})).is_by_network);
}

TEST(Pick, LastResortIsWhatHoldsForEveryone) {
  Topology topology = weighted({1, 1, 1, 1, 1});
  topology.services[0].count = 2;
  EXPECT_THAT(last_resort(topology, topology.services[0], kAllSites), ElementsAre(kA, kB));
  EXPECT_THAT(last_resort(topology, topology.services[0], bits({kD})), ElementsAre(kD));
  EXPECT_THAT(last_resort(topology, topology.services[0], 0), IsEmpty());
}

// Random services, states and sites that are up.
class Sets : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  Sets() {
    for (int i = 0; i < 8; ++i) {
      Site site{"site" + std::to_string(i), {}, {}};
      if (random_.below(4) != 0) {
        site.location = Location{static_cast<double>(random_.below(120)) - 60,
                                 static_cast<double>(random_.below(300)) - 150};
      }
      topology_.sites.push_back(std::move(site));
    }
    for (int i = 0; i < 6; ++i) topology_.services.push_back(random_service(i));
    for (int i = 0; i < 60; ++i) state_.apply(random_prefix());
    table_ = compile_table(topology_, state_, nullptr, 1);
  }

  Service random_service(int number) {
    Service service;
    service.name = "s" + std::to_string(number);
    for (std::uint16_t i = 0; i < 8; ++i) {
      if (random_.below(3) != 0) service.sites.emplace_back(i);
    }
    if (service.sites.empty()) service.sites.emplace_back(std::uint16_t{0});
    service.count = 1 + static_cast<unsigned>(random_.below(4));
    if (random_.below(2) == 0) service.spread = Micros(static_cast<int>(random_.below(60'000)));
    if (service.spread) service.others = static_cast<unsigned>(random_.below(service.count));
    service.min_gain = Micros(static_cast<int>(random_.below(30'000)));
    if (random_.below(3) != 0) {
      for (std::size_t i = 0; i < service.sites.size(); ++i) {
        service.weights.push_back(static_cast<std::uint16_t>(1 + random_.below(9)));
      }
    }
    return service;
  }

  PrefixState random_prefix() {
    PrefixState known;
    const auto length = static_cast<int>(4 + random_.below(25));
    known.prefix = Prefix(random_address(random_, everything(Family::v4)), length);
    known.version = 1;
    for (std::uint16_t i = 0; i < 8; ++i) {
      if (random_.below(4) == 0) continue;
      known.set(SiteId(i), random_.below(8) == 0
                               ? testing::never_answered()
                               : testing::rtt(static_cast<double>(1 + random_.below(100))));
    }
    return known;
  }

  Random random_{GetParam()};
  Topology topology_;
  PerformanceState state_;
  std::shared_ptr<const RoutingTable> table_;
};

TEST_P(Sets, EveryAddressInsideAScopeGetsTheSameSet) {
  for (int i = 0; i < 2'000; ++i) {
    const ServiceId service(static_cast<std::uint16_t>(random_.below(topology_.services.size())));
    const SiteMask up = random_() | (i % 3 == 0 ? kAllSites : 0);
    const Address client = random_address(random_, everything(Family::v4));
    NamedSites named;
    const Choice choice = choose(*table_, service, client, up, named);
    for (int j = 0; j < 5; ++j) {
      NamedSites other;
      choose(*table_, service, random_address(random_, Prefix(client, choice.scope)), up, other);
      ASSERT_TRUE(std::ranges::equal(named.all(), other.all()));
    }
  }
}

TEST_P(Sets, NameDifferentSitesThatAreUpAndNoMoreThanAskedFor) {
  for (int i = 0; i < 2'000; ++i) {
    const auto index = random_.below(topology_.services.size());
    const Service& service = topology_.services[index];
    const SiteMask sites = sites_of(service);
    const SiteMask up = random_();
    NamedSites named;
    const auto before = isochrone::testing::allocations();
    const Choice choice = choose(*table_, ServiceId(static_cast<std::uint16_t>(index)),
                                 random_address(random_, everything(Family::v4)), up, named);
    ASSERT_EQ(isochrone::testing::allocations(), before);
    ASSERT_EQ(choice.site, named.sites[0]);
    ASSERT_LE(named.size, service.count);
    ASSERT_EQ(static_cast<std::size_t>(std::popcount(named.mask())), named.size);
    ASSERT_EQ(named.mask() & ~sites, 0U);
    const SiteMask usable = (up & sites) != 0 ? up & sites : sites;
    ASSERT_EQ(named.mask() & ~usable, 0U);
    // Only a spread makes a set smaller than what is there.
    const auto all =
        std::min<std::size_t>(service.count, static_cast<std::size_t>(std::popcount(usable)));
    if (!service.spread) {
      ASSERT_EQ(named.size, all);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, Sets, ::testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace isochrone::routing
