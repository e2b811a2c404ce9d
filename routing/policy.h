// SPDX-License-Identifier: Apache-2.0
//
// Policy: from estimates to an order of sites, and when an order may change.
//
// Pure functions: state in, order out. The collector alone decides preferences (decide_preferences)
// and sends them in `state` events; every compiler derives rankings from them (rank_sites), so that a
// collector and any number of DNS nodes agree on every answer.
#pragma once

#include <vector>

#include "base/time.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Expected time to be served over this path, lower is better: the median, worsened by loss (each
// lost packet costs a retransmission timeout, RFC 6298: at least 1 s initially).
Micros score(const Estimate& estimate);

// Re-decides the preferred site of each service for one prefix. The incumbent stays unless it has no
// estimate or is down, or the best beats it by more than the service's min_gain AND min_gain_share
// AND both paths' noise. Sites outside `up` are not chosen while any site of the service is up.
// Returns whether a preference changed.
bool decide_preferences(PrefixState& prefix, const Topology& topology, SiteMask up);

// The sites of a service in order for a prefix: preferred first, then measured ones by score, then
// the others as `fallback` orders them. A permutation of the service's sites, never empty.
std::vector<SiteId> rank_sites(const Service& service, ServiceId id, const PrefixState& prefix,
                               const std::vector<SiteId>& fallback);

}  // namespace isochrone::routing
