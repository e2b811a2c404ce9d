// SPDX-License-Identifier: Apache-2.0
//
// DecisionReason: why a routed reply was what it was, found afterwards from what decided it.
//
// Threads:  pure; called where the state lives.
#pragma once

#include "dns/demand_table.h"
#include "dns/node_state.h"
#include "dns/snapshot.h"
#include "event/event.h"
#include "routing/geo.h"

namespace isochrone::dns {

// `geo` may be null. A reason can be given only by the table that decided, so `snapshot` must have it.
event::DecisionSample decision_sample(const Snapshot& snapshot, const NodeState& state,
                                      const routing::GeoPrior* geo, const DecisionCount& decision);

}  // namespace isochrone::dns
