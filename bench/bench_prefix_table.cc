// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable: look-ups per second, time to build, and bytes, over random maps of several sizes.
//
// With ISOCHRONE_PREFIXES naming a file of prefixes, one a line, that map is measured too.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "routing/prefix_table.h"

namespace isochrone::routing {
namespace {

constexpr RankingId kOtherwise{0};
// Many sites give many orders: neighbours seldom agree, the unkind case for block lengths and size.
constexpr std::uint64_t kRankings = 1'000;

Address random_address(Random& random, Family family) {
  // Of IPv6, what is given out: 2000::/3.
  const std::uint64_t high = family == Family::v4 ? random() : (random() >> 3) | (1ULL << 61);
  return Address::from_bits(family, high, random());
}

RankingId random_ranking(Random& random) {
  return RankingId(static_cast<std::uint32_t>(random.below(kRankings)));
}

// Lengths as a routing table has them: most /24 and /48, the rest some bits shorter.
std::vector<PrefixRow> random_rows(Family family, std::size_t count) {
  Random random(1);
  const int longest = family == Family::v4 ? 24 : 48;
  const std::uint64_t spread = family == Family::v4 ? 8 : 16;
  std::vector<PrefixRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const int shorter = random.below(2) == 0 ? 0 : static_cast<int>(random.below(spread));
    const Prefix prefix(random_address(random, family), longest - shorter);
    rows.push_back({prefix, random_ranking(random)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const PrefixRow& a, const PrefixRow& b) { return a.prefix < b.prefix; });
  return rows;
}

std::vector<PrefixRow> file_rows() {
  std::vector<PrefixRow> rows;
  const char* name = std::getenv("ISOCHRONE_PREFIXES");
  if (name == nullptr) return rows;
  Random random(1);
  std::ifstream file(name);
  for (std::string line; std::getline(file, line);) {
    if (const auto prefix = Prefix::parse(trim(line)))
      rows.push_back({*prefix, random_ranking(random)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const PrefixRow& a, const PrefixRow& b) { return a.prefix < b.prefix; });
  return rows;
}

// 2^18 addresses: many more than there are cache lines near the core, and read in order themselves.
constexpr std::size_t kClients = std::size_t{1} << 18;

std::vector<Address> random_clients(Family family) {
  Random random(2);
  std::vector<Address> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.push_back(random_address(random, family));
  return clients;
}

// Addresses inside the rows, so that the depth of IPv6 is walked.
std::vector<Address> clients_inside(const std::vector<PrefixRow>& rows, Family family) {
  std::vector<Prefix> prefixes;
  for (const PrefixRow& row : rows) {
    if (row.prefix.family() == family) prefixes.push_back(row.prefix);
  }
  Random random(3);
  std::vector<Address> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(prefixes[random.below(prefixes.size())].address());
  }
  return clients;
}

void look_up(benchmark::State& state, const PrefixTable& table,
             const std::vector<Address>& clients) {
  for (auto _ : state) {
    std::uint32_t sum = 0;
    for (const Address& client : clients) {
      const Leaf leaf = table.find(client);
      sum += leaf.ranking.value() + leaf.block_length;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(clients.size()));
  state.counters["table_bytes"] = static_cast<double>(table.memory_bytes());
}

// Each look-up waits for the one before.
void look_up_dependent(benchmark::State& state, const PrefixTable& table,
                       const std::vector<Address>& clients) {
  std::size_t at = 0;
  for (auto _ : state) {
    const Leaf leaf = table.find(clients[at]);
    at = (at + 1 + leaf.ranking.value() + leaf.block_length) % kClients;
  }
  benchmark::DoNotOptimize(at);
  state.SetItemsProcessed(state.iterations());
}

void build(benchmark::State& state, const std::vector<PrefixRow>& rows) {
  for (auto _ : state) {
    auto copy = rows;
    benchmark::DoNotOptimize(PrefixTable::build(std::move(copy), kOtherwise));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows.size()));
  state.counters["table_bytes"] =
      static_cast<double>(PrefixTable::build(rows, kOtherwise).memory_bytes());
}

template <Family family>
void random_map_look_up(benchmark::State& state) {
  const auto rows = random_rows(family, static_cast<std::size_t>(state.range(0)));
  look_up(state, PrefixTable::build(rows, kOtherwise), random_clients(family));
}
template <Family family>
void random_map_build(benchmark::State& state) {
  build(state, random_rows(family, static_cast<std::size_t>(state.range(0))));
}
BENCHMARK_TEMPLATE(random_map_look_up, Family::v4)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_TEMPLATE(random_map_look_up, Family::v6)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK_TEMPLATE(random_map_build, Family::v4)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(random_map_build, Family::v6)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

struct FromFile {
  std::vector<PrefixRow> rows = file_rows();
  PrefixTable table = PrefixTable::build(rows, kOtherwise);
};

// The rows of the file, read once; null without one.
const FromFile* from_file(benchmark::State& state) {
  static const FromFile file;
  if (!file.rows.empty()) return &file;
  state.SkipWithError("ISOCHRONE_PREFIXES names no file of prefixes");
  return nullptr;
}

template <Family family>
void file_map_look_up(benchmark::State& state) {
  if (const auto* file = from_file(state)) look_up(state, file->table, random_clients(family));
}
template <Family family>
void file_map_look_up_inside(benchmark::State& state) {
  if (const auto* file = from_file(state)) {
    look_up(state, file->table, clients_inside(file->rows, family));
  }
}
template <Family family>
void file_map_look_up_dependent(benchmark::State& state) {
  if (const auto* file = from_file(state)) {
    look_up_dependent(state, file->table, random_clients(family));
  }
}
void file_map_build(benchmark::State& state) {
  if (const auto* file = from_file(state)) build(state, file->rows);
}
BENCHMARK_TEMPLATE(file_map_look_up, Family::v4);
BENCHMARK_TEMPLATE(file_map_look_up, Family::v6);
BENCHMARK_TEMPLATE(file_map_look_up_inside, Family::v6);
BENCHMARK_TEMPLATE(file_map_look_up_dependent, Family::v4);
BENCHMARK_TEMPLATE(file_map_look_up_dependent, Family::v6);
BENCHMARK(file_map_build)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace isochrone::routing
