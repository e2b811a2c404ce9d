// SPDX-License-Identifier: Apache-2.0
#include "collector/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"

namespace isochrone::collector {
namespace {

constexpr std::size_t kUsualSites = 20;
// What is called harm: so much worse than geography would have been.
constexpr Micros kHarm{25'000};

// The penalties of one strategy over all draws.
struct Tally {
  std::vector<std::int32_t> micros;
  std::uint64_t harmed = 0;
  std::uint64_t compared = 0;  // with geography
};

double milliseconds(double micros) { return micros / 1'000; }

// The smallest value that at least this share of all does not exceed.
double quantile(const std::vector<std::int32_t>& sorted, double share) {
  const auto rank = std::ceil(share * static_cast<double>(sorted.size()));
  return milliseconds(sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]);
}

std::optional<Summary> summarize(Tally& tally) {
  if (tally.micros.empty()) return std::nullopt;
  std::sort(tally.micros.begin(), tally.micros.end());
  const auto count = static_cast<double>(tally.micros.size());
  Summary summary;
  summary.count = tally.micros.size();
  summary.mean = milliseconds(static_cast<double>(std::accumulate(
                                  tally.micros.begin(), tally.micros.end(), std::int64_t{0})) /
                              count);
  summary.p50 = quantile(tally.micros, 0.50);
  summary.p90 = quantile(tally.micros, 0.90);
  summary.p95 = quantile(tally.micros, 0.95);
  summary.p99 = quantile(tally.micros, 0.99);
  const auto right = std::upper_bound(tally.micros.begin(), tally.micros.end(), 0);
  summary.wrong_share = static_cast<double>(tally.micros.end() - right) / count;
  if (tally.compared > 0) {
    summary.harm_share = static_cast<double>(tally.harmed) / static_cast<double>(tally.compared);
  }
  return summary;
}

void add(std::array<Tally, kStrategies>& tallies, const Payment& payment) {
  const auto& by_map = payment.penalty[static_cast<std::size_t>(Strategy::geo)];
  for (std::size_t i = 0; i < kStrategies; ++i) {
    if (!payment.penalty[i]) continue;
    tallies[i].micros.push_back(static_cast<std::int32_t>(payment.penalty[i]->count()));
    if (!by_map) continue;
    ++tallies[i].compared;
    if (*payment.penalty[i] > *by_map + kHarm) ++tallies[i].harmed;
  }
}

std::size_t site_count(const Experiment& experiment) {
  const RttSlice& shape = experiment.slices.front();
  if (experiment.drawn_sites > 0) return experiment.drawn_sites;
  return shape.rows == shape.columns ? std::min(kUsualSites, shape.rows) : shape.rows;
}

Result<void> check(const Experiment& experiment) {
  if (experiment.slices.empty()) return fail(Errc::invalid, "no slices; give at least one matrix");
  const RttSlice& shape = experiment.slices.front();
  const std::size_t sites =
      experiment.sites.empty() ? site_count(experiment) : experiment.sites.size();
  for (const std::size_t row : experiment.sites) {
    if (row >= shape.rows) {
      return fail(Errc::invalid,
                  fmt::format("no row {}; the matrix has rows 0 to {}", row, shape.rows - 1));
    }
  }
  if (sites > shape.rows) {
    return fail(Errc::invalid, fmt::format("{} sites cannot be drawn from {} rows; ask for fewer",
                                           sites, shape.rows));
  }
  if (sites > routing::kMaxSites) {
    return fail(Errc::limit, fmt::format("{} sites; at most {} can serve, choose with --sites",
                                         sites, routing::kMaxSites));
  }
  if (shape.columns > kMaxClients || experiment.slices.size() > kMaxSlices) {
    return fail(Errc::limit, fmt::format("at most {} columns and {} slices; give fewer",
                                         kMaxClients, kMaxSlices));
  }
  if (shape.rows == shape.columns && sites == shape.columns) {
    return fail(Errc::invalid, "every node is a site, no client is left; ask for fewer sites");
  }
  if (experiment.from_slice > experiment.slices.size()) {
    return fail(Errc::invalid, fmt::format("no slice {}; there are {}, from 1",
                                           experiment.from_slice, experiment.slices.size()));
  }
  const std::size_t places = std::max(shape.rows, shape.columns);
  if (!experiment.coordinates.empty() && experiment.coordinates.size() != places) {
    return fail(Errc::invalid,
                fmt::format("{} coordinates for {} nodes; give one per row of the matrix",
                            experiment.coordinates.size(), places));
  }
  return {};
}

}  // namespace

Result<SimulationInput> input_of(const Experiment& experiment, unsigned draw) {
  if (auto sound = check(experiment); !sound) return tl::unexpected(sound.error());
  const RttSlice& shape = experiment.slices.front();
  SimulationInput input;
  input.slices = experiment.slices;
  input.coordinates = experiment.coordinates;
  input.budget = experiment.budget;
  input.interval = experiment.interval;
  input.rounds = experiment.rounds;
  input.noise = experiment.noise;
  input.seed = experiment.seed + draw;
  Random random(input.seed);
  input.sites = experiment.sites;
  if (input.sites.empty()) {
    std::vector<std::size_t> rows(shape.rows);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    // The head of a Fisher-Yates shuffle.
    for (std::size_t i = 0; i < site_count(experiment); ++i) {
      std::swap(rows[i], rows[i + random.below(rows.size() - i)]);
      input.sites.push_back(rows[i]);
    }
  }
  for (std::size_t column = 0; column < shape.columns; ++column) {
    const bool is_site =
        shape.rows == shape.columns &&
        std::find(input.sites.begin(), input.sites.end(), column) != input.sites.end();
    if (!is_site) input.clients.push_back(column);
  }
  return input;
}

Result<Findings> run_experiment(const Experiment& experiment,
                                const std::function<void(unsigned draw)>& progress) {
  std::array<Tally, kStrategies> tallies;
  Findings findings;
  std::uint64_t measurements = 0;
  std::uint64_t all_paths = 0;
  for (unsigned draw = 0; draw < experiment.draws; ++draw) {
    const auto input = input_of(experiment, draw);
    if (!input) return tl::unexpected(input.error());
    const SimulationResult result = simulate(*input);
    for (const Payment& payment : result.payments) {
      if (payment.slice + std::size_t{1} >= experiment.from_slice) add(tallies, payment);
    }
    measurements += result.measurements;
    all_paths += input->sites.size() * input->clients.size() * input->slices.size();
    findings.sites = input->sites.size();
    findings.clients = input->clients.size();
    findings.draw_sites.push_back(input->sites);
    findings.mesh_measurements += result.mesh_measurements;
    findings.preferences_changed += result.changes;
    findings.late_changes += result.late_changes;
    findings.late_client_seconds += result.late_client_seconds;
    progress(draw);
  }
  for (std::size_t i = 0; i < kStrategies; ++i) findings.strategies[i] = summarize(tallies[i]);
  const auto spend = [&](Strategy strategy, std::uint64_t paths) {
    auto& summary = findings.strategies[static_cast<std::size_t>(strategy)];
    if (summary) summary->measurements = paths;
  };
  spend(Strategy::oracle, all_paths);
  spend(Strategy::isochrone, measurements);
  spend(Strategy::isochrone_before, measurements);
  return findings;
}

}  // namespace isochrone::collector
