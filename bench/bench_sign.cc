// SPDX-License-Identifier: Apache-2.0
//
// What DNSSEC costs: answers with DO from an unsigned and from a signed zone, and signing itself.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "dns/answer.h"
#include "dns/follower.h"
#include "dns/key_store.h"
#include "dns/name.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kQueries = 4'096;
constexpr std::size_t kNames = 10'000;
constexpr Instant kNow = from_unix_nanos(1'780'272'000'000'000'000);

// A folder with one key, gone at the end.
struct Keys {
  explicit Keys(KeyAlgorithm algorithm) {
    std::string pattern = (std::filesystem::temp_directory_path() / "bench-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    const auto zone = name_from_text("example.com");
    (void)KeyStore(folder).save(*SigningKey::generate(*zone, algorithm, {}));
  }
  ~Keys() { std::filesystem::remove_all(folder); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  std::filesystem::path folder;
};

routing::Topology make_topology() {
  routing::Topology topology;
  for (std::uint8_t i = 0; i < 8; ++i) {
    topology.sites.push_back({"site" + std::to_string(i), {}, {Address::v4(192, 0, 2, i)}});
  }
  topology.services.resize(1);
  topology.services[0].name = "www.example.com";
  for (std::uint16_t i = 0; i < 8; ++i) topology.services[0].sites.push_back(routing::SiteId(i));
  return topology;
}

std::shared_ptr<const ZoneSet> make_zones(std::size_t names) {
  std::string zone = "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns.example.net.\n";
  for (std::size_t i = 0; i < names; ++i) zone += "host" + std::to_string(i) + " A 192.0.2.1\n";
  return ZoneSet::parse({{"example.com", zone}}, make_topology()).zones;
}

std::shared_ptr<const SignedZones> sign(const std::shared_ptr<const ZoneSet>& zones,
                                        const Keys& keys, Denial denial,
                                        const SignedZones* before = nullptr) {
  SigningPolicy policy;
  policy.denial = denial;
  policy.keys = keys.folder;
  return SignedZones::sign(zones, {{"example.com", policy}}, kNow, before).zones;
}

enum Signing : std::int64_t { kUnsigned, kNsec, kNsec3 };

Snapshot make_snapshot(std::int64_t signing) {
  BuildInputs inputs;
  inputs.zones = make_zones(kNames);
  inputs.topology = std::make_shared<const routing::Topology>(make_topology());
  const Keys keys(KeyAlgorithm::ed25519);
  if (signing != kUnsigned) {
    inputs.signatures = sign(inputs.zones, keys, signing == kNsec ? Denial::nsec : Denial::nsec3);
  }
  NodeState state;
  Random random(1);
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    routing::PrefixState known;
    known.prefix = Prefix(Address::from_bits(Family::v4, (0x01'0000 + i) << 40, 0), 24);
    routing::Estimate estimate;
    estimate.p50 = estimate.min = estimate.p90 = Micros(5'000);
    estimate.samples = 10;
    const routing::SiteId site(static_cast<std::uint16_t>(random.below(8)));
    known.set(site, estimate);
    known.prefer(routing::ServiceId(0), site);
    state.performance.put(known);
  }
  inputs.options.max_amplification = 0;  // the whole answer is what is timed
  return *build_snapshot(inputs, state, 1);
}

// With EDNS, DO and the client's /24.
std::vector<std::uint8_t> make_query(const std::string& name, std::uint64_t network) {
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  const auto wire = name_from_text(name);
  query.insert(query.end(), wire->begin(), wire->end());
  const auto a = static_cast<std::uint8_t>(network >> 16);
  const auto b = static_cast<std::uint8_t>(network >> 8);
  const auto c = static_cast<std::uint8_t>(network);
  query.insert(query.end(), {0, 1,  0, 1, 0, 0, 41, 4, 208, 0, 0, 0x80, 0,
                             0, 11, 0, 8, 0, 7, 0,  1, 24,  0, a, b,    c});
  return query;
}

template <class NameOf>
void run(benchmark::State& state, NameOf name_of) {
  const Snapshot snapshot = make_snapshot(state.range(0));
  Random random(2);
  std::vector<std::vector<std::uint8_t>> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    queries.push_back(make_query(name_of(random), 0x01'0000 + random.below(100'000)));
  }
  std::vector<std::uint8_t> out(4'096);
  std::size_t next = 0;
  std::size_t octets = 0;
  for (auto _ : state) {
    const auto& query = queries[next++ % kQueries];
    const Reply reply =
        answer(snapshot, {query, Address::v4(198, 51, 100, 53), Transport::udp}, out);
    benchmark::DoNotOptimize(octets += reply.size);
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["reply_bytes"] =
      static_cast<double>(octets) / static_cast<double>(state.iterations());
}

void BM_Routed(benchmark::State& state) {
  run(state, [](Random&) { return std::string("www.example.com"); });
}
BENCHMARK(BM_Routed)->Arg(kUnsigned)->Arg(kNsec)->Arg(kNsec3);

void BM_Static(benchmark::State& state) {
  run(state, [](Random& random) {
    return "host" + std::to_string(random.below(kNames)) + ".example.com";
  });
}
BENCHMARK(BM_Static)->Arg(kUnsigned)->Arg(kNsec)->Arg(kNsec3);

void BM_Missing(benchmark::State& state) {
  run(state, [](Random& random) {
    return "nx" + std::to_string(random.below(1'000'000)) + ".example.com";
  });
}
BENCHMARK(BM_Missing)->Arg(kUnsigned)->Arg(kNsec)->Arg(kNsec3);

void BM_SignZone(benchmark::State& state) {
  const Keys keys(static_cast<KeyAlgorithm>(state.range(0)));
  const auto zones = make_zones(1'000);
  std::size_t made = 0;
  for (auto _ : state) {
    const auto signed_zones = sign(zones, keys, Denial::nsec);
    made += signed_zones->of(&zones->zones().front())->signatures_made();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(made));
}
BENCHMARK(BM_SignZone)->Arg(13)->Arg(15)->Unit(benchmark::kMillisecond);

void BM_KeepSignatures(benchmark::State& state) {
  const Keys keys(KeyAlgorithm::ed25519);
  const auto zones = make_zones(1'000);
  const auto before = sign(zones, keys, Denial::nsec);
  std::size_t kept = 0;
  for (auto _ : state) {
    const auto again = sign(zones, keys, Denial::nsec, before.get());
    kept += again->of(&zones->zones().front())->signatures_kept();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kept));
}
BENCHMARK(BM_KeepSignatures)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace isochrone::dns
