// SPDX-License-Identifier: Apache-2.0
//
// What no answer may ever do, checked after random steps through states, policies and time against a model
// that knows sites and prefixes by name only.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "base/random.h"
#include "routing/decision.h"
#include "routing/packed_state.h"
#include "routing/site_states.h"
#include "routing/table_compiler.h"

namespace isochrone::sim {
namespace {

using routing::OnAllDown;
using routing::ServiceId;
using routing::SiteId;
enum class Life { up, draining, down };

constexpr std::uint16_t kSites = 6;
constexpr int kStepsOfAWorld = 10'000;

// ISOCHRONE_LONG: a million steps, for the nightly run; else a tenth of it.
int worlds() { return std::getenv("ISOCHRONE_LONG") != nullptr ? 100 : 10; }

routing::Service random_service(Random& random, std::size_t index) {
  routing::Service service;
  service.name = "s" + std::to_string(index) + ".example.com";
  for (std::uint16_t i = 0; i < kSites; ++i) {
    if (random.below(3) != 0) service.sites.emplace_back(i);
  }
  if (service.sites.empty()) service.sites.emplace_back(static_cast<std::uint16_t>(index % kSites));
  service.on_all_down = static_cast<OnAllDown>(random.below(4));
  service.objective = static_cast<routing::Objective>(random.below(3));
  if (random.below(2) == 0) service.count = 1 + static_cast<unsigned>(random.below(3));
  if (random.below(3) == 0) service.spread = Micros(static_cast<int>(random.below(60'000)));
  if (random.below(3) == 0) service.merge_within = Micros(static_cast<int>(random.below(20'000)));
  if (random.below(4) == 0) service.hold_out = 0.3;
  if (random.below(2) == 0) {
    for (std::size_t i = 0; i < service.sites.size(); ++i) {
      service.weights.push_back(static_cast<std::uint16_t>(1 + random.below(5)));
    }
  }
  return service;
}

routing::Topology random_topology(Random& random) {
  routing::Topology topology;
  for (std::size_t i = 0; i < kSites; ++i) {
    const auto octet = static_cast<std::uint8_t>(i + 1);
    topology.sites.push_back({"site" + std::to_string(i), {}, {Address::v4(192, 0, 2, octet)}});
  }
  for (std::size_t i = 0; i < 5; ++i) topology.services.push_back(random_service(random, i));
  return topology;
}

// Many in few bits, so that they lie inside each other and side by side.
Address random_address(Random& random) {
  return Address::from_bits(Family::v4, (random() & 0x0f0f'0f07'0000'0000) | 0x0a00'0000'0000'0000,
                            0);
}
Prefix random_prefix(Random& random) {
  const Address address = random_address(random);
  const int length = random.below(8) == 0 ? 32 : 8 + static_cast<int>(random.below(17));
  return {address, length};
}

// Two nodes: one follows changes as they come, the other compiles all anew now and then.
class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        topology_(std::make_shared<const routing::Topology>(random_topology(random_))),
        compiler_(topology_, nullptr),
        life_(kSites, Life::up) {
    for (const auto& service : topology_->services) last_good_.push_back(with(service, Life::up));
    table_ = compiler_.compile(view_of(state_), ++generation_);
    routing::remember_good(*topology_, sites_);
  }

  void step() {
    if (random_.below(40) == 0) change_paths();
    if (random_.below(20) == 0) change_a_site();
    if (random_.below(500) == 0) {
      other_ = routing::compile_prefixes(*topology_, view_of(state_).all, nullptr, generation_);
    }
    check();
  }

 private:
  void change_paths() {
    std::map<Prefix, bool> changed;
    for (std::uint64_t i = 1 + random_.below(4); i > 0; --i) {
      const Prefix prefix = random_prefix(random_);
      const auto before = state_.find(prefix);
      changed.try_emplace(prefix, before && routing::has_answers(*before));
      if (random_.below(4) == 0) {
        state_.erase(prefix);
        continue;
      }
      state_.put(random_state(prefix));
    }
    table_ = compiler_.update(changed, view_of(state_), ++generation_);
    other_ = nullptr;  // of an older generation
  }

  routing::PrefixState random_state(const Prefix& prefix) {
    routing::PrefixState known;
    known.prefix = prefix;
    known.version = generation_;
    for (std::uint16_t site = 0; site < kSites; ++site) {
      if (random_.below(3) == 0) continue;
      routing::Estimate estimate;
      estimate.min = Micros(1 + static_cast<int>(random_.below(90'000)));
      estimate.p50 = estimate.min + Micros(static_cast<int>(random_.below(9'000)));
      estimate.p90 = estimate.p50 + Micros(static_cast<int>(random_.below(9'000)));
      estimate.samples = static_cast<std::uint32_t>(random_.below(4) * 40);  // in vain at times
      known.set(SiteId(site), estimate);
    }
    for (std::uint16_t i = 0; i < topology_->services.size(); ++i) {
      const auto& sites = topology_->services[i].sites;
      if (random_.below(3) != 0) known.prefer(ServiceId(i), sites[random_.below(sites.size())]);
    }
    return known;
  }

  void change_a_site() {
    const auto site = random_.below(kSites);
    life_[site] = static_cast<Life>(random_.below(3));
    const auto bit = routing::SiteMask{1} << site;
    sites_.up = life_[site] == Life::up ? sites_.up | bit : sites_.up & ~bit;
    sites_.draining =
        life_[site] == Life::draining ? sites_.draining | bit : sites_.draining & ~bit;
    routing::remember_good(*topology_, sites_);
    for (std::size_t i = 0; i < topology_->services.size(); ++i) {
      const auto up = with(topology_->services[i], Life::up);
      if (!up.empty()) last_good_[i] = up;
    }
  }

  std::set<std::size_t> with(const routing::Service& service, Life life) const {
    std::set<std::size_t> sites;
    for (const auto site : service.sites) {
      if (life_[site.index()] == life) sites.insert(site.index());
    }
    return sites;
  }
  // By the model; none: the answer is to be withheld.
  std::set<std::size_t> may_be_named(std::size_t service) const {
    const routing::Service& asked = topology_->services[service];
    for (const Life life : {Life::up, Life::draining}) {
      if (auto alive = with(asked, life); !alive.empty()) return alive;
    }
    if (asked.on_all_down == OnAllDown::all) return with(asked, Life::down);
    if (asked.on_all_down == OnAllDown::last_good) return last_good_[service];
    return {};
  }

  struct Answer {
    std::vector<SiteId> named;
    std::uint8_t scope = 0;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  Answer answer(const routing::RoutingTable& table, ServiceId service, const Address& client,
                routing::SiteMask nameable) const {
    routing::NamedSites named;
    const auto choice = routing::choose(table, service, client, nameable, named);
    EXPECT_EQ(choice.site, named.sites[0]);
    return {{named.all().begin(), named.all().end()}, choice.scope};
  }

  void check() {
    const ServiceId id(static_cast<std::uint16_t>(random_.below(topology_->services.size())));
    const routing::Service& service = topology_->services[id.index()];
    const Address client = random_address(random_);
    const auto nameable =
        routing::nameable_sites(sites_, id, routing::sites_of(service), service.on_all_down);
    const auto allowed = may_be_named(id.index());
    ASSERT_EQ(nameable.sites == 0, allowed.empty()) << "withheld only when the service says so";
    if (allowed.empty()) return;
    const Answer got = answer(*table_, id, client, nameable.sites);
    ASSERT_FALSE(got.named.empty());
    ASSERT_LE(got.named.size(), service.count);
    for (const SiteId site : got.named) {
      ASSERT_TRUE(allowed.contains(site.index())) << "site" << site.index() << " is dead";
    }
    ASSERT_EQ(std::set<SiteId>(got.named.begin(), got.named.end()).size(), got.named.size());
    // Whoever else is in the scope gets the same.
    const std::uint64_t inside =
        random_() & (got.scope == 0 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> got.scope);
    const Address other = Address::from_bits(
        Family::v4, (client.masked(got.scope).high() | inside) & 0xffff'ffff'0000'0000, 0);
    ASSERT_EQ(answer(*table_, id, other, nameable.sites), got)
        << client.to_string() << "/" << int{got.scope} << " and " << other.to_string();
    // Whichever node: one generation and client, one answer.
    ASSERT_EQ(answer(*table_, id, client, nameable.sites), got);
    if (other_ == nullptr) return;
    ASSERT_EQ(answer(*other_, id, client, nameable.sites), got);
  }

  Random random_;
  std::shared_ptr<const routing::Topology> topology_;
  routing::PackedState state_;
  routing::TableCompiler compiler_;
  std::shared_ptr<const routing::RoutingTable> table_;
  std::shared_ptr<const routing::RoutingTable> other_;  // of the same generation, or null
  routing::SiteStates sites_;
  std::uint64_t generation_ = 0;
  std::vector<Life> life_;
  std::vector<std::set<std::size_t>> last_good_;
};

TEST(Invariants, HoldAfterEveryStep) {
  for (int seed = 1; seed <= worlds(); ++seed) {
    World world(static_cast<std::uint64_t>(seed));
    for (int step = 0; step < kStepsOfAWorld; ++step) {
      ASSERT_NO_FATAL_FAILURE(world.step()) << "world " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace isochrone::sim
