// SPDX-License-Identifier: Apache-2.0
//
// Interning of rankings.
#include "routing/ranking.h"

#include <algorithm>

#include "base/ip.h"

namespace isochrone::routing {
namespace {

std::size_t hash_of(std::span<const SiteId> sites) {
  std::size_t hash = sites.size();
  for (const SiteId site : sites) hash = hash_bits(hash, site.value());
  return hash;
}

}  // namespace

RankingId RankingSet::intern(std::span<const SiteId> sites, RankingId otherwise) {
  const std::size_t hash = hash_of(sites);
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto known = first; known != last; ++known) {
    if (std::ranges::equal(get(known->second), sites)) return known->second;
  }
  if (size() == kMaxRankings) return otherwise;
  const RankingId id(static_cast<std::uint32_t>(size()));
  sites_.insert(sites_.end(), sites.begin(), sites.end());
  starts_.push_back(static_cast<std::uint32_t>(sites_.size()));
  by_hash_.emplace(hash, id);
  return id;
}

std::size_t RankingSet::memory_bytes() const noexcept {
  // A node of the hash holds its key, the id, a link and the allocator's header: about 40 bytes.
  return sites_.capacity() * sizeof(SiteId) + starts_.capacity() * sizeof(std::uint32_t) +
         by_hash_.size() * 40 + by_hash_.bucket_count() * sizeof(void*);
}

}  // namespace isochrone::routing
