// SPDX-License-Identifier: Apache-2.0
//
// compile_table: time and bytes over measured prefixes and geographic networks, for twenty sites.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "routing/compile.h"
#include "routing/packed_state.h"
#include "routing/policy.h"
#include "routing/table_compiler.h"

namespace isochrone::routing {
namespace {

constexpr std::uint16_t kSites = 20;

Location random_location(Random& random) {
  return {random.unit() * 130 - 60, random.unit() * 360 - 180};
}

Topology topology() {
  Random random(1);
  Topology topology;
  Service service{"www.example.com", {}};
  for (std::uint16_t i = 0; i < kSites; ++i) {
    topology.sites.push_back({"site" + std::to_string(i), random_location(random), {}});
    service.sites.push_back(SiteId(i));
  }
  topology.services.push_back(service);
  return topology;
}

Prefix random_prefix(Random& random) { return {Address::from_bits(Family::v4, random(), 0), 24}; }

PerformanceState measured(std::size_t count, const Topology& topology) {
  Random random(2);
  PerformanceState state;
  while (state.size() < count) {
    PrefixState& known = state.at(random_prefix(random));
    for (std::uint16_t site = 0; site < kSites; ++site) {
      Estimate estimate;
      estimate.p50 = Micros(static_cast<Micros::rep>(random.below(200'000)));
      estimate.samples = 100;
      known.set(SiteId(site), estimate);
    }
    decide_preferences(known, topology, kAllSites, Instant{});
  }
  return state;
}

// As a city database has them: about ten networks to a location.
GeoPrior geography(std::size_t count) {
  Random random(3);
  std::vector<Location> cities;
  for (std::size_t i = 0; i < count / 10 + 1; ++i) cities.push_back(random_location(random));
  std::vector<GeoNetwork> networks;
  for (std::size_t i = 0; i < count; ++i) {
    networks.push_back({random_prefix(random), cities[random.below(cities.size())]});
  }
  return GeoPrior::from(std::move(networks));
}

void compile(benchmark::State& state) {
  const Topology sites = topology();
  const auto known = measured(static_cast<std::size_t>(state.range(0)), sites);
  const GeoPrior geo = geography(static_cast<std::size_t>(state.range(1)));
  std::shared_ptr<const RoutingTable> table;
  for (auto _ : state) {
    table = compile_table(sites, known, &geo, 1);
    benchmark::DoNotOptimize(table);
  }
  state.counters["table_bytes"] = static_cast<double>(table->memory_bytes());
  state.counters["rankings"] = static_cast<double>(table->rankings().size());
}
// From a changed network to the next table: compiled whole, and by a compiler that follows.
struct Followed {
  explicit Followed(std::size_t count)
      : sites(std::make_shared<Topology>(topology())), compiler(sites, nullptr) {
    Random random(2);
    for (std::size_t i = 0; i < count; ++i) prefixes.push_back(random_prefix(random));
    std::sort(prefixes.begin(), prefixes.end());
    prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
    for (const Prefix& prefix : prefixes) {
      PrefixState next;
      next.prefix = prefix;
      measure_three(next, random);
      known.put(next);
    }
    table = compiler.compile(view_of(known), 1);
  }

  // As a budget has it: three of the sites.
  void measure_three(PrefixState& state, Random& random) const {
    const auto first = random.below(kSites);
    for (std::uint64_t i = 0; i < 3; ++i) {
      Estimate estimate;
      estimate.p50 = Micros(static_cast<Micros::rep>(random.below(200'000)));
      estimate.samples = 100;
      state.set(SiteId(static_cast<std::uint16_t>((first + i) % kSites)), estimate);
    }
    decide_preferences(state, *sites, kAllSites, Instant{});
  }

  Prefix change_one(Random& random) {
    PrefixState next;
    next.prefix = prefixes[random.below(prefixes.size())];
    next.version = ++version;
    measure_three(next, random);
    known.apply(next);
    return next.prefix;
  }

  std::shared_ptr<const Topology> sites;
  PackedState known;
  std::uint64_t version = 0;
  std::vector<Prefix> prefixes;
  TableCompiler compiler;
  std::shared_ptr<const RoutingTable> table;
};

void follow(benchmark::State& state) {
  Followed followed(static_cast<std::size_t>(state.range(0)));
  Random random(4);
  for (auto _ : state) {
    std::map<Prefix, bool> changed;
    for (std::int64_t i = 0; i < state.range(1); ++i) changed[followed.change_one(random)] = true;
    followed.table = followed.compiler.update(changed, view_of(followed.known), 2);
  }
  state.counters["rankings"] = static_cast<double>(followed.table->rankings().size());
}
void follow_whole(benchmark::State& state) {
  Followed followed(static_cast<std::size_t>(state.range(0)));
  Random random(4);
  for (auto _ : state) {
    followed.change_one(random);
    followed.table = compile_prefixes(*followed.sites, view_of(followed.known).all, nullptr, 2);
  }
}
BENCHMARK(follow)
    ->ArgNames({"measured", "changed"})
    ->Args({100'000, 1})
    ->Args({1'000'000, 1})
    ->Args({1'000'000, 1'000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(follow_whole)->ArgName("measured")->Arg(1'000'000)->Unit(benchmark::kMillisecond);

BENCHMARK(compile)
    ->ArgNames({"measured", "networks"})
    ->Args({500, 0})
    ->Args({10'000, 0})
    ->Args({100'000, 0})
    ->Args({500, 100'000})
    ->Args({500, 1'000'000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace isochrone::routing
