// SPDX-License-Identifier: Apache-2.0
//
// RankingSet: orders of sites, each stored once and named by a small id.
//
// Threads:  built by one thread, then immutable.
// Cost:     get() is two loads; at most 2^20 distinct rankings (intern() then gives the default).
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/strong.h"
#include "routing/topology.h"

namespace isochrone::routing {

using RankingId = Strong<struct RankingTag, std::uint32_t>;

class RankingSet {
 public:
  RankingId intern(std::span<const SiteId> sites);
  std::span<const SiteId> get(RankingId id) const noexcept;
  std::size_t size() const noexcept { return starts_.empty() ? 0 : starts_.size() - 1; }

 private:
  std::vector<SiteId> sites_;            // all rankings one after the other
  std::vector<std::uint32_t> starts_;    // ranking i is sites_[starts_[i] .. starts_[i + 1])
  std::unordered_multimap<std::uint64_t, RankingId> by_hash_;
};

}  // namespace isochrone::routing
