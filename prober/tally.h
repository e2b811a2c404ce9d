// SPDX-License-Identifier: Apache-2.0
//
// Tally: what clients' connections said, aggregated per network before it leaves the machine.
//
// Threads:  one at a time.
// Units:    RTTs in Micros.
// RTT:      a connection says max(min_rtt, rtt - deviation): what the path takes, without the delayed
//           acknowledgements that inflate the smoothed RTT (RFC 9293 section 3.8.6.3 allows 0.5 s).
// Loss:     segments sent again per segment, the differences since the sweep before.
// Bounds:   kKept RTTs a network (a fair draw of all), kMaxNetworks, kMaxConnections whose counts are
//           remembered: about 80 MB at most, 6.5 MB for 100 000 connections of 250
//           networks (bench_passive_load).
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "prober/campaign.h"
#include "prober/tcp_diag.h"

namespace isochrone::prober {

class Tally {
 public:
  static constexpr std::size_t kKept = 64;
  // The most answers told of one network at a time: as much as probes tell in as long.
  static constexpr std::size_t kTold = 8;
  // From so many on, the lowest of what is told is the lowest RTT seen.
  static constexpr std::size_t kForMin = 4;
  static constexpr std::size_t kMaxNetworks = 100'000;
  static constexpr std::size_t kMaxConnections = 500'000;

  explicit Tally(std::uint64_t seed) : random_(seed) {}

  // One connection of the sweep in progress. One that was quiet for longer than `since` said all
  // it had to say before.
  void add(const Connection& connection, Millis since);
  // One RTT from elsewhere.
  void add(const Address& client, Micros rtt);
  // Forgets connections that this sweep did not meet. Those met by the first one say nothing about
  // loss until the next: it may be hours old.
  void end_sweep();

  // Tells what was added since the last time: quantiles of the RTTs, and losses so that their share
  // is that of the segments sent again, on average.
  void tell(Instant now, std::uint32_t round, const Campaign::Report& report);

  std::size_t networks() const noexcept { return networks_.size(); }
  std::size_t connections() const noexcept { return counts_.size(); }

 private:
  struct Network {
    std::vector<Micros> kept;
    Micros min = Micros::max();
    std::uint32_t seen = 0;
    std::uint64_t segments = 0;
    std::uint64_t repeated = 0;
  };
  struct Counts {
    std::uint32_t segments = 0;
    std::uint32_t repeated = 0;
    std::uint32_t sweep = 0;
  };
  Network* network_of(const Address& client);
  void keep(Network& network, Micros rtt);
  Counts* counts_of(const Connection& connection);
  std::size_t losses_beside(std::size_t answers, const Network& network);

  Random random_;
  std::unordered_map<Prefix, Network> networks_;
  std::unordered_map<std::uint64_t, Counts> counts_;
  std::uint32_t sweep_ = 0;
};

}  // namespace isochrone::prober
