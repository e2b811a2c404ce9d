// SPDX-License-Identifier: Apache-2.0
//
// explain: why this client of this service gets the site it gets.
//
// Uses the very table that answers, so an explanation cannot differ from an answer of the same
// generation; state and prior are those the table was compiled from.
// Cost: O(address width) hash look-ups; for people and samples, not for queries.
#pragma once

#include <functional>
#include <optional>

#include "routing/decision.h"
#include "routing/site_states.h"

namespace isochrone::routing {

// What is known of exactly this prefix.
using PrefixFinder = std::function<std::optional<PrefixState>(const Prefix&)>;

Decision explain(const Topology& topology, const RoutingTable& table, const PrefixFinder& find,
                 const GeoPrior* geo, const SiteStates& sites, ServiceId service,
                 const Address& client);
Decision explain(const Topology& topology, const RoutingTable& table, const PerformanceState& state,
                 const GeoPrior* geo, const SiteStates& sites, ServiceId service,
                 const Address& client);

}  // namespace isochrone::routing
