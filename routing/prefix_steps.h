// SPDX-License-Identifier: Apache-2.0
//
// Steps: nested rows flattened into the sorted addresses at which the ranking changes.
//
// Threads:  pure functions.
// Cost:     flatten() is one walk over its rows, and so is sort_rows() where they are sorted.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/ip.h"
#include "routing/ranking.h"

namespace isochrone::routing {

struct PrefixRow {
  Prefix prefix;
  RankingId ranking;
};

// Calls its argument with each row: sorted, of equal ones the last counts.
using RowSource = std::function<void(const std::function<void(const PrefixRow&)>&)>;

// An address as one number, the first bit on the wire highest, for either family.
__extension__ using Position = unsigned __int128;
constexpr Position kLastPosition = ~Position{0};
constexpr unsigned kPositionBits = 128;

constexpr Position position_of(const Address& address) {
  return (Position{address.high()} << 64) | address.low();
}

// The last address of the block of `length` bits that starts at `first`.
constexpr Position last_of(Position first, unsigned length) {
  return length == 0 ? kLastPosition : first + ((Position{1} << (kPositionBits - length)) - 1);
}

// From `first` on, up to the next step, addresses have this ranking. Neighbours differ.
struct Step {
  Position first;
  RankingId ranking;
};

// Equal ones stay in their order.
void sort_rows(std::vector<PrefixRow>& rows);

// The steps of the block of `length` bits at `first`, all of whose rows are `rows`: sorted, of one
// family, of equal ones the last counts. `otherwise` holds where none does. The first step is the
// block's first address.
std::vector<Step> flatten(std::span<const PrefixRow> rows, RankingId otherwise, Position first = 0,
                          unsigned length = 0);

}  // namespace isochrone::routing
