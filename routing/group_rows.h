// SPDX-License-Identifier: Apache-2.0
//
// GroupRows: the rows of services that rank alike: a measured prefix over a covering one over the map.
//
// Threads:    of one thread; what it is given outlives it.
// Cost:       all(): a walk over the measured prefixes and the map's networks, an order for each of the
//             former. inside(): the same for what lies in one block.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "routing/arrange.h"
#include "routing/geo.h"
#include "routing/prefix_steps.h"
#include "routing/ranking.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Calls its argument with each known prefix, in order.
using PrefixSource = std::function<void(const std::function<void(const PrefixState&)>&)>;

class GroupRows {
 public:
  // `id` is one of the services: their preferences were decided by the same rule from the same
  // estimates. `geo` may be null.
  GroupRows(const Topology& topology, ServiceId id, const GeoPrior* geo, RankingSet& rankings);

  const Service& service() const noexcept { return service_; }
  RankingId default_order() const noexcept { return default_order_; }

  // Each row in order.
  void all(const PrefixSource& prefixes, const std::function<void(const PrefixRow&)>& take);
  // Those in `block`, from the prefixes known in it and the nearest measured row around it.
  std::vector<PrefixRow> inside(const Prefix& block, const std::optional<PrefixRow>& around,
                                const PrefixSource& prefixes);

 private:
  void lay(const PrefixSource& prefixes, const std::function<void(const PrefixRow&)>& take);
  // The next of the map's networks, unless something measured speaks for it.
  std::optional<PrefixRow> lay_network();
  PrefixRow lay_measured(const PrefixState& known);
  RankingId order_of(const PrefixState& known, RankingId around);
  RankingId rank(const PrefixState& known, RankingId around);
  RankingId order_around(const Prefix& prefix);
  const PrefixRow* measured_around(const Prefix& prefix);
  RankingId order_at(const GeoPrior::Network& network);
  RankingId intern(std::vector<SiteId> ranked, const PrefixState* measured);

  const Topology& topology_;
  ServiceId id_;
  const Service& service_;
  const GeoPrior* geo_;
  RankingSet& rankings_;
  Arranger arranger_;
  RankingId default_order_{0};
  std::span<const GeoPrior::Network> networks_;                // not yet laid out
  std::vector<std::optional<RankingId>> by_location_;          // filled as locations are met
  std::unordered_map<std::uint64_t, RankingId> by_preferred_;  // the order around it, and the site
  std::vector<PrefixRow> open_;  // measured rows around the current place
};

}  // namespace isochrone::routing
