// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable: the longest prefix around an address: its ranking, and the block that shares it.
//
// Threads:    immutable once built; any number of readers, no locks.
// Ownership:  owns its nodes; keeps nothing of what it was built from.
// Cost:       find() reads a bounded number of cache lines and allocates nothing.
// Invariant:  every address has a leaf: the default is always present. block_length is the shortest
//             length L such that all addresses sharing the first L bits have the same ranking: the
//             widest correct scope (RFC 7871 section 7.2.1: scopes never overlap other answers).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ip.h"
#include "routing/ranking.h"

namespace isochrone::routing {

struct PrefixRow {
  Prefix prefix;
  RankingId ranking;
};

struct Leaf {
  RankingId ranking;
  std::uint8_t block_length = 0;
};

class PrefixTable {
 public:
  // `rows` in any order; of equal prefixes the last counts. `otherwise` fills what no row covers.
  static PrefixTable build(std::vector<PrefixRow> rows, RankingId otherwise);

  Leaf find(const Address& client) const noexcept;

  std::size_t memory_bytes() const noexcept;

 private:
  // The structure is routing/prefix_table.cc's business; replace these members freely.
  struct Node;
  std::vector<std::uint64_t> nodes_;
};

}  // namespace isochrone::routing
