// SPDX-License-Identifier: Apache-2.0
//
// The exact optimum of an assignment, as a linear program solved by COIN-OR Clp: an independent oracle.
#pragma once

#include <optional>

#include "routing/assign.h"

namespace isochrone::routing::testing {

// Demand times cost, what is beyond commits included; none when the capacities do not suffice.
std::optional<double> least_cost(const AssignmentProblem& problem);

}  // namespace isochrone::routing::testing
