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

constexpr unsigned kLineUnits = 4;  // of 64 bytes

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

// From an entry that names a node `depth` bits deep.
Leaf find_below(const PrefixUnit* units, node::Entry entry, Bits bits, unsigned depth) noexcept {
  for (;;) {
    const PrefixUnit* at = units + (entry & node::kPlaceMask);
    if (!node::is_list(entry)) {
      const std::uint64_t slot = bits.leading<8>();
      entry = node::find_in_group(at, slot / node::kCellSlots, slot % node::kCellSlots);
      if (node::is_leaf(entry)) return leaf_from(entry);
      bits.drop<8>();
      depth += 8;
    } else {
      const node::List& list = node::list_at(at);
      const auto slot = static_cast<std::uint16_t>(bits.leading<16>());
      const unsigned run = list.run_of(slot);
      entry = list.entry(run);
      if (node::is_leaf(entry)) {
        const unsigned length = depth + 16 - list.block_bits(run, slot);
        return {RankingId(entry >> node::kLengthBits), static_cast<std::uint8_t>(length)};
      }
      bits.drop<16>();
      depth += 16;
    }
  }
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

Leaf PrefixTable::find(const Address& client) const noexcept {
  const Root& root = *root_;
  const std::uint64_t high = client.high();
  const std::uint32_t page = root.pages[client.is_v4() ? 0 : 1][high >> 56];
  const auto reference = node::load<node::Reference>(
      node::bytes_of(root.units + page) + (high >> 48) % node::kSlots * sizeof(node::Reference));
  // Sixteen bits alike are one cell for all, else there are four: no branch, because random clients
  // would have it guessed wrong.
  const std::uint64_t cell = (high >> 46) & (3 * (reference >> 31));
  const std::uint64_t slot = (high >> 40) % node::kCellSlots;
  const PrefixUnit* group = root.units + (reference & node::kPlaceMask);
  // The entry lies in the cell's line or, of most groups, in the next: ask for both at once.
  __builtin_prefetch(group + kLineUnits);
  const node::Entry entry = node::find_in_group(group, cell, slot);
  if (node::is_leaf(entry)) return leaf_from(entry);
  Bits bits{high, client.low()};
  bits.drop<24>();
  return find_below(root.units, entry, bits, 24);
}

std::size_t PrefixTable::memory_bytes() const noexcept {
  return sizeof(*this) + sizeof(Root) + root_->block->size() * sizeof(PrefixUnit);
}

}  // namespace isochrone::routing
