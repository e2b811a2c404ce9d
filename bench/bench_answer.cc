// SPDX-License-Identifier: Apache-2.0
//
// What one query costs in answer() alone: routed with Client Subnet, static, missing; over the sizes
// of the table and of the zone.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "dns/answer.h"
#include "dns/follower.h"
#include "dns/name.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kQueries = 4'096;  // a power of two: more than the caches' first level holds

// www.example.com over eight sites: answered with the best one, with the three best as far as they are
// near, or with one of those that are equally good, as the network's weights have it.
enum class Kind { best, set, weights };

routing::Topology make_topology(Kind kind) {
  routing::Topology topology;
  for (std::uint8_t i = 0; i < 8; ++i) {
    topology.sites.push_back({"site" + std::to_string(i), {}, {Address::v4(192, 0, 2, i)}});
  }
  topology.services.resize(1);
  topology.services[0].name = "www.example.com";
  for (std::uint16_t i = 0; i < 8; ++i) topology.services[0].sites.push_back(routing::SiteId(i));
  if (kind == Kind::set) {
    topology.services[0].count = 3;
    topology.services[0].others = 1;
    topology.services[0].spread = Micros(10'000);
  } else if (kind == Kind::weights) {
    topology.services[0].weights.assign(8, 1);
    topology.services[0].min_gain = Micros(3'000);
  }
  return topology;
}

// `networks` /24 from 1.0.0.0 on, each with the site a seeded draw gives it.
NodeState make_state(std::size_t networks, Random& random) {
  NodeState state;
  for (std::size_t i = 0; i < networks; ++i) {
    const Prefix prefix(Address::from_bits(Family::v4, (std::uint64_t{0x01'0000} + i) << 40, 0),
                        24);
    routing::PrefixState known;
    known.prefix = prefix;
    const routing::SiteId site(static_cast<std::uint16_t>(random.below(8)));
    routing::Estimate estimate;
    estimate.p50 = estimate.min = estimate.p90 = Micros(5'000);
    estimate.samples = 10;
    known.set(site, estimate);
    const routing::SiteId second(static_cast<std::uint16_t>((site.value() + 1) % 8));
    estimate.p50 = estimate.min = estimate.p90 = Micros(7'000);
    known.set(second, estimate);
    known.prefer(routing::ServiceId(0), site);
    state.performance.put(known);
  }
  return state;
}

Snapshot make_snapshot(std::size_t networks, std::size_t names, Random& random,
                       Kind kind = Kind::best) {
  std::string zone = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns.example.net.\n";
  for (std::size_t i = 0; i < names; ++i) zone += "host" + std::to_string(i) + " A 192.0.2.1\n";
  const routing::Topology topology = make_topology(kind);
  BuildInputs inputs;
  inputs.zones = ZoneSet::parse({{"example.com", zone}}, topology).zones;
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  inputs.options.max_amplification = 0;  // the whole answer is what is timed
  return *build_snapshot(inputs, make_state(networks, random), 1);
}

std::vector<std::uint8_t> make_query(const std::string& name, const Prefix* subnet) {
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  const auto wire = name_from_text(name);
  query.insert(query.end(), wire->begin(), wire->end());
  query.insert(query.end(), {0, 1, 0, 1});
  if (subnet == nullptr) return query;
  query[11] = 1;
  const auto octets = subnet->address().bytes();
  query.insert(query.end(), {0, 0, 41, 4, 208, 0, 0,  0, 0,         0,         11,
                             0, 8, 0,  7, 0,   1, 24, 0, octets[0], octets[1], octets[2]});
  return query;
}

void run(benchmark::State& state, const Snapshot& snapshot,
         const std::vector<std::vector<std::uint8_t>>& queries) {
  std::vector<std::uint8_t> out(4'096);
  std::size_t next = 0;
  for (auto _ : state) {
    const auto& query = queries[next++ % kQueries];
    benchmark::DoNotOptimize(
        answer(snapshot, {query, Address::v4(198, 51, 100, 53), Transport::udp}, out));
  }
  state.SetItemsProcessed(state.iterations());
  static std::int64_t calls = 0;  // of all runs: what a count of instructions is divided by
  calls += state.iterations();
  state.counters["calls"] = static_cast<double>(calls);
}

void run_routed(benchmark::State& state, Kind kind) {
  Random random(1);
  const auto networks = static_cast<std::size_t>(state.range(0));
  const Snapshot snapshot = make_snapshot(networks, 1, random, kind);
  std::vector<std::vector<std::uint8_t>> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const Prefix subnet(
        Address::from_bits(Family::v4, (std::uint64_t{0x01'0000} + random.below(networks)) << 40,
                           0),
        24);
    queries.push_back(make_query("www.example.com", &subnet));
  }
  run(state, snapshot, queries);
}

void BM_RoutedWithClientSubnet(benchmark::State& state) { run_routed(state, Kind::best); }
BENCHMARK(BM_RoutedWithClientSubnet)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void BM_RoutedSet(benchmark::State& state) { run_routed(state, Kind::set); }
BENCHMARK(BM_RoutedSet)->Arg(100'000);

void BM_RoutedByWeight(benchmark::State& state) { run_routed(state, Kind::weights); }
BENCHMARK(BM_RoutedByWeight)->Arg(100'000);

void BM_Static(benchmark::State& state) {
  Random random(1);
  const auto names = static_cast<std::size_t>(state.range(0));
  const Snapshot snapshot = make_snapshot(1, names, random);
  std::vector<std::vector<std::uint8_t>> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries.push_back(
        make_query("host" + std::to_string(random.below(names)) + ".example.com", nullptr));
  }
  run(state, snapshot, queries);
  state.counters["bytes_per_name"] =
      static_cast<double>(snapshot.zones->memory_bytes()) / static_cast<double>(names);
}
BENCHMARK(BM_Static)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void BM_MissingName(benchmark::State& state) {
  Random random(1);
  const Snapshot snapshot = make_snapshot(1, 1'000, random);
  std::vector<std::vector<std::uint8_t>> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries.push_back(
        make_query("nx" + std::to_string(random.below(1'000'000)) + ".example.com", nullptr));
  }
  run(state, snapshot, queries);
}
BENCHMARK(BM_MissingName);

}  // namespace
}  // namespace isochrone::dns
