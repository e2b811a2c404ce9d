// SPDX-License-Identifier: Apache-2.0
//
// divide: which parts of a routed prefix have a row of their own, from the blocks that were measured in it.
//
// A part has one when its blocks are served significantly better by another site than the row around it
// names: by more than min-gain, and by six standard errors of the mean over its blocks of what each loses
// (two, and half of min-gain, to keep one). The loss of a block is the difference of two of its own paths, so that
// blocks may differ in how far they are from everything, and are no less alike.
//
// Purity:  the same blocks, rows, demand and sites give the same rows, in whatever order they came.
// Cost:    blocks times their paths times the levels between start and blocks.
#pragma once

#include <set>
#include <vector>

#include "base/ip.h"
#include "collector/targets.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::collector {

using Blocks = std::vector<const routing::PrefixState*>;  // sorted by prefix

// What a division rests on besides the blocks.
struct Ground {
  const routing::Topology& topology;
  const routing::PerformanceState& rows;  // as they are, with what they prefer
  const std::set<Prefix>& laid;           // their prefixes
  const Targets& targets;                 // what is asked for
  routing::SiteMask up;
  double price;  // query-milliseconds that a row has to save
};

// The rows of a start, without preferences: the widest first, each before those inside it. A row says the mean
// of its blocks, those in rows inside it left out; of a site that they do not know, what the row around it says,
// lowered. None when there are no blocks, or the start is new and not worth its price.
std::vector<routing::PrefixState> divide(const Prefix& start, const Blocks& blocks,
                                         const Ground& ground);

// Query-milliseconds that a row saves against the one around it, or, where none is, any measured site.
double worth_of(const routing::PrefixState& row, const routing::PrefixState* around,
                const Blocks& blocks, const Ground& ground);

// The same, known from a quarter as many answers: what is handed on counts less than what is measured.
routing::Estimate lowered(const routing::Estimate& estimate);

}  // namespace isochrone::collector
