// SPDX-License-Identifier: Apache-2.0
//
// Rows: which prefixes have a row of their own, when networks are not routed one by one.
//
// What is measured are blocks (/24 and /48 mostly). They begin as one row, the routed prefix around them, and
// are divided from there (division.h). When there are too many rows those go first that save least, by demand
// and milliseconds; until there is room again, rows have to be worth more than these were.
//
// Threads:      one, the core's.
// Determinism:  by blocks, rows, demand and sites that are up alone: no clock, no order of arrival.
// Memory:       a PrefixState for each block besides those of the rows.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <vector>

#include "collector/division.h"
#include "routing/routed_networks.h"

namespace isochrone::collector {

class Rows {
 public:
  // Without networks each block is a start of its own; `most` rows, 0: any number.
  Rows(std::shared_ptr<const routing::RoutedNetworks> networks, std::size_t most)
      : networks_(std::move(networks)), most_(most) {}

  // Otherwise blocks are rows, and none of this is asked.
  bool is_adaptive() const noexcept { return networks_ != nullptr || most_ > 0; }

  // What is measured, by block.
  const routing::PerformanceState& blocks() const noexcept { return blocks_; }
  routing::PrefixState& block(const Prefix& block);
  void forget_the_future(Instant now) { blocks_.forget_the_future(now); }
  // The block has no paths left.
  void forget(const Prefix& block);
  // The routed prefix around it, no wider than what the table rewrites for one change.
  Prefix start_of(const Prefix& block) const;
  Blocks blocks_of(const Prefix& start) const;

  double price() const noexcept { return price_; }
  const std::set<Prefix>& all() const noexcept { return rows_; }
  void laid(const Prefix& row) { rows_.insert(row); }
  void withdrawn(const Prefix& row) { rows_.erase(row); }
  std::vector<Prefix> rows_of(const Prefix& start) const;
  // The longest row around the prefix; the prefix itself when there is none.
  Prefix row_of(const Prefix& prefix) const;
  // A row that an earlier life or another collector laid: what it says goes on as one block, and ages.
  void adopt(const routing::PrefixState& row);

  // Those that have to go because there are too many.
  std::vector<Prefix> too_many(const Ground& ground);
  // Lets cheaper ones in when there is room; called now and then.
  void ease();

 private:
  std::shared_ptr<const routing::RoutedNetworks> networks_;
  std::size_t most_;
  routing::PerformanceState blocks_;
  std::set<Prefix> order_;  // of blocks_
  std::set<Prefix> rows_;
  double price_ = 0;  // query-milliseconds that a row has to save
};

}  // namespace isochrone::collector
