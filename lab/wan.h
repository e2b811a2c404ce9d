// SPDX-License-Identifier: Apache-2.0
//
// Wan: how long each packet takes and whether it arrives, now.
//
// Truth:    a site and a client network are rtt() apart; what the matrix or an order says last
// holds
//           from the next packet on.
// Jitter:   added to an answer, exponential with the configured mean: mostly little, sometimes
// much,
//           never negative. Jitter and loss act between sites and client networks only; what moves
//           between the lab's own nodes keeps its order and arrives.
// Threads:  one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "lab/matrix.h"
#include "lab/plan.h"

namespace isochrone::lab {

// Round trip between nodes that stand nowhere in the matrix: a hub within the same city.
constexpr Micros kNearRtt{1'000};

class Wan {
 public:
  struct Options {
    Micros jitter{200};   // mean
    double loss = 0.001;  // of round trips, 0..1
    std::uint64_t seed = 1;
  };

  Wan(const Plan& plan, const RttMatrix& matrix, const Options& options);

  // The round trip a probe of this path would need without jitter; empty: unreachable.
  std::optional<Micros> rtt(std::size_t site, std::size_t network) const;
  std::optional<Micros> original_rtt(std::size_t site, std::size_t network) const;
  void set_rtt(std::size_t site, std::size_t network, Micros rtt);
  void reset_rtt(std::size_t site, std::size_t network);

  double loss(std::size_t site, std::size_t network) const;
  void set_loss(std::size_t site, std::size_t network, double loss);
  void set_loss(double loss);  // of every path

  void set_cut(std::size_t site, bool is_cut) { cut_[site] = is_cut; }
  bool is_cut(std::size_t site) const { return cut_[site]; }

  // After how long a packet from node `from` to client network `network` is answered; empty: never.
  std::optional<Nanos> answer_delay(std::size_t from, std::size_t network);
  // How long a packet from node to node is under way; empty: it does not arrive.
  std::optional<Nanos> forward_delay(std::size_t from, std::size_t to) const;

 private:
  std::size_t path(std::size_t site, std::size_t network) const {
    return site * plan_.networks.size() + network;
  }
  std::optional<Micros> node_rtt(std::size_t from, std::size_t to) const;

  const Plan& plan_;
  const RttMatrix& matrix_;
  const Micros jitter_;
  std::vector<std::optional<Micros>> rtts_;  // site by network
  std::vector<double> losses_;               // site by network
  std::vector<bool> cut_;                    // by site
  Random random_;
};

}  // namespace isochrone::lab
