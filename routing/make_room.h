// SPDX-License-Identifier: Apache-2.0
//
// Making room: where whole networks overfill a site that parts of them would not, others are moved until
// none is over, if a search finds how.
//
// To find it is as hard as packing bins, so the search is bounded: first single moves that fit, the cheapest
// first; then every chain of moves in which each network moves once. One that exists is found unless kMostWork
// comes first; then the single moves are what remains.
//
// Threads:  pure.
// Cost:     nothing while no site is over; else at most kMostWork looks at a network's offer.
#pragma once

#include <cstddef>

#include "routing/assign.h"

namespace isochrone::routing {

constexpr std::size_t kMostWork = 10'000'000;  // some 50 ms

// Changes sites and loads of an assignment of this problem.
void make_room(const AssignmentProblem& problem, Assignment& assignment);

}  // namespace isochrone::routing
