// SPDX-License-Identifier: Apache-2.0
#include "routing/terms.h"

#include <algorithm>
#include <utility>

namespace isochrone::routing {
namespace {

// One block of one region, or a pin.
struct Edge {
  Prefix prefix;
  std::size_t region = 0;  // kPin: none, it is a pin
  bool is_inside = false;
  SiteId pin{0};
};
constexpr std::size_t kPin = ~std::size_t{0};

// What is known of all regions at one place.
struct Place {
  Prefix prefix;
  std::vector<bool> is_inside;  // by region
  std::optional<SiteId> pin;
  SiteMask allowed = 0;  // by the last term laid around, and its pin
  std::optional<SiteId> pinned;
  std::uint32_t term = ~std::uint32_t{0};
};

std::vector<Edge> edges_of(const std::vector<Fence>& fences, const std::vector<Pin>& pins) {
  std::vector<Edge> edges;
  std::size_t region = 0;
  for (const Fence& fence : fences) {
    for (const Region& each : fence.regions) {
      for (const RegionBlock& block : each) {
        edges.push_back({block.prefix, region, block.is_inside, SiteId(0)});
      }
      ++region;
    }
  }
  for (const Pin& pin : pins) edges.push_back({pin.prefix, kPin, true, pin.site});
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& a, const Edge& b) { return a.prefix < b.prefix; });
  return edges;
}

SiteMask allowed_at(const Place& place, SiteMask sites, const std::vector<Fence>& fences) {
  SiteMask allowed = sites;
  auto region = place.is_inside.begin();
  for (const Fence& fence : fences) {
    const auto end = region + static_cast<std::ptrdiff_t>(fence.regions.size());
    const bool is_inside = std::find(region, end, true) != end;
    region = end;
    if (is_inside != (fence.kind == Fence::Kind::only_in)) allowed &= ~fence.sites;
  }
  return allowed != 0 ? allowed : sites;
}

}  // namespace

std::shared_ptr<const Terms> Terms::of(SiteMask sites, const std::vector<Fence>& fences,
                                       const std::vector<Pin>& pins) {
  auto terms = std::make_shared<Terms>();
  std::size_t regions = 0;
  for (const Fence& fence : fences) regions += fence.regions.size();
  std::vector<Place> open;
  const auto settle = [&](Place& place) {
    const SiteMask allowed = allowed_at(place, sites, fences);
    const bool may_pin = place.pin && (allowed & site_bit(*place.pin)) != 0;
    const std::optional<SiteId> pin = may_pin ? place.pin : std::nullopt;
    if (allowed == place.allowed && pin == place.pinned) return;
    terms->rows_.push_back({place.prefix, allowed, pin, place.term});
    place.term = static_cast<std::uint32_t>(terms->rows_.size() - 1);
    place.allowed = allowed;
    place.pinned = pin;
  };
  const std::vector<Edge> edges = edges_of(fences, pins);
  for (auto edge = edges.begin(); edge != edges.end();) {
    const Prefix prefix = edge->prefix;
    while (!open.empty() && !open.back().prefix.contains(prefix)) open.pop_back();
    if (open.empty()) {
      // Outside of everything only-in fences shut their sites out: a whole family is one place.
      const Prefix whole(Address::from_bits(prefix.family(), 0, 0), 0);
      open.push_back({whole, std::vector<bool>(regions, false), {}, sites, {}, ~0U});
      if (prefix != whole) settle(open.back());
    }
    Place place = open.back();
    place.prefix = prefix;
    for (; edge != edges.end() && edge->prefix == prefix; ++edge) {
      if (edge->region == kPin) {
        place.pin = edge->pin;
      } else {
        place.is_inside[edge->region] = edge->is_inside;
      }
    }
    settle(place);
    if (open.back().prefix == prefix) open.pop_back();
    open.push_back(std::move(place));
  }
  // A family that no block is in has its place too.
  for (const Family family : {Family::v4, Family::v6}) {
    const bool has_blocks = std::any_of(edges.begin(), edges.end(), [&](const Edge& edge) {
      return edge.prefix.family() == family;
    });
    if (has_blocks) continue;
    Place place{Prefix(Address::from_bits(family, 0, 0), 0),
                std::vector<bool>(regions, false),
                {},
                sites,
                {},
                ~0U};
    settle(place);
  }
  if (terms->rows_.empty()) return nullptr;
  // Families without blocks come last; there are at most two such rows and neither is around another.
  if (!std::is_sorted(terms->rows_.begin(), terms->rows_.end(),
                      [](const Term& a, const Term& b) { return a.prefix < b.prefix; })) {
    const Term first = terms->rows_.back();
    terms->rows_.pop_back();
    for (Term& term : terms->rows_) term.around += term.around == ~0U ? 0 : 1;
    terms->rows_.insert(terms->rows_.begin(), first);
  }
  return terms;
}

std::span<const Term> Terms::inside(const Prefix& block) const noexcept {
  const auto begin = std::partition_point(rows_.begin(), rows_.end(),
                                          [&](const Term& term) { return term.prefix < block; });
  const auto end = std::partition_point(
      begin, rows_.end(), [&](const Term& term) { return block.contains(term.prefix); });
  return {begin, end};
}

const Term* Terms::around(const Prefix& prefix) const noexcept {
  const auto after = std::partition_point(rows_.begin(), rows_.end(),
                                          [&](const Term& term) { return term.prefix <= prefix; });
  if (after == rows_.begin()) return nullptr;
  // What starts last before it contains it, or lies with it in what does.
  auto index = static_cast<std::uint32_t>(after - rows_.begin() - 1);
  while (index < rows_.size() && !rows_[index].prefix.contains(prefix)) {
    index = rows_[index].around;
  }
  return index < rows_.size() ? &rows_[index] : nullptr;
}

}  // namespace isochrone::routing
