// SPDX-License-Identifier: Apache-2.0
//
// PrefixWriter: a prefix tree written from rows that come in order, one after the other.
//
// Threads:    of one thread; the tree outlives it.
// Cost:       one walk over the rows. Only those of one block of sixteen bits are held at a time, so that
//             the peak of a build is about the table itself, however many rows there are, and add() is
//             never long.
#pragma once

#include <cstddef>
#include <vector>

#include "routing/prefix_steps.h"
#include "routing/prefix_tree.h"

namespace isochrone::routing {

class PrefixWriter {
 public:
  // Into a tree in which nothing is written. `otherwise` fills what no row covers.
  PrefixWriter(PrefixTree& tree, RankingId otherwise);

  // Sorted; of equal ones the last counts.
  void add(const PrefixRow& row);
  // Once, after the last row.
  void finish();

 private:
  void write_up_to(std::size_t block);

  PrefixTree& tree_;
  std::vector<RankingId> around_;  // of each block, by the rows that are wider
  std::size_t next_ = 0;           // the block not yet written
  std::vector<PrefixRow> rows_;    // in it
};

}  // namespace isochrone::routing
