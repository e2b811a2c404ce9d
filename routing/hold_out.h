// SPDX-License-Identifier: Apache-2.0
//
// Hold-out: a stable share of client networks that is answered as if nothing were measured, so that what
// measuring gains is known and not believed.
//
// Purity:  the same on every machine and for ever: by the network and the service's name alone. Networks
//          longer than what clients are truncated to (/24, /48) go with it.
#pragma once

#include "base/ip.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

bool is_held_out(const Service& service, const Prefix& network);

// Whether the prefix has a say in the service's table: some site of it ever answered, and it is not held out.
bool speaks(const Service& service, const PrefixState& prefix);

}  // namespace isochrone::routing
