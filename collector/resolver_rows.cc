// SPDX-License-Identifier: Apache-2.0
#include "collector/resolver_rows.h"

#include <algorithm>
#include <map>

namespace isochrone::collector {
namespace {

using routing::Estimate;

// What is no change that routing is judged by (ANCHORS: within 1 ms or 5 % of the best).
constexpr Micros kLeastChange{1'000};
constexpr int kLeastChangeShare = 20;

struct Known {
  const routing::PrefixState* state;
  const Estimate* worst;
  std::uint64_t weight;
};

const Estimate* worst_of(const routing::PrefixState& state) {
  const Estimate* worst = nullptr;
  for (const routing::PathState& path : state.paths) {
    if (path.estimate.samples == 0) continue;
    if (worst == nullptr || path.estimate.p50 > worst->p50) worst = &path.estimate;
  }
  return worst;
}

// Sums of times by weight: 32 networks of at most 2^26 us and 2^32 of weight fit 64 bits.
struct Sum {
  std::uint64_t covered = 0;  // the weight of networks that were measured from here
  std::uint64_t samples = 0;
  std::uint64_t min = 0, p50 = 0, p90 = 0, jitter = 0, loss = 0;
  Instant at{};
};

void add(Sum& sum, const Estimate& estimate, std::uint64_t weight) {
  const auto times = [&](Micros time) { return static_cast<std::uint64_t>(time.count()) * weight; };
  sum.min += times(estimate.min);
  sum.p50 += times(estimate.p50);
  sum.p90 += times(estimate.p90);
  sum.jitter += times(estimate.jitter);
  sum.loss += estimate.loss_permille * weight;
}

Estimate mean(const Sum& sum, std::uint64_t weight) {
  const auto micros = [&](std::uint64_t total) {
    return Micros(static_cast<std::int64_t>((total + weight / 2) / weight));
  };
  Estimate estimate;
  estimate.min = micros(sum.min);
  estimate.p50 = micros(sum.p50);
  estimate.p90 = micros(sum.p90);
  estimate.jitter = micros(sum.jitter);
  estimate.loss_permille = static_cast<std::uint16_t>(sum.loss / weight);
  estimate.samples =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(sum.samples / sum.covered, 1));
  estimate.at = sum.at;
  estimate.method = routing::Method::beacon;  // by which alone it is known who they are
  return estimate;
}

}  // namespace

std::vector<routing::PathState> blend(const ResolverMap::Mix& mix,
                                      const routing::PerformanceState& state) {
  std::vector<Known> networks;
  std::uint64_t known = 0;
  const std::uint64_t all = mix.weight();
  for (const ResolverMap::Share& share : mix.shares) {
    const auto* found = state.find(share.network);
    const Estimate* worst = found != nullptr ? worst_of(*found) : nullptr;
    if (worst == nullptr) continue;
    networks.push_back({found, worst, share.weight});
    known += share.weight;
  }
  if (all < std::uint64_t{kLeastTasks} * ResolverMap::kTask || known * 2 < all) return {};
  std::map<routing::SiteId, Sum> sums;
  for (const Known& network : networks) {
    for (const routing::PathState& path : network.state->paths) {
      if (path.estimate.samples == 0) continue;
      Sum& sum = sums[path.site];
      sum.covered += network.weight;
      sum.samples += path.estimate.samples * network.weight;
      sum.at = std::max(sum.at, path.estimate.at);
    }
  }
  std::vector<routing::PathState> paths;
  for (auto& [site, sum] : sums) {
    if (sum.covered * 2 < known) continue;
    for (const Known& network : networks) {
      const Estimate* seen = network.state->find(site);
      const bool has_answered = seen != nullptr && seen->samples > 0;
      add(sum, has_answered ? *seen : *network.worst, network.weight);
    }
    paths.push_back({site, {}, mean(sum, known)});
  }
  return paths;
}

bool differs(const std::vector<routing::PathState>& a, const std::vector<routing::PathState>& b) {
  const auto is_same = [](const routing::PathState& one, const routing::PathState& other) {
    const Micros moved = std::chrono::abs(one.estimate.p50 - other.estimate.p50);
    return one.site == other.site &&
           moved <= std::max(kLeastChange, one.estimate.p50 / kLeastChangeShare);
  };
  return !std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same);
}

}  // namespace isochrone::collector
