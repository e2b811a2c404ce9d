// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable: look-ups per second, time to build and bytes, beside other ways to look up.
//
// The map is a full Internet table: drawn from a seed in that shape, or with ISOCHRONE_PREFIXES the
// one in a file of prefixes, one a line. The others: a binary trie and DIR-24-8, which give a ranking
// and no scope, and with ISOCHRONE_MMDB the file of that name through libmaxminddb.
#include <benchmark/benchmark.h>
#include <maxminddb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "bench/internet_table.h"
#include "bench/yardsticks.h"
#include "routing/prefix_editor.h"
#include "routing/prefix_table.h"

namespace isochrone::bench {
namespace {

using routing::Leaf;
using routing::PrefixTable;

// Enough to touch every line of a table many times over; eight bytes each, so that reading them in
// order takes little of the cache from it.
constexpr std::size_t kClients = std::size_t{1} << 17;

struct Clients {
  Family family;
  std::vector<std::uint64_t> bits;

  Address operator[](std::size_t i) const {
    return Address::from_bits(family, bits[i], bits[i] * 0x9e37'79b9'7f4a'7c15);
  }
};

// Anywhere: of IPv6, in 2000::/3, which is what is given out.
Clients anywhere(Family family) {
  Random random(2);
  Clients clients{family, {}};
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.bits.push_back(family == Family::v4 ? random() : (random() >> 3) | (1ULL << 61));
  }
  return clients;
}

// Each inside a row, so that the depth of the table is walked.
Clients inside(const std::vector<PrefixRow>& rows, Family family) {
  const auto first_v6 = std::partition_point(
      rows.begin(), rows.end(), [](const PrefixRow& row) { return row.prefix.address().is_v4(); });
  const auto begin = family == Family::v4 ? rows.begin() : first_v6;
  const auto end = family == Family::v4 ? first_v6 : rows.end();
  Random random(3);
  Clients clients{family, {}};
  for (std::size_t i = 0; i < kClients; ++i) {
    const auto count = static_cast<std::uint64_t>(end - begin);
    const Prefix& prefix = begin[static_cast<std::ptrdiff_t>(random.below(count))].prefix;
    const int length = std::min(prefix.length(), 63);
    clients.bits.push_back(prefix.address().high() | (random() >> length));
  }
  return clients;
}

template <class Table>
void look_up(benchmark::State& state, const Table& table, const Clients& clients) {
  for (auto _ : state) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kClients; ++i) sum += table.find(clients[i]).ranking.value();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kClients));
  state.counters["table_bytes"] = static_cast<double>(table.memory_bytes());
}

// Sixty-four at once, as a batch of datagrams asks.
void look_up_each(benchmark::State& state, const PrefixTable& table, const Clients& clients) {
  constexpr std::size_t kBatch = 64;
  std::vector<Address> addresses;
  for (std::size_t i = 0; i < kClients; ++i) addresses.push_back(clients[i]);
  std::array<Leaf, kBatch> leaves;
  for (auto _ : state) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kClients; i += kBatch) {
      table.find_each(std::span(addresses).subspan(i, kBatch), leaves);
      for (const Leaf& leaf : leaves) sum += leaf.ranking.value() + leaf.block_length;
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kClients));
  state.counters["table_bytes"] = static_cast<double>(table.memory_bytes());
}

// Each look-up waits for the one before: no ranking has the highest bit, but the compiler must not
// know that.
template <class Table>
void look_up_dependent(benchmark::State& state, const Table& table, const Clients& clients) {
  std::size_t at = 0;
  for (auto _ : state) {
    std::uint32_t ranking = table.find(clients[at]).ranking.value();
    asm volatile("" : "+r"(ranking));
    at = (at + 1 + (ranking >> 31)) % kClients;
  }
  benchmark::DoNotOptimize(at);
  state.SetItemsProcessed(state.iterations());
}

const std::vector<PrefixRow>& rows() {
  static const std::vector<PrefixRow> rows = internet_rows(std::getenv("ISOCHRONE_PREFIXES"));
  return rows;
}
const PrefixTable& table() {
  static const PrefixTable table = PrefixTable::build(rows(), kOtherwise);
  return table;
}
const BinaryTrie& trie() {
  static const BinaryTrie trie(rows());
  return trie;
}
const Dir24& dir24() {
  static const Dir24 dir(rows());
  return dir;
}

template <Family family>
void prefix_table(benchmark::State& state) {
  look_up(state, table(), anywhere(family));
}
template <Family family>
void prefix_table_batch(benchmark::State& state) {
  look_up_each(state, table(), anywhere(family));
}
template <Family family>
void prefix_table_batch_inside(benchmark::State& state) {
  look_up_each(state, table(), inside(rows(), family));
}
template <Family family>
void prefix_table_inside(benchmark::State& state) {
  look_up(state, table(), inside(rows(), family));
}
template <Family family>
void prefix_table_dependent(benchmark::State& state) {
  look_up_dependent(state, table(), inside(rows(), family));
}
void dir_24_8(benchmark::State& state) { look_up(state, dir24(), anywhere(Family::v4)); }
void dir_24_8_dependent(benchmark::State& state) {
  look_up_dependent(state, dir24(), inside(rows(), Family::v4));
}
template <Family family>
void binary_trie(benchmark::State& state) {
  look_up(state, trie(), anywhere(family));
}
template <Family family>
void binary_trie_inside(benchmark::State& state) {
  look_up(state, trie(), inside(rows(), family));
}

void maxminddb(benchmark::State& state) {
  const char* file = std::getenv("ISOCHRONE_MMDB");
  MMDB_s mmdb;
  if (file == nullptr || MMDB_open(file, MMDB_MODE_MMAP, &mmdb) != MMDB_SUCCESS) {
    state.SkipWithError("ISOCHRONE_MMDB names no database");
    return;
  }
  const Clients clients = anywhere(Family::v4);
  for (auto _ : state) {
    for (std::size_t i = 0; i < kClients; ++i) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = static_cast<std::uint32_t>(clients.bits[i] >> 32);
      int error = 0;
      auto found = MMDB_lookup_sockaddr(&mmdb, reinterpret_cast<const sockaddr*>(&address), &error);
      benchmark::DoNotOptimize(found);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kClients));
  MMDB_close(&mmdb);
}

void build(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(PrefixTable::build(rows(), kOtherwise));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows().size()));
  state.counters["table_bytes"] = static_cast<double>(table().memory_bytes());
}

// So many rows get another ranking, and the next table is there; the one before is given up.
void update(benchmark::State& state) {
  static routing::PrefixEditor editor(rows(), kOtherwise);
  Random random(4);
  std::vector<PrefixRow> changes;
  for (std::size_t i = 0; i < kClients; ++i) {
    changes.push_back({rows()[random.below(rows().size())].prefix, random_ranking(random)});
  }
  std::size_t next = 0;
  PrefixTable latest = editor.table();
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      // Another ranking each time round: a row that has it already would cost nothing.
      const PrefixRow& change = changes[next % kClients];
      const std::size_t round = next++ / kClients;
      editor.set(
          change.prefix,
          RankingId(static_cast<std::uint32_t>((change.ranking.value() + round) % kRankings)));
    }
    latest = editor.table();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["table_bytes"] = static_cast<double>(latest.memory_bytes());
  state.counters["editor_bytes"] = static_cast<double>(editor.memory_bytes());
}

BENCHMARK_TEMPLATE(prefix_table, Family::v4);
BENCHMARK_TEMPLATE(prefix_table_batch, Family::v4);
BENCHMARK(dir_24_8);
BENCHMARK_TEMPLATE(binary_trie, Family::v4);
BENCHMARK(maxminddb);
BENCHMARK_TEMPLATE(prefix_table_inside, Family::v4);
BENCHMARK_TEMPLATE(prefix_table_batch_inside, Family::v4);
BENCHMARK_TEMPLATE(prefix_table, Family::v6);
BENCHMARK_TEMPLATE(prefix_table_batch, Family::v6);
BENCHMARK_TEMPLATE(prefix_table_inside, Family::v6);
BENCHMARK_TEMPLATE(prefix_table_batch_inside, Family::v6);
BENCHMARK_TEMPLATE(binary_trie_inside, Family::v6);
BENCHMARK_TEMPLATE(prefix_table_dependent, Family::v4);
BENCHMARK(dir_24_8_dependent);
BENCHMARK_TEMPLATE(prefix_table_dependent, Family::v6);
BENCHMARK(build)->Unit(benchmark::kMillisecond);
BENCHMARK(update)->ArgName("rows")->Arg(1)->Arg(1'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace isochrone::bench
