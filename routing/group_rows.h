// SPDX-License-Identifier: Apache-2.0
//
// GroupRows: the rows of services that rank alike: a measured prefix over a covering one over the map.
//
// Terms:      each row has the order that speaks there without the sites that its fences shut out, a pinned one
//             first; where fences and pins begin is a row of its own. What is held out has the map's order.
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
  // Those in `block`, from the prefixes known in it and those around it that speak, the widest first.
  std::vector<PrefixRow> inside(const Prefix& block, const std::vector<PrefixState>& around,
                                const PrefixSource& prefixes);

 private:
  // A measured prefix around the current place, and its order before terms.
  struct Open {
    PrefixRow row;
    std::optional<PrefixState> known;  // where orders by terms need it
  };

  void walk(const PrefixSource& prefixes, const std::function<void(const PrefixRow&)>& take);
  void lay_before(const Prefix* next);
  void lay_network();
  void lay_term();
  void lay_measured(const PrefixState& known);
  void lay_held_out(const Prefix& prefix);
  void lay(const Prefix& prefix, RankingId order, const PrefixState* measured);
  void open(const PrefixState& known);
  RankingId order_of(const PrefixState& known, RankingId around);
  RankingId rank(const PrefixState& known, RankingId around);
  RankingId order_around(const Prefix& prefix);
  const Open* measured_around(const Prefix& prefix);
  RankingId order_at(const GeoPrior::Network& network);
  RankingId mapped_order(const Prefix& prefix);
  RankingId within(const Term& term, RankingId order, const PrefixState* measured);
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
  std::span<const Term> terms_;                                // not yet laid out
  std::unordered_map<std::uint64_t, RankingId> by_term_;  // the order, and the place of the term
  std::vector<Open> open_;
  const std::function<void(const PrefixRow&)>* take_ = nullptr;  // of the walk under way
  std::optional<Prefix> last_;                                   // row of it
};

}  // namespace isochrone::routing
