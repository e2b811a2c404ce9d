// SPDX-License-Identifier: Apache-2.0
//
// TableCompiler: tables that follow a state are those compiled from it.
#include <gtest/gtest.h>

#include <map>

#include "routing/packed_state.h"
#include "routing/policy.h"
#include "routing/table_compiler.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::kWww;
using testing::last_address;
using testing::measured;
using testing::prefix;
using testing::rtt;
using testing::sibling;
using testing::three_sites;

// Three sites, a service over all and one over two of them, and a map of /18 to /26.
class Following {
 public:
  explicit Following(std::uint64_t seed, bool has_terms) : random_(seed) {
    Topology topology = three_sites();
    topology.services.push_back({"few.example.com", {kSin, kIad}});
    for (Service& service : topology.services) {
      if (has_terms) restrict(service);
    }
    topology_ = std::make_shared<Topology>(topology);
    std::vector<GeoNetwork> networks;
    for (int i = 0; i < 300; ++i) {
      networks.push_back({random_prefix(18), topology.sites[random_.below(3)].location.value()});
    }
    geo_ = std::make_shared<GeoPrior>(GeoPrior::from(networks));
    for (int i = 0; i < 1'500; ++i) change_one(true);
    changed_.clear();
    compiler_ = std::make_unique<TableCompiler>(topology_, geo_);
    table_ = compiler_->compile(view_of(state_), 1);
  }

  void change(int count) {
    for (int i = 0; i < count; ++i) change_one(random_.below(4) > 0);
    table_ = compiler_->update(std::exchange(changed_, {}), view_of(state_), 2);
  }

  void expect_as_from_scratch() {
    const auto scratch = compile_prefixes(*topology_, view_of(state_).all, geo_.get(), 2);
    ASSERT_EQ(table_->measured_prefixes(), scratch->measured_prefixes());
    for (const Prefix& row : seen_) {
      const Prefix beside = sibling(row);
      for (const Address& client : {row.address(), last_address(row), last_address(beside)}) {
        for (const ServiceId service : {kWww, ServiceId(1)}) {
          const Leaf a = table_->find(service, client);
          const Leaf b = scratch->find(service, client);
          const auto sites = table_->ranking(a.ranking);
          const auto same = scratch->ranking(b.ranking);
          ASSERT_TRUE(std::equal(sites.begin(), sites.end(), same.begin(), same.end()))
              << client.to_string();
          ASSERT_EQ(a.block_length, b.block_length) << client.to_string();
        }
      }
    }
  }

 private:
  // Every third network or so has fences or pins of its own, and some are held out.
  void restrict(Service& service) {
    SiteMask sites = 0;
    for (const SiteId site : service.sites) sites |= site_bit(site);
    std::vector<Fence> fences(2);
    for (Fence& fence : fences) {
      fence = {site_bit(service.sites[random_.below(2)]), Fence::Kind::never_in, Regions(1)};
      for (int i = 0; i < 100; ++i) {
        fence.regions[0].push_back({random_prefix(18), random_.below(3) > 0});
      }
    }
    std::vector<Pin> pins;
    for (int i = 0; i < 100; ++i) {
      pins.push_back({random_prefix(18), service.sites[random_.below(service.sites.size())]});
    }
    service.terms = Terms::of(sites, fences, pins);
    service.hold_out = 0.1;
  }
  using Regions = std::vector<Region>;

  // Inside 10.0.0.0/12 or 2001:db8::/32, so that they nest and touch; longer than what is rewritten
  // whole.
  Prefix random_prefix(int at_least) {
    const bool is_v4 = random_.below(3) > 0;
    const std::uint64_t high =
        is_v4 ? 10ULL << 56 | random_() >> 12 : 0x2001'0db8ULL << 32 | random_() >> 32;
    const int length = at_least + static_cast<int>(random_.below(9)) + (is_v4 ? 0 : 22);
    return {Address::from_bits(is_v4 ? Family::v4 : Family::v6, high, 0), length};
  }

  void change_one(bool is_there) {
    const bool is_known = !seen_.empty() && random_.below(3) > 0;
    const Prefix row = is_known ? seen_[random_.below(seen_.size())] : random_prefix(20);
    const auto before = state_.find(row);
    changed_.try_emplace(row, before && has_answers(*before));
    seen_.push_back(row);
    if (!is_there) {
      state_.erase(row);
      return;
    }
    PrefixState next;
    next.prefix = row;
    next.version = ++version_;
    for (const SiteId site : {kFra, kIad, kSin}) {
      const std::uint64_t draw = random_.below(5);
      if (draw == 0) continue;
      next.set(site, draw == 1 ? testing::never_answered()
                               : rtt(static_cast<double>(10 + random_.below(60))));
    }
    if (next.paths.empty()) next.set(kFra, rtt(20));
    decide_preferences(next, *topology_, kAllSites, Instant{});
    state_.apply(next);
  }

  Random random_;
  std::uint64_t version_ = 0;
  std::shared_ptr<const Topology> topology_;
  std::shared_ptr<const GeoPrior> geo_;
  PackedState state_;
  std::map<Prefix, bool> changed_;
  std::vector<Prefix> seen_;
  std::unique_ptr<TableCompiler> compiler_;
  std::shared_ptr<const RoutingTable> table_;
};

TEST(TableCompiler, FollowsChangesAsIfCompiledFromScratch) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Following following(seed, seed % 2 == 0);
    for (int step = 0; step < 25; ++step) {
      following.change(1 + step % 12);
      ASSERT_NO_FATAL_FAILURE(following.expect_as_from_scratch()) << seed << " " << step;
    }
  }
}

TEST(TableCompiler, CompilesAllAnewForAWidePrefix) {
  auto topology = std::make_shared<Topology>(three_sites());
  PackedState state;
  state.apply(measured("10.1.2.0/24", {{kSin, rtt(5)}}));
  TableCompiler compiler(topology, nullptr);
  compiler.compile(view_of(state), 1);
  auto wide = measured("10.0.0.0/8", {{kIad, rtt(20)}});
  wide.version = 1;
  state.apply(wide);
  const auto table = compiler.update({{prefix("10.0.0.0/8"), false}}, view_of(state), 2);
  EXPECT_EQ(table->ranking(table->find(kWww, address("10.9.9.9")).ranking).front(), kIad);
  EXPECT_EQ(table->ranking(table->find(kWww, address("10.1.2.9")).ranking).front(), kSin);
  EXPECT_EQ(table->measured_prefixes(), 2U);
  EXPECT_EQ(table->generation(), 2U);
}

}  // namespace
}  // namespace isochrone::routing
