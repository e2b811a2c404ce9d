// SPDX-License-Identifier: Apache-2.0
//
// RankingSet: orders of sites, each stored once and named by a small id.
//
// Threads:  built by one thread, then immutable.
// Cost:     get() is two loads.
// Limits:   kMaxRankings distinct ones; what would be one more becomes the fallback given with it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/strong.h"
#include "routing/topology.h"

namespace isochrone::routing {

using RankingId = Strong<struct RankingTag, std::uint32_t>;

// Far more than real maps need, and eight times fewer than a leaf of PrefixTable can name.
constexpr std::size_t kMaxRankings = std::size_t{1} << 20;

class RankingSet {
 public:
  // The id of this order. When the set is full, `otherwise`: an order of the same sites, so that an
  // answer is less good but never wrong.
  RankingId intern(std::span<const SiteId> sites, RankingId otherwise);
  std::span<const SiteId> get(RankingId id) const noexcept {
    return {sites_.data() + starts_[id.index()], sites_.data() + starts_[id.index() + 1]};
  }
  std::size_t size() const noexcept { return starts_.size() - 1; }
  std::size_t memory_bytes() const noexcept;

 private:
  std::vector<SiteId> sites_;             // all rankings one after the other
  std::vector<std::uint32_t> starts_{0};  // ranking i is sites_[starts_[i] .. starts_[i + 1])
  std::unordered_multimap<std::size_t, RankingId> by_hash_;
};

}  // namespace isochrone::routing
