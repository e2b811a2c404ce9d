// SPDX-License-Identifier: Apache-2.0
//
// Simulation: the collector's core and the compiler in virtual time, with a matrix as the network.
//
// Demand, targets, measurements, windows, state and tables are those of production: this file only
// plays the world around them, that is DNS nodes that report demand, probers that measure what
// targets name, and the network. What a client pays is looked up in the matrix.
//
// Threads:  one thread; a value. Same input, same output.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/topology.h"

namespace isochrone::collector {

// One time slice of measured RTTs; -1 where nothing was measured.
struct RttSlice {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<std::int32_t> micros;  // row by row

  std::optional<Micros> rtt(std::size_t row, std::size_t column) const {
    const std::int32_t value = micros[row * columns + column];
    return value < 0 ? std::nullopt : std::optional(Micros(value));
  }
};

struct SimulationInput {
  std::span<const RttSlice> slices;
  std::vector<std::size_t> sites;              // rows
  std::vector<std::size_t> clients;            // columns
  std::vector<routing::Location> coordinates;  // by row and column; may be empty
  unsigned budget = 0;                         // paths per client and slice; 0: all
  Seconds interval{12 * 3'600};                // between slices
  std::uint64_t seed = 1;                      // of the order in which clients ask, and of noise
  unsigned rounds = 5;                         // of each slice in which what was named is measured
  Micros noise{0};                             // mean queueing delay of a probe, exponential
};

enum class Strategy : std::uint8_t { oracle, geo, order, isochrone, isochrone_before };
constexpr std::size_t kStrategies = 5;
std::string_view to_string(Strategy strategy);

// What one client got in one slice; only clients whose best site is known are counted.
struct Payment {
  std::uint16_t slice = 0;
  // By strategy; none: the site chosen has no RTT in the matrix, or the strategy does not apply.
  std::array<std::optional<Micros>, kStrategies> penalty;
};

struct SimulationResult {
  std::vector<Payment> payments;
  std::uint64_t measurements = 0;       // paths from sites to clients
  std::uint64_t mesh_measurements = 0;  // paths between sites
  // Changes of preferred sites after the first 600 rounds (an hour) of a slice, and the clients'
  // seconds they came in.
  std::uint64_t late_changes = 0;
  std::uint64_t late_client_seconds = 0;
  std::uint64_t changes = 0;  // of preferred sites, the first of each client included
};

// Each slice: clients ask in groups, targets are measured until no more are named, and every client
// pays for what the table then answers (isochrone) and what it answered before the slice
// (isochrone_before, from the second slice on).
SimulationResult simulate(const SimulationInput& input);

}  // namespace isochrone::collector
