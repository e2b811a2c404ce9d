// SPDX-License-Identifier: Apache-2.0
//
// Interning of rankings.
#include "routing/ranking.h"

#include <algorithm>
#include <bit>

#include "base/ip.h"

namespace isochrone::routing {
namespace {

std::size_t hash_of(std::span<const SiteId> sites, const Marks& marks) {
  std::size_t hash = sites.size();
  for (const SiteId site : sites) hash = hash_bits(hash, site.value());
  if (marks.group_starts != 0) hash = hash_bits(hash, marks.group_starts);
  for (const SiteMask near : marks.near) hash = hash_bits(hash, near);
  return hash;
}

bool are_equal(const Marks& a, const Marks& b) {
  return a.group_starts == b.group_starts && std::ranges::equal(a.near, b.near);
}

}  // namespace

std::size_t Marks::group_end(std::size_t place, std::size_t places) const noexcept {
  if (group_starts == 0) return place + 1;
  const std::uint64_t later = group_starts & ~(~std::uint64_t{0} >> (63 - place));
  return std::min(places, static_cast<std::size_t>(std::countr_zero(later)));
}

RankingId RankingSet::intern(std::span<const SiteId> sites, const Marks& marks,
                             RankingId otherwise) {
  const std::size_t hash = hash_of(sites, marks);
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto known = first; known != last; ++known) {
    const RankingId id = known->second;
    if (std::ranges::equal(get(id), sites) && are_equal(this->marks(id), marks)) return id;
  }
  if (size() == kMaxRankings) return otherwise;
  const RankingId id(static_cast<std::uint32_t>(size()));
  sites_.append(sites);
  starts_.append(static_cast<std::uint32_t>(sites_.size()));
  by_hash_.emplace(hash, id);
  if (marks.group_starts == 0 && marks.near.empty()) return id;
  while (marked_.size() < id.index()) marked_.append(Marked{});
  Marked marked{marks.group_starts, kNoNear};
  if (!marks.near.empty()) marked.near_at = static_cast<std::uint32_t>(near_.size());
  marked_.append(marked);
  near_.append(marks.near);
  return id;
}

Marks RankingSet::marks(RankingId id) const noexcept {
  if (id.index() >= marked_.size()) return {};
  const Marked& marked = marked_[id.index()];
  if (marked.near_at == kNoNear) return {marked.group_starts, {}};
  return {marked.group_starts, std::span(near_.data() + marked.near_at, get(id).size())};
}

RankingSet RankingSet::without_index() const {
  RankingSet copy;
  copy.sites_ = sites_;
  copy.starts_ = starts_;
  copy.marked_ = marked_;
  copy.near_ = near_;
  return copy;
}

std::size_t RankingSet::memory_bytes() const noexcept {
  // A node of the hash holds its key, the id, a link and the allocator's header: about 40 bytes.
  return sites_.capacity() * sizeof(SiteId) + starts_.capacity() * sizeof(std::uint32_t) +
         marked_.capacity() * sizeof(Marked) + near_.capacity() * sizeof(SiteMask) +
         by_hash_.size() * 40 + by_hash_.bucket_count() * sizeof(void*);
}

}  // namespace isochrone::routing
