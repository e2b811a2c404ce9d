// SPDX-License-Identifier: Apache-2.0
//
// Searching a prefix table.
#include "routing/prefix_table.h"

#include <algorithm>

#include "routing/prefix_list.h"
#include "routing/prefix_node.h"
#include "routing/prefix_tree.h"
#include "routing/prefix_writer.h"

namespace isochrone::routing {
namespace {

constexpr unsigned kLineUnits = 4;   // of 64 bytes
constexpr unsigned kFirstBits = 24;  // that page, cell and entry decide
// Look-ups that wait together: more than a core has line fetches in flight, and their state stays in
// the first-level cache.
constexpr std::size_t kTogether = 32;

// An address's bits, of which the leading ones are still to be decided.
struct Bits {
  std::uint64_t high;
  std::uint64_t low;

  template <unsigned count>
  std::uint64_t leading() const noexcept {
    return high >> (64 - count);
  }
  template <unsigned count>
  void drop() noexcept {
    high = (high << count) | (low >> (64 - count));
    low <<= count;
  }
};

Leaf leaf_from(node::Entry entry) noexcept {
  return {RankingId(entry >> node::kLengthBits), static_cast<std::uint8_t>(entry)};
}

// On the way down: an entry that names a node `depth` bits deep, and the bits left to decide.
struct Descent {
  node::Entry entry;
  unsigned depth;
  Bits bits;
};

// One node further down; whether that gave the leaf. Inline, so that one look-up keeps its descent in
// registers.
[[gnu::always_inline]] inline bool take(const PrefixUnit* units, Descent& step,
                                        Leaf& leaf) noexcept {
  const PrefixUnit* at = units + (step.entry & node::kPlaceMask);
  if (!node::is_list(step.entry)) {
    const std::uint64_t slot = step.bits.leading<8>();
    step.entry = node::find_in_group(at, slot / node::kCellSlots, slot % node::kCellSlots);
    leaf = leaf_from(step.entry);
    step.bits.drop<8>();
    step.depth += 8;
  } else {
    const node::List& list = node::list_at(at);
    const auto slot = static_cast<std::uint16_t>(step.bits.leading<16>());
    const unsigned run = list.run_of(slot);
    step.entry = list.entry(run);
    step.bits.drop<16>();
    step.depth += 16;
    leaf = {RankingId(step.entry >> node::kLengthBits),
            static_cast<std::uint8_t>(step.depth - list.block_bits(run, slot))};
  }
  return node::is_leaf(step.entry);
}

// From an entry that names a node. Its own function, so that find() saves no registers for it.
[[gnu::noinline]] Leaf find_below(const PrefixUnit* units, node::Entry entry, Bits bits) noexcept {
  Descent step{entry, kFirstBits, bits};
  step.bits.drop<kFirstBits>();
  Leaf leaf;
  while (!take(units, step, leaf)) {
  }
  return leaf;
}

void fetch(const PrefixUnit* units, node::Entry entry) noexcept {
  const PrefixUnit* at = units + (entry & node::kPlaceMask);
  __builtin_prefetch(at);
  __builtin_prefetch(at + kLineUnits);
}

}  // namespace

PrefixTable PrefixTable::build(std::vector<PrefixRow> rows, RankingId otherwise) {
  sort_rows(rows);
  PrefixTree tree;
  PrefixWriter writer(tree, otherwise);
  for (const PrefixRow& row : rows) writer.add(row);
  writer.finish();
  tree.shrink(0);
  return tree.table();
}

inline PrefixTable::Cell PrefixTable::cell_of(const Address& client) const noexcept {
  const Root& root = *root_;
  const std::uint64_t high = client.high();
  const std::uint32_t page = root.pages[client.is_v4() ? 0 : 1][high >> 56];
  const auto reference = node::load<node::Reference>(
      node::bytes_of(root.units + page) + (high >> 48) % node::kSlots * sizeof(node::Reference));
  // Sixteen bits alike are one cell for all, else there are four: no branch, because random clients
  // would have it guessed wrong.
  const std::uint64_t cell = (high >> 46) & (3 * (reference >> 31));
  const std::byte* group = node::bytes_of(root.units + (reference & node::kPlaceMask));
  return {group, group + cell * node::kCellBytes};
}

inline const std::byte* PrefixTable::Cell::entry_of(const Address& client) const noexcept {
  return node::entry_in_cell(group, cell, (client.high() >> 40) % node::kCellSlots);
}

Leaf PrefixTable::find(const Address& client) const noexcept {
  const Cell cell = cell_of(client);
  // The entry lies in the cell's line or, of most groups, in the next: ask for both at once.
  __builtin_prefetch(cell.group + kLineUnits * sizeof(PrefixUnit));
  const auto entry = node::load<node::Entry>(cell.entry_of(client));
  if (node::is_leaf(entry)) return leaf_from(entry);
  return find_below(root_->units, entry, {client.high(), client.low()});
}

void PrefixTable::find_each(std::span<const Address> clients,
                            std::span<Leaf> leaves) const noexcept {
  for (; clients.size() > kTogether; clients = clients.subspan(kTogether)) {
    find_together(clients.first(kTogether), leaves);
    leaves = leaves.subspan(kTogether);
  }
  find_together(clients, leaves);
}

void PrefixTable::find_together(std::span<const Address> clients,
                                std::span<Leaf> leaves) const noexcept {
  const PrefixUnit* const units = root_->units;
  std::array<Cell, kTogether> cells;
  std::array<const std::byte*, kTogether> entries;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    cells[i] = cell_of(clients[i]);
    __builtin_prefetch(cells[i].group);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    entries[i] = cells[i].entry_of(clients[i]);
    __builtin_prefetch(entries[i]);
  }
  std::array<Descent, kTogether> steps;
  std::array<Leaf*, kTogether> wanted;
  std::size_t left = 0;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const auto entry = node::load<node::Entry>(entries[i]);
    leaves[i] = leaf_from(entry);
    if (node::is_leaf(entry)) continue;
    fetch(units, entry);
    steps[left] = {entry, kFirstBits, {clients[i].high(), clients[i].low()}};
    steps[left].bits.drop<kFirstBits>();
    wanted[left++] = &leaves[i];
  }
  // Each round takes all that are still on their way one node down.
  while (left > 0) {
    std::size_t further = 0;
    for (std::size_t i = 0; i < left; ++i) {
      if (take(units, steps[i], *wanted[i])) continue;
      fetch(units, steps[i].entry);
      steps[further] = steps[i];
      wanted[further++] = wanted[i];
    }
    left = further;
  }
}

std::size_t PrefixTable::memory_bytes() const noexcept {
  return sizeof(*this) + sizeof(Root) + root_->block->size() * sizeof(PrefixUnit);
}

}  // namespace isochrone::routing
