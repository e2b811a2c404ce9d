// SPDX-License-Identifier: Apache-2.0
//
// A full recompute over a million client networks: decide every preference anew, compile the table.
//
// usage: bench_recompute --rtt MATRIX --prefixes FILE [--clients N] [--sites N] [--paths K]
//
// The clients are synthetic: each prefix of FILE (an Internet routing table, one per line) behaves like
// a column of MATRIX drawn at random, all its RTTs scaled alike by up to a tenth and each by up to
// another twentieth. K of its paths are measured: those the predictor chose for its column.
//
// What merge-within saves and costs is told of a fifth of them, all within a /16 (IPv6: /32) drawn to
// the same column: neighbours that differ by those tenths and twentieths.
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <numeric>
#include <string>

#include "base/random.h"
#include "lab/matrix.h"
#include "routing/compile.h"
#include "routing/decision.h"
#include "routing/policy.h"
#include "routing/predict.h"

namespace isochrone::routing {
namespace {

struct Arguments {
  std::string rtt;
  std::string prefixes;
  std::size_t clients = 1'000'000;
  std::size_t sites = 64;
  std::size_t paths = 5;
};

const Instant kNow = from_unix_nanos(1'700'000'000'000'000'000);

SiteId site_at(std::size_t index) { return SiteId(static_cast<std::uint16_t>(index)); }

std::vector<Prefix> read_prefixes(const Arguments& arguments) {
  std::vector<Prefix> prefixes;
  gzFile file = gzopen(arguments.prefixes.c_str(), "rb");
  char line[128];
  while (file != nullptr && gzgets(file, line, sizeof line) != nullptr) {
    line[std::strcspn(line, "\r\n")] = 0;
    if (const auto prefix = Prefix::parse(line)) prefixes.push_back(*prefix);
  }
  if (file != nullptr) gzclose(file);
  return prefixes;
}

// Columns and the sites a client like it is measured from.
struct Model {
  std::vector<std::size_t> sites;
  std::vector<std::size_t> columns;
  std::vector<std::vector<SiteId>> measured;  // by column
};

Model choose_paths(const lab::RttMatrix& matrix, const Arguments& arguments) {
  Random random(1);
  std::vector<std::size_t> nodes(matrix.rows());
  std::iota(nodes.begin(), nodes.end(), std::size_t{0});
  for (std::size_t i = nodes.size(); i > 1; --i) std::swap(nodes[i - 1], nodes[random.below(i)]);
  const auto split = nodes.begin() + static_cast<std::ptrdiff_t>(arguments.sites);
  Model model{{nodes.begin(), split}, {split, nodes.end()}, {}};
  Mesh mesh(arguments.sites);
  for (std::size_t i = 0; i < arguments.sites; ++i) {
    for (std::size_t j = 0; j < arguments.sites; ++j) {
      const auto rtt = matrix.rtt(model.sites[i], model.sites[j]);
      if (rtt) mesh.set(site_at(i), site_at(j), *rtt);
    }
  }
  Predictor predictor(std::vector<std::optional<Location>>(arguments.sites), mesh);
  for (std::size_t c = 0; c < model.columns.size(); ++c) {
    const Prefix name(Address::from_bits(Family::v4, std::uint64_t{c} << 40, 0), 24);
    std::vector<Seen> seen;
    SiteMask left = kAllSites;
    std::vector<SiteId> chosen;
    while (chosen.size() < arguments.paths) {
      const auto site = predictor.next({name, {}, seen}, left);
      if (!site) break;
      left &= ~site_bit(*site);
      chosen.push_back(*site);
      const auto rtt = matrix.rtt(model.sites[site->index()], model.columns[c]);
      if (rtt) seen.push_back({*site, *rtt, {}});
    }
    predictor.learn({name, {}, seen});
    model.measured.push_back(std::move(chosen));
  }
  return model;
}

// CPU time, so that other work of the machine does not count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%*u %zu", &pages) != 1) pages = 0;
  std::fclose(file);
  return pages * 4'096;
}

// What a client like this column sees of the site; the same for the same prefix.
Micros rtt_of(const lab::RttMatrix& matrix, const Model& model, std::size_t column,
              std::size_t site, std::uint64_t prefix_seed) {
  const auto rtt = matrix.rtt(model.sites[site], model.columns[column]);
  Random own(prefix_seed ^ (site << 32));
  Random shared(prefix_seed);
  const double scale = (1 + shared.unit() / 10) * (1 + own.unit() / 20);
  return Micros(std::max<std::int64_t>(
      1, static_cast<std::int64_t>(static_cast<double>(rtt.value_or(Micros(400'000)).count()) *
                                   scale)));
}

// What every client's measured paths see.
PerformanceState measure(const lab::RttMatrix& matrix, const Model& model,
                         const std::vector<Prefix>& prefixes,
                         const std::vector<std::size_t>& columns) {
  PerformanceState state;
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    PrefixState& known = state.at(prefixes[i]);
    for (const SiteId site : model.measured[columns[i]]) {
      Estimate estimate;
      estimate.p50 = rtt_of(matrix, model, columns[i], site.index(), i);
      estimate.min = estimate.p90 = estimate.p50;
      estimate.samples = 60;
      known.set(site, estimate);
    }
  }
  return state;
}

// Blocks with one answer each: what a resolver that asks for everything would keep.
std::size_t count_blocks(const RoutingTable& table, Family family) {
  const int width = family == Family::v4 ? 32 : 64;  // deeper ones are counted as one
  const std::uint64_t end = family == Family::v4 ? 0 : 0x4000'0000'0000'0000;
  std::uint64_t high = family == Family::v4 ? 0 : 0x2000'0000'0000'0000;
  std::size_t blocks = 0;
  do {
    const Leaf leaf = table.find(ServiceId(0), Address::from_bits(family, high, 0));
    const int least = family == Family::v4 ? 0 : 3;
    const int length = std::clamp<int>(leaf.block_length, least, width);
    if (length == 0) return 1;
    high += std::uint64_t{1} << (64 - length);
    ++blocks;
  } while (high != end);
  return blocks;
}

// For each tolerance: blocks, orders, and what the answers cost over the best site that was measured.
void print_merge_trade(const lab::RttMatrix& matrix, const Model& model, Topology topology,
                       std::vector<Prefix> prefixes) {
  std::vector<Prefix> some;
  for (std::size_t i = 0; i < prefixes.size(); i += 5) some.push_back(prefixes[i]);
  std::vector<std::size_t> columns;
  for (const Prefix& prefix : some) {
    const Prefix around(prefix.address(), prefix.family() == Family::v4 ? 16 : 32);
    columns.push_back(Random(std::hash<Prefix>{}(around)).below(model.columns.size()));
  }
  PerformanceState state = measure(matrix, model, some, columns);
  for (const Prefix& prefix : some) {
    decide_preferences(state.at(prefix), topology, kAllSites, kNow);
  }
  const char* comma = "";
  for (const int within_us : {0, 500, 1'000, 2'000, 5'000}) {
    topology.services[0].merge_within = Micros(within_us);
    const auto table = compile_table(topology, state, nullptr, 1);
    std::vector<double> added;
    for (std::size_t i = 0; i < some.size(); ++i) {
      const SiteId best = *state.find(some[i])->preferred(ServiceId(0));
      const SiteId used =
          table->ranking(table->find(ServiceId(0), some[i].address()).ranking).front();
      const Estimate* paid = state.find(some[i])->find(used);
      if (paid == nullptr) continue;  // a longer prefix speaks there
      added.push_back(
          static_cast<double>((paid->p50 - state.find(some[i])->find(best)->p50).count()) / 1'000);
    }
    std::sort(added.begin(), added.end());
    std::printf(
        "%s{\"within_ms\":%.1f,\"blocks\":%zu,\"rankings\":%zu,\"added_mean_ms\":%.3f,"
        "\"added_p99_ms\":%.3f}",
        comma, within_us / 1e3, count_blocks(*table, Family::v4) + count_blocks(*table, Family::v6),
        table->rankings().size(),
        std::accumulate(added.begin(), added.end(), 0.0) / static_cast<double>(added.size()),
        added[added.size() * 99 / 100]);
    comma = ",";
  }
}

int run(const Arguments& arguments) {
  const auto matrix = lab::RttMatrix::read(arguments.rtt);
  std::vector<Prefix> prefixes = read_prefixes(arguments);
  if (!matrix || prefixes.size() < arguments.clients || matrix->rows() <= arguments.sites) {
    std::fprintf(stderr, "cannot read %s, or fewer than %zu prefixes in %s; give both files\n",
                 arguments.rtt.c_str(), arguments.clients, arguments.prefixes.c_str());
    return 1;
  }
  prefixes.resize(arguments.clients);
  const Model model = choose_paths(*matrix, arguments);
  Topology topology;
  topology.services.push_back({"www.example.com", {}});
  for (std::size_t i = 0; i < arguments.sites; ++i) {
    topology.sites.push_back({"s" + std::to_string(i), {}, {}});
    topology.services[0].sites.push_back(site_at(i));
  }
  Random random(2);
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    columns.push_back(random.below(model.columns.size()));
  }
  const std::size_t before = resident_bytes();
  PerformanceState state = measure(*matrix, model, prefixes, columns);
  const std::size_t state_bytes = resident_bytes() - before;
  std::vector<double> decide_s;
  std::vector<double> compile_s;
  std::shared_ptr<const RoutingTable> table;
  for (int round = 0; round < 5; ++round) {
    double start = cpu_seconds();
    for (const Prefix& prefix : prefixes) {
      decide_preferences(state.at(prefix), topology, kAllSites, kNow);
    }
    decide_s.push_back(cpu_seconds() - start);
    start = cpu_seconds();
    table = compile_table(topology, state, nullptr, 1);
    compile_s.push_back(cpu_seconds() - start);
  }
  std::vector<double> penalties;
  for (std::size_t i = 0; i < prefixes.size(); i += 10) {
    // The prefix itself, not a longer one inside it.
    const SiteId* used = state.find(prefixes[i])->preferred(ServiceId(0));
    Micros best = Micros::max();
    for (std::size_t s = 0; s < arguments.sites; ++s) {
      best = std::min(best, rtt_of(*matrix, model, columns[i], s, i));
    }
    const Micros paid = rtt_of(*matrix, model, columns[i], used->index(), i);
    penalties.push_back(static_cast<double>((paid - best).count()) / 1'000);
  }
  std::sort(penalties.begin(), penalties.end());
  std::sort(decide_s.begin(), decide_s.end());
  std::sort(compile_s.begin(), compile_s.end());
  const double mean = std::accumulate(penalties.begin(), penalties.end(), 0.0) /
                      static_cast<double>(penalties.size());
  std::printf(
      "{\"clients\":%zu,\"sites\":%zu,\"paths\":%zu,\"decide_s\":%.3f,\"compile_s\":%.3f,"
      "\"compile_min_s\":%.3f,\"compile_max_s\":%.3f,\"state_bytes\":%zu,\"table_bytes\":%zu,"
      "\"rankings\":%zu,\"mean_ms\":%.3f,\"p95_ms\":%.3f,\"merge\":[",
      prefixes.size(), arguments.sites, arguments.paths, decide_s[2], compile_s[2],
      compile_s.front(), compile_s.back(), state_bytes, table->memory_bytes(),
      table->rankings().size(), mean, penalties[penalties.size() * 95 / 100]);
  print_merge_trade(*matrix, model, topology, prefixes);
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace isochrone::routing

int main(int argc, char** argv) {
  isochrone::routing::Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--rtt") arguments.rtt = value;
    if (name == "--prefixes") arguments.prefixes = value;
    if (name == "--clients") arguments.clients = std::strtoul(value, nullptr, 10);
    if (name == "--sites") arguments.sites = std::strtoul(value, nullptr, 10);
    if (name == "--paths") arguments.paths = std::strtoul(value, nullptr, 10);
  }
  return isochrone::routing::run(arguments);
}
