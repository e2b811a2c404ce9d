// SPDX-License-Identifier: Apache-2.0
//
// DecisionReason: why a routed reply was what it was, found afterwards from what decided it.
//
// Threads:  pure; called where the state lives.
#pragma once

#include <optional>

#include "dns/answered_with.h"
#include "dns/demand_table.h"
#include "dns/node_state.h"
#include "dns/snapshot.h"
#include "event/event.h"
#include "routing/geo.h"

namespace isochrone::dns {

// `geo` may be null. `current` and `state` may know more than what decided (`by`), but about this client.
// Nothing when only a user's own address could say who was answered: no event ever has one.
std::optional<event::DecisionSample> decision_sample(const Snapshot& current,
                                                     const NodeState& state,
                                                     const routing::GeoPrior* geo,
                                                     const DecisionCount& decision,
                                                     const AnsweredWith::Snapshot& by);

}  // namespace isochrone::dns
