// SPDX-License-Identifier: Apache-2.0
//
// Reasons: the look-up of every answer says what the explanation for people says.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>

#include "routing/explain.h"
#include "routing/packed_state.h"
#include "routing/reasons.h"
#include "tests/routing/vocabulary.h"
#include "tests/support/counting_new.h"

namespace isochrone::routing {
namespace {

using testing::address;
using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::last_address;
using testing::prefix;
using testing::rtt;

// Three sites; services over all of them, over one that is nowhere on the map, and over two; measured
// prefixes and mapped networks of every length from /6 on, one inside the other.
class Explained {
 public:
  explicit Explained(std::uint64_t seed) : random_(seed) {
    Topology topology = three_sites_and_a_lost_one();
    topology_ = std::make_shared<Topology>(topology);
    std::vector<GeoNetwork> networks;
    for (int i = 0; i < 60; ++i) {
      networks.push_back({random_prefix(), topology.sites[random_.below(3)].location.value()});
    }
    geo_ = std::make_shared<GeoPrior>(GeoPrior::from(networks));
    for (int i = 0; i < 60; ++i) change_one();
    changed_.clear();
    compiler_ = std::make_unique<ReasonCompiler>(topology_, geo_.get());
    reasons_ = compiler_->compile(view_of(state_));
  }

  void change(int count) {
    for (int i = 0; i < count; ++i) change_one();
    reasons_ = compiler_->update(std::exchange(changed_, {}), view_of(state_));
  }

  void expect_as_explained(std::set<Reason>& met) {
    const auto table = compile_prefixes(*topology_, view_of(state_).all, geo_.get(), 1);
    const auto find = [this](const Prefix& known) { return state_.find(known); };
    for (const Prefix& row : seen_) {
      for (const Address& client : {row.address(), last_address(row)}) {
        for (std::uint16_t i = 0; i < topology_->services.size(); ++i) {
          const auto why =
              explain(*topology_, *table, find, geo_.get(), SiteStates{}, ServiceId(i), client);
          ASSERT_EQ(reasons_->find(ServiceId(i), client), why.reason)
              << client.to_string() << " " << i;
          met.insert(why.reason);
        }
      }
    }
  }

 private:
  static Topology three_sites_and_a_lost_one() {
    Topology topology = testing::three_sites();
    topology.sites.push_back({"tmp", std::nullopt, {}});
    topology.services.push_back({"lost.example.com", {SiteId(3)}});
    topology.services.push_back({"few.example.com", {kSin, kIad}});
    topology.services.push_back({"some.example.com", {kSin, kIad}});
    topology.services.back().hold_out = 0.3;
    return topology;
  }

  Prefix random_prefix() {
    const bool is_v4 = random_.below(3) > 0;
    const std::uint64_t high =
        is_v4 ? 10ULL << 56 | random_() >> 12 : 0x2001'0db8ULL << 32 | random_() >> 32;
    const int length = (is_v4 ? 6 : 20) + static_cast<int>(random_.below(is_v4 ? 27 : 45));
    return {Address::from_bits(is_v4 ? Family::v4 : Family::v6, high, 0), length};
  }

  void change_one() {
    const bool is_known = !seen_.empty() && random_.below(2) > 0;
    const Prefix row = is_known ? seen_[random_.below(seen_.size())] : random_prefix();
    changed_.try_emplace(row, false);
    seen_.push_back(row);
    if (random_.below(4) == 0) {
      state_.erase(row);
      return;
    }
    PrefixState next;
    next.prefix = row;
    next.version = ++version_;
    for (const SiteId site : {kFra, kIad, kSin, SiteId(3)}) {
      const std::uint64_t draw = random_.below(3);
      if (draw == 1) next.set(site, testing::never_answered());
      if (draw == 2) next.set(site, rtt(20));
    }
    if (next.paths.empty()) next.set(kFra, testing::never_answered());
    state_.apply(next);
  }

  Random random_;
  std::uint64_t version_ = 0;
  std::shared_ptr<const Topology> topology_;
  std::shared_ptr<const GeoPrior> geo_;
  PackedState state_;
  std::map<Prefix, bool> changed_;
  std::vector<Prefix> seen_;
  std::unique_ptr<ReasonCompiler> compiler_;
  std::shared_ptr<const Reasons> reasons_;
};

TEST(Reasons, AreThoseOfTheExplanation) {
  std::set<Reason> met;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Explained world(seed);
    ASSERT_NO_FATAL_FAILURE(world.expect_as_explained(met)) << seed;
    for (int step = 0; step < 10; ++step) {
      world.change(1 + step);
      ASSERT_NO_FATAL_FAILURE(world.expect_as_explained(met)) << seed << " " << step;
    }
  }
  EXPECT_EQ(met.size(), 4U) << "each reason was met";
}

TEST(Reasons, AreFoundWithoutAllocating) {
  PackedState state;
  state.apply(testing::measured("10.1.2.0/24", {{kSin, rtt(5)}}));
  ReasonCompiler compiler(std::make_shared<Topology>(testing::three_sites()), nullptr);
  const auto reasons = compiler.compile(view_of(state));
  const std::size_t before = isochrone::testing::allocations();
  const std::array found{reasons->find(ServiceId(0), address("10.1.2.3")),
                         reasons->find(ServiceId(0), address("10.1.3.3"))};
  EXPECT_EQ(isochrone::testing::allocations(), before);
  EXPECT_EQ(found, (std::array{Reason::measured, Reason::default_order}));
}

}  // namespace
}  // namespace isochrone::routing
