// SPDX-License-Identifier: Apache-2.0
//
// Policy: from estimates to an order of sites, and when an order may change.
//
// Pure functions: state in, order out. The collector alone decides preferences (decide_preferences)
// and sends them in `state` events; every compiler derives rankings from them (rank_sites), so that
// a collector and any number of DNS nodes agree on every answer.
#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Expected time to be served over this path, lower is better: the objective's RTT, worsened by the loss that
// chance does not explain (each lost packet costs a retransmission timeout, RFC 6298: initially
// 1 s), or, for throughput, by how much slower it carries a download. A path that never answered is worse than any other.
Micros score(const Estimate& estimate, Objective objective = Objective::p50);

// How likely the first of two paths that answered is really the better, as far as their samples tell: 0..1.
double chance_better(const Estimate& a, const Estimate& b, Objective objective);

// Whether any site of the service ever answered from this prefix: only then does the prefix speak
// in the service's table.
bool is_measured(const Service& service, const PrefixState& prefix);

// Re-decides the preferred site of each service for one prefix. The incumbent stays unless it has
// no answers or is down, or the best beats it by more than the service's min_gain and
// min_gain_share, whichever is larger, and the noise of both medians on top, and has done so for the
// service's dwell. A gain that is harm to miss (25 ms) does not wait, nor does any in the first minute
// of a preference; a preference that changed four times within the hour waits five minutes for
// whatever gain. Paths count as they are expected to be at `now` (routing/habit): what was not measured
// for long has returned in part to what it usually is. A site that light could not reach from where
// most others see the client is not chosen. Who is placed is there without ado, while that site is up
// and answers. Sites outside `up` are not chosen while any site of the service is up. Returns
// whether a preference changed.
bool decide_preferences(PrefixState& prefix, const Topology& topology, SiteMask up, Instant now,
                        const Persistence& persistence = {});
// The same by paths that are expected otherwise than `prefix` has them: those of `seen`.
bool decide_preferences(PrefixState& prefix, const PrefixState& seen, const Topology& topology,
                        SiteMask up, Instant now);

// What is expected of the paths at `now`; none when every one was measured so lately that it is what it was.
std::optional<PrefixState> as_expected(const PrefixState& prefix, Instant now,
                                       const Persistence& persistence);

// The sites of a service in order for a prefix: preferred first, then those that answered by score,
// then those not measured as `fallback` orders them, then those that were measured in vain.
// `fallback` is a permutation of the service's sites, and so is the result; ties keep its order.
// With merge_within, sites that answered and differ by less stand in the service's order: at each
// place at most that much is lost against what would stand there.
std::vector<SiteId> rank_sites(const Service& service, ServiceId id, const PrefixState& prefix,
                               const std::vector<SiteId>& fallback);

// The service's sites from the nearest on the map; those without a location follow in the service's
// order. What geography alone would answer.
std::vector<SiteId> by_distance(const Service& service, const Topology& topology,
                                const Location& from);

}  // namespace isochrone::routing
