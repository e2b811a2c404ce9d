// SPDX-License-Identifier: Apache-2.0
//
// PrefixTable: the longest prefix around an address: its ranking, and the block that shares it.
//
// Threads:    immutable; any number of readers, no locks. Cheap to copy: copies share the nodes.
// Ownership:  holds on to the memory its nodes lie in; keeps nothing of what it was built from.
// Cost:       find() reads at most four cache lines for an IPv4 block of /24 or wider, two of which
//             stay near the core, without a branch that depends on the address; for each further
//             eight or sixteen bits at most two more. It allocates nothing (bench_prefix_table has
//             figures).
// Invariant:  every address has a leaf: the default is always present. block_length is the shortest
//             length L such that all addresses sharing the first L bits have the same ranking: the
//             widest correct scope (RFC 7871 section 7.2.1: scopes never overlap other answers).
//
// docs/decisions/0001-prefix-table.md says why it is built so. PrefixTree writes it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ip.h"
#include "routing/prefix_arena.h"
#include "routing/prefix_steps.h"
#include "routing/ranking.h"

namespace isochrone::routing {

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
  // The same for each of many clients; `leaves` are at least as many. Their waits for memory overlap.
  void find_each(std::span<const Address> clients, std::span<Leaf> leaves) const noexcept;

  std::size_t memory_bytes() const noexcept;

 private:
  friend class PrefixTree;
  // What one version of the tree is read from; where the nodes may be written over once it is gone.
  struct Root {
    const PrefixUnit* units = nullptr;
    std::array<std::array<std::uint32_t, 256>, 2> pages{};  // by family, by the first eight bits
    std::shared_ptr<const PrefixArena::Block> block;
    std::shared_ptr<std::atomic<bool>> is_gone;

    Root() = default;
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;
    ~Root() {
      if (is_gone) is_gone->store(true, std::memory_order_release);
    }
  };

  // Where the first 24 bits of an address are decided.
  struct Cell {
    const std::byte* group;
    const std::byte* cell;

    const std::byte* entry_of(const Address& client) const noexcept;
  };
  Cell cell_of(const Address& client) const noexcept;
  void find_together(std::span<const Address> clients, std::span<Leaf> leaves) const noexcept;

  explicit PrefixTable(std::shared_ptr<const Root> root) : root_(std::move(root)) {}

  std::shared_ptr<const Root> root_;
};

}  // namespace isochrone::routing
