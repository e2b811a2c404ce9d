// SPDX-License-Identifier: Apache-2.0
//
// Experiment: simulations over many draws of sites, and what they come to.
//
// Units:   penalties in milliseconds; shares 0..1.
// Limits:  kMaxSites sites, kMaxClients columns, kMaxSlices slices.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "collector/simulation.h"

namespace isochrone::collector {

constexpr std::size_t kMaxClients = 65'536;  // networks of length 24 in 10.0.0.0/8
constexpr std::size_t kMaxSlices = 65'535;

struct Experiment {
  std::vector<RttSlice> slices;                // all of one shape
  std::vector<routing::Location> coordinates;  // by row and column; may be empty
  std::vector<std::size_t> sites;              // rows; empty: drawn
  std::size_t drawn_sites = 0;  // 0: every row of a matrix that is not square, else 20
  unsigned draws = 1;
  std::uint64_t seed = 1;
  unsigned budget = 0;
  Seconds interval{12 * 3'600};
  unsigned rounds = 5;
  Micros noise{0};
  std::size_t from_slice = 1;  // the first that counts, from 1
};

struct Summary {
  std::uint64_t count = 0;  // of (client, slice) that got an answer with a known RTT
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
  double wrong_share = 0;            // sent to another site than the best
  std::optional<double> harm_share;  // over 25 ms worse than by geography; none without a map
  std::uint64_t measurements = 0;
};

struct Findings {
  std::size_t sites = 0;
  std::size_t clients = 0;                                     // in one draw
  std::array<std::optional<Summary>, kStrategies> strategies;  // none: does not apply
  std::vector<std::vector<std::size_t>> draw_sites;            // rows, by draw
  std::uint64_t mesh_measurements = 0;
  std::uint64_t preferences_changed = 0;
  std::uint64_t late_changes = 0;  // as in SimulationResult
  std::uint64_t late_client_seconds = 0;
};

// What draw number `draw` takes: its sites, and as clients all other nodes.
Result<SimulationInput> input_of(const Experiment& experiment, unsigned draw);

// `progress` is told of every draw that is done. Errors say what of the experiment is impossible.
Result<Findings> run_experiment(const Experiment& experiment,
                                const std::function<void(unsigned draw)>& progress);

}  // namespace isochrone::collector
