// SPDX-License-Identifier: Apache-2.0
//
// blend: what the clients behind a resolver see together, as if they were one network.
//
// Threads:  pure function.
// Exact:    whole numbers, so that every machine blends the same states to the same bytes.
#pragma once

#include <vector>

#include "collector/resolver_map.h"
#include "routing/state.h"

namespace isochrone::collector {

// The least that is told of a resolver: fewer clients than this may be anybody.
constexpr std::uint32_t kLeastTasks = 3;

// One path per site: the means of its estimates, by weight. Where a network was not measured from a site
// that others were, it counts as the worst of its own paths: what is not chosen to be measured is seldom
// near. A site that was measured to less than half of the clients has no path. Empty when less than half
// of the clients were measured at all, or there are fewer than kLeastTasks.
std::vector<routing::PathState> blend(const ResolverMap::Mix& mix,
                                      const routing::PerformanceState& state);

// Whether they say something else: other sites, or a median that moved by a millisecond and a twentieth.
bool differs(const std::vector<routing::PathState>& a, const std::vector<routing::PathState>& b);

}  // namespace isochrone::collector
