// SPDX-License-Identifier: Apache-2.0
#include "routing/arrange.h"

#include <algorithm>
#include <utility>

#include "routing/policy.h"

namespace isochrone::routing {
namespace {

// Light in fibre takes a millisecond for 100 km there and back.
constexpr double kMicrosPerKm = 10;
constexpr Micros kNotOnTheMap{-1};

}  // namespace

struct Arranger::Place {
  SiteId site;
  std::size_t index = 0;  // in the service's order
  bool is_measured = false;
  Micros score{0};  // of one that answered; the largest value when it never did

  bool answered() const { return is_measured && score != Micros::max(); }
  bool is_in_vain() const { return is_measured && score == Micros::max(); }
};

Arranger::Arranger(const Topology& topology, const Service& service) : service_(service) {
  if (!service.names_sets()) return;
  for (const SiteId a : service.sites) {
    for (const SiteId b : service.sites) {
      const auto& from = topology.sites[a.index()].location;
      const auto& to = topology.sites[b.index()].location;
      map_.push_back(from && to
                         ? Micros(static_cast<Micros::rep>(distance_km(*from, *to) * kMicrosPerKm))
                         : kNotOnTheMap);
    }
  }
}

Arranger::Place Arranger::place_of(SiteId site, const PrefixState* measured) const {
  const auto& sites = service_.sites;
  Place place{
      site, static_cast<std::size_t>(std::find(sites.begin(), sites.end(), site) - sites.begin())};
  const Estimate* estimate = measured != nullptr ? measured->find(site) : nullptr;
  place.is_measured = estimate != nullptr;
  if (estimate != nullptr) place.score = score(*estimate, service_.objective);
  return place;
}

std::optional<Micros> Arranger::distance(const Place& from, const Place& to) const {
  if (from.is_in_vain() || to.is_in_vain()) return std::nullopt;
  if (from.answered() && to.answered()) return to.score - from.score;
  const Micros mapped = map_[from.index * service_.sites.size() + to.index];
  if (mapped == kNotOnTheMap) return std::nullopt;
  return mapped;
}

bool Arranger::is_equally_good(const Place& best, const Place& other) const {
  if (best.site == other.site) return true;
  const auto apart = distance(best, other);
  if (!apart) return false;
  const auto score = best.answered() ? static_cast<double>(best.score.count()) : 0.0;
  const Micros share(static_cast<Micros::rep>(service_.min_gain_share * score));
  return *apart <= std::max(service_.min_gain, share);
}

// The best score; where the first has none, the first.
const Arranger::Place& Arranger::best_of(const std::vector<Place>& rest) {
  if (!rest.front().answered()) return rest.front();
  return *std::min_element(rest.begin(), rest.end(), [](const Place& a, const Place& b) {
    return std::pair(!a.answered(), a.score) < std::pair(!b.answered(), b.score);
  });
}

std::vector<Arranger::Place> Arranger::take_group(std::vector<Place>& rest, bool is_first,
                                                  bool is_pinned) const {
  const Place first = rest.front();
  const Place best = best_of(rest);
  // One that holds its place against a better one, until moving is worth it, stands alone.
  const bool is_held = is_pinned || !is_equally_good(best, first);
  const auto end = std::stable_partition(rest.begin(), rest.end(), [&](const Place& place) {
    return place.site == first.site || (!is_held && is_equally_good(best, place));
  });
  std::vector<Place> group(rest.begin(), end);
  rest.erase(rest.begin(), end);
  // Where one has all clients, it is the one that was decided on.
  const auto movable = group.begin() + (is_first && service_.weights.empty() ? 1 : 0);
  std::sort(movable, group.end(), [](const Place& a, const Place& b) { return a.index < b.index; });
  return group;
}

Order Arranger::arrange(std::vector<SiteId> ranked, const PrefixState* measured,
                        bool is_pinned) const {
  Order order;
  if (!service_.names_sets()) {
    order.sites = std::move(ranked);
    return order;
  }
  std::vector<Place> rest;
  for (const SiteId site : ranked) rest.push_back(place_of(site, measured));
  std::vector<Place> all;
  while (!rest.empty()) {
    if (!service_.weights.empty()) order.group_starts |= std::uint64_t{1} << all.size();
    const auto group = take_group(rest, all.empty(), is_pinned && all.empty());
    all.insert(all.end(), group.begin(), group.end());
  }
  for (const Place& place : all) order.sites.push_back(place.site);
  if (!service_.spread) return order;
  for (const Place& place : all) {
    SiteMask near = site_bit(place.site);
    for (const Place& other : all) {
      const auto apart = distance(place, other);
      if (apart && *apart <= *service_.spread) near |= site_bit(other.site);
    }
    order.near.push_back(near);
  }
  return order;
}

}  // namespace isochrone::routing
