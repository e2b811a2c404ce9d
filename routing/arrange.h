// SPDX-License-Identifier: Apache-2.0
//
// Arranger: orders that say which sites are equally good, and which are near each other.
//
// For:       services that name several sites or share clients by weight. Of the others nothing is
//            changed.
// Equal:     two sites between which the service would not move: the gain is at most its min_gain or
//            min_gain_share. They keep the service's order, so that chance moves no answer between them.
// Distance:  of two sites that answered, the difference of their scores; where one has no estimate, what
//            light takes between the two on the map (100 km a millisecond there and back), which is the
//            most it can differ for any client by distance alone. Of a site that was measured in vain, or
//            that the map does not have, it is not known: it is equal to none and near none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "routing/ranking.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

struct Order {
  std::vector<SiteId> sites;
  std::uint64_t group_starts = 0;
  std::vector<SiteMask> near;

  Marks marks() const noexcept { return {group_starts, near}; }
};

class Arranger {
 public:
  // Both outlive this.
  Arranger(const Topology& topology, const Service& service);

  // `ranked` are sites of the service, the best first; `measured` is what the order was
  // made from, null where nothing was measured. With `is_pinned` the first is equal to none. Cost:
  // O(sites squared).
  Order arrange(std::vector<SiteId> ranked, const PrefixState* measured,
                bool is_pinned = false) const;

 private:
  struct Place;

  Place place_of(SiteId site, const PrefixState* measured) const;
  std::optional<Micros> distance(const Place& from, const Place& to) const;
  bool is_equally_good(const Place& best, const Place& other) const;
  static const Place& best_of(const std::vector<Place>& rest);
  std::vector<Place> take_group(std::vector<Place>& rest, bool is_first, bool is_pinned) const;

  const Service& service_;
  // By places in the service's order; negative: not on the map.
  std::vector<Micros> map_;
};

}  // namespace isochrone::routing
