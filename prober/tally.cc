// SPDX-License-Identifier: Apache-2.0
#include "prober/tally.h"

#include <algorithm>

namespace isochrone::prober {
namespace {

// Above it, a count of losses says that nothing gets through, which no connection that lives does.
constexpr double kMostLost = 0.5;

}  // namespace

Tally::Network* Tally::network_of(const Address& client) {
  const Prefix network = client_network(client);
  const auto found = networks_.find(network);
  if (found != networks_.end()) return &found->second;
  if (networks_.size() >= kMaxNetworks) return nullptr;
  return &networks_[network];
}

// Reservoir sampling: each of those seen is kept with the same probability.
void Tally::keep(Network& network, Micros rtt) {
  ++network.seen;
  if (network.kept.size() < kKept) return network.kept.push_back(rtt);
  const std::uint64_t at = random_.below(network.seen);
  if (at < kKept) network.kept[at] = rtt;
}

// The counts of a connection when it was last listened to; null when there is no room.
Tally::Counts* Tally::counts_of(const Connection& connection) {
  auto known = counts_.find(connection.cookie);
  if (known == counts_.end()) {
    if (counts_.size() >= kMaxConnections) return nullptr;
    // One that is new since the sweep before is young; how old those of the first are, nobody knows.
    const bool is_young = sweep_ > 0;
    const Counts start = is_young ? Counts{} : Counts{connection.segments, connection.repeated, 0};
    known = counts_.emplace(connection.cookie, start).first;
  }
  known->second.sweep = sweep_;
  return &known->second;
}

void Tally::add(const Connection& connection, Millis since) {
  Counts* before = counts_of(connection);
  // What it sends without an answer is counted when the answer comes.
  if (connection.quiet > since) return;
  Network* network = network_of(connection.client);
  if (network == nullptr) return;
  if (before != nullptr) {
    // Counts only grow, but what had arrived after all is taken off when that is noticed.
    network->segments += connection.segments - std::min(before->segments, connection.segments);
    network->repeated += connection.repeated - std::min(before->repeated, connection.repeated);
    *before = {connection.segments, connection.repeated, sweep_};
  }
  network->min = std::min(network->min, connection.min_rtt);
  keep(*network, std::max(connection.min_rtt, connection.rtt - connection.deviation));
}

void Tally::add(const Address& client, Micros rtt) {
  Network* network = network_of(client);
  if (network == nullptr) return;
  network->min = std::min(network->min, rtt);
  keep(*network, rtt);
}

void Tally::end_sweep() {
  std::erase_if(counts_, [this](const auto& each) { return each.second.sweep != sweep_; });
  ++sweep_;
}

// Of n answers and m losses the share lost is m / (n + m), so m = n * share / (1 - share); what is
// left of it after the whole ones is drawn.
std::size_t Tally::losses_beside(std::size_t answers, const Network& network) {
  if (network.segments == 0) return 0;
  const double share = std::min(
      kMostLost, static_cast<double>(network.repeated) / static_cast<double>(network.segments));
  return static_cast<std::size_t>(static_cast<double>(answers) * share / (1 - share) +
                                  random_.unit());
}

void Tally::tell(Instant now, std::uint32_t round, const Campaign::Report& report) {
  for (auto& [prefix, network] : networks_) {
    std::vector<Micros>& kept = network.kept;
    std::sort(kept.begin(), kept.end());
    const std::size_t told = std::min(kTold, kept.size());
    for (std::size_t i = 0; i < told; ++i) {
      Micros rtt = kept[(2 * i + 1) * kept.size() / (2 * told)];
      if (i == 0 && kept.size() >= kForMin) rtt = std::min(network.min, rtt);
      report({prefix, Method::passive, Nanos(rtt), now, round});
    }
    for (std::size_t i = losses_beside(told, network); i > 0; --i) {
      report({prefix, Method::passive, std::nullopt, now, round});
    }
  }
  networks_.clear();
}

}  // namespace isochrone::prober
