// SPDX-License-Identifier: Apache-2.0
//
// Convert: performance state between routing's ids and events' names.
#pragma once

#include "event/event.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::event {

State to_event(const routing::PrefixState& prefix, const routing::Topology& topology);

// Sites and services that this topology does not know are left out.
routing::PrefixState from_event(const State& state, const routing::Topology& topology);

}  // namespace isochrone::event
