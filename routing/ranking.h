// SPDX-License-Identifier: Apache-2.0
//
// RankingSet: orders of sites, each stored once and named by a small id.
//
// Marks:    what an order alone does not tell, for services that name several sites or share clients by
//           weight (arrange.h). The others have none, and pay nothing for them.
// Threads:  built by one thread; copies without_index() are immutable while it goes on.
// Cost:     get() is two loads.
// Limits:   kMaxRankings distinct ones; what would be one more becomes the fallback given with it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "base/strong.h"
#include "routing/append_only.h"
#include "routing/topology.h"

namespace isochrone::routing {

using RankingId = Strong<struct RankingTag, std::uint32_t>;

// Far more than real maps need, and eight times fewer than a leaf of PrefixTable can name.
constexpr std::size_t kMaxRankings = std::size_t{1} << 20;

struct Marks {
  // Bit i: the site at place i begins a group of equally good ones. 0: every site is its own.
  std::uint64_t group_starts = 0;
  // By place: the sites within the service's spread of the one there, itself included; none: all are.
  std::span<const SiteMask> near;

  // The place behind the group around `place`.
  std::size_t group_end(std::size_t place, std::size_t places) const noexcept;
};

class RankingSet {
 public:
  RankingSet() { starts_.append(0); }

  // The id of this order. When the set is full, `otherwise`: an order of the same sites, so that an
  // answer is less good but never wrong.
  RankingId intern(std::span<const SiteId> sites, RankingId otherwise) {
    return intern(sites, Marks{}, otherwise);
  }
  RankingId intern(std::span<const SiteId> sites, const Marks& marks, RankingId otherwise);
  std::span<const SiteId> get(RankingId id) const noexcept {
    return {sites_.data() + starts_[id.index()], sites_.data() + starts_[id.index() + 1]};
  }
  Marks marks(RankingId id) const noexcept;
  std::size_t size() const noexcept { return starts_.size() - 1; }
  // A copy to be read only, in no time: what tells whether an order is known already is left out.
  RankingSet without_index() const;
  std::size_t memory_bytes() const noexcept;

 private:
  struct Marked {
    std::uint64_t group_starts = 0;
    std::uint32_t near_at = kNoNear;  // in near_, as many as the ranking has sites
  };
  static constexpr std::uint32_t kNoNear = ~std::uint32_t{0};

  AppendOnly<SiteId> sites_;          // all rankings one after the other
  AppendOnly<std::uint32_t> starts_;  // ranking i is sites_[starts_[i] .. starts_[i + 1])
  AppendOnly<Marked> marked_;         // by ranking, up to the last that has marks
  AppendOnly<SiteMask> near_;
  std::unordered_multimap<std::size_t, RankingId> by_hash_;
};

}  // namespace isochrone::routing
