// SPDX-License-Identifier: Apache-2.0
//
// compile_table: time and bytes over measured prefixes and geographic networks, for twenty sites.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "routing/compile.h"
#include "routing/policy.h"

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
