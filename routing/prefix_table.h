// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable: the longest prefix around an address: its ranking, and the block that shares it.
//
// Threads:    immutable once built; any number of readers, no locks.
// Ownership:  owns its nodes; keeps nothing of what it was built from.
// Cost:       find() reads two cache lines per level, and for an IPv4 block of /24 or wider there is
//             one level; it allocates nothing (bench_prefix_table has figures).
// Invariant:  every address has a leaf: the default is always present. block_length is the shortest
//             length L such that all addresses sharing the first L bits have the same ranking: the
//             widest correct scope (RFC 7871 section 7.2.1: scopes never overlap other answers).
//
// docs/decisions/0001-prefix-table.md says why it is built so.
#pragma once

#include <cstdint>
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

  friend bool operator==(const Leaf&, const Leaf&) = default;
};

class PrefixTable {
 public:
  // `rows` in any order (sorted ones are not sorted again); of equal prefixes the last counts.
  // `otherwise` fills what no row covers.
  static PrefixTable build(std::vector<PrefixRow> rows, RankingId otherwise);

  Leaf find(const Address& client) const noexcept;

  std::size_t memory_bytes() const noexcept;

 private:
  // Decides six address bits: its 64 slots are runs of equal entries, and each run has one entry.
  struct Cell {
    std::uint64_t run_starts = 0;   // bit i: slot i begins a run; bit 0 is always set
    std::uint32_t first_entry = 0;  // index of the first run's entry
  };
  // One family. The first root_bits of an address index the first 2^root_bits cells.
  struct Trie {
    unsigned root_bits = 0;
    std::vector<Cell> cells;
    std::vector<std::uint32_t> entries;  // a leaf, or the index of the cell that decides further
  };
  class Builder;

  PrefixTable() = default;

  Trie v4_;
  Trie v6_;
};

}  // namespace isochrone::routing
