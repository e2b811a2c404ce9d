// SPDX-License-Identifier: Apache-2.0
//
// How many measurements a second the core takes from posted to reduced, without disk and sockets.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "collector/core.h"

namespace isochrone::collector {
namespace {

constexpr std::size_t kSites = 8;
constexpr std::size_t kBatch = 1'000;  // what our own parts post at a time
constexpr std::uint64_t kSamples = 3;  // per path and window, a prober's default
const Instant kStart = *parse_instant("2024-05-01T00:00:00Z");

routing::Topology topology() {
  routing::Topology topology;
  routing::Service service;
  service.name = "www.example.com";
  for (std::size_t i = 0; i < kSites; ++i) {
    topology.sites.push_back({"site-" + std::to_string(i), {}, {}});
    service.sites.emplace_back(static_cast<std::uint16_t>(i));
  }
  topology.services = {service};
  return topology;
}

// One window's worth of events for so many prefixes, seen by all sites.
std::vector<event::Event> round_of(std::size_t prefixes) {
  std::vector<event::Event> events;
  events.reserve(prefixes * kSites * kSamples);
  for (std::size_t p = 0; p < prefixes; ++p) {
    const auto network =
        Address::from_bits(Family::v4, std::uint64_t{0x0a00'0000 + (p << 8)} << 32, 0);
    for (std::size_t site = 0; site < kSites; ++site) {
      const std::string name = "site-" + std::to_string(site);
      for (std::uint64_t i = 0; i < kSamples; ++i) {
        const Micros rtt(10'000 +
                         static_cast<std::int64_t>((p * 7 + site * 1'001 + i * 37) % 90'000));
        events.push_back({{"prober-" + name, 1, 0},
                          {},
                          "round",
                          event::Measurement{name, {network, 24}, routing::Method::icmp, rtt}});
      }
    }
  }
  return events;
}

// admit, apply and advance; includes copying the batch, which the decoder would make instead.
void reduce(benchmark::State& state) {
  Options options;
  options.node_name = "bench";
  Core core(options, topology(), 1);
  std::vector<event::Event> round = round_of(static_cast<std::size_t>(state.range(0)));
  std::vector<event::Position> positions;
  Instant now = kStart;
  std::vector<std::uint64_t> sequence(kSites);  // of each prober
  event::Position last = 0;
  for (auto _ : state) {
    for (std::size_t from = 0; from < round.size(); from += kBatch) {
      const std::size_t to = std::min(round.size(), from + kBatch);
      for (std::size_t i = from; i < to; ++i) {
        round[i].time = now;
        round[i].id.sequence = ++sequence[i / kSamples % kSites];
      }
      const auto at = round.begin() + static_cast<std::ptrdiff_t>(from);
      auto admitted = core.admit({at, at + static_cast<std::ptrdiff_t>(to - from)}, now);
      positions.clear();
      for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last);
      core.apply(admitted.fresh, positions, now);
    }
    now += options.window;
    core.advance(now + options.lateness);
    benchmark::DoNotOptimize(core.outbox().events.size());
    core.outbox_is_durable();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(round.size()));
  state.counters["late"] = static_cast<double>(core.counts().late);
}
BENCHMARK(reduce)->Arg(300)->Arg(3'000)->Arg(30'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace isochrone::collector
