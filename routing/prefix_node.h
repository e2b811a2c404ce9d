// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a prefix table: how an entry, a group of cells, a list and a page lie in memory.
//
// Entry:  32 bits. A leaf is a ranking and the length of the block that shares it; or the place of
//         a node that decides further: a group or a list.
// Group:  decides eight bits. Four cells of twelve bytes, then entries. A cell stands for 64 slots:
//         a bitmap of the slots that begin a run of equal entries, and where its entries begin. A
//         lone cell whose one entry is a leaf stands for a group all alike under a page.
// List:   prefix_list.h.
// Page:   decides eight bits at the top of the tree: 256 references to groups or lone cells.
//
// Threads:  pure functions over memory that the table owns.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "routing/prefix_arena.h"
#include "routing/ranking.h"

namespace isochrone::routing::node {

using Entry = std::uint32_t;
constexpr Entry kIsNode = 1U << 31;
constexpr Entry kIsList = 1U << 30;
constexpr Entry kPlaceMask = kIsList - 1;
constexpr unsigned kLengthBits = 8;
constexpr Entry kLengthMask = (1U << kLengthBits) - 1;

constexpr bool is_leaf(Entry entry) { return (entry & kIsNode) == 0; }
constexpr bool is_list(Entry entry) { return (entry & kIsList) != 0; }
constexpr Entry leaf_of(RankingId ranking) { return ranking.value() << kLengthBits; }

// Of a page: kIsGroup and the place of four cells, or the place of a lone one.
using Reference = std::uint32_t;
constexpr Reference kIsGroup = 1U << 31;

constexpr unsigned kSlots = 256;     // of a group and of a page
constexpr unsigned kCellSlots = 64;  // one machine word
constexpr unsigned kCellBytes = 12;
constexpr unsigned kCells = kSlots / kCellSlots;
constexpr std::size_t kPageUnits = kSlots * sizeof(Reference) / sizeof(PrefixUnit);

template <class T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

void store(std::byte* to, const auto& value) noexcept { std::memcpy(to, &value, sizeof(value)); }

constexpr std::size_t units_for(std::size_t bytes) {
  return (bytes + sizeof(PrefixUnit) - 1) / sizeof(PrefixUnit);
}
inline const std::byte* bytes_of(const PrefixUnit* unit) noexcept { return unit->bytes; }

inline std::uint64_t starts_of(const std::byte* group, unsigned cell) noexcept {
  return load<std::uint64_t>(group + cell * kCellBytes);
}
// In bytes from the group's begin.
inline std::uint32_t entries_of(const std::byte* group, unsigned cell) noexcept {
  return load<std::uint32_t>(group + cell * kCellBytes + 8);
}

// Where the entry of a slot lies.
inline const std::byte* entry_in_cell(const std::byte* group, const std::byte* cell,
                                      std::uint64_t slot) noexcept {
  const std::uint64_t up_to_slot = ~std::uint64_t{0} >> (63 - slot);
  const auto runs = static_cast<unsigned>(std::popcount(load<std::uint64_t>(cell) & up_to_slot));
  return group + load<std::uint32_t>(cell + 8) + (runs - 1) * sizeof(Entry);
}

inline Entry find_in_group(const PrefixUnit* at, std::uint64_t cell, std::uint64_t slot) noexcept {
  const std::byte* group = bytes_of(at);
  return load<Entry>(entry_in_cell(group, group + cell * kCellBytes, slot));
}

// What the 256 slots of a group or page hold: leaves without length, and nodes.
using Slots = std::array<Entry, kSlots>;

// The slots of the largest aligned block that begins at `from` and ends by `end`.
inline unsigned block_at(unsigned from, unsigned end) {
  const unsigned aligned = from == 0 ? kSlots : from & (~from + 1);
  return std::min(aligned, std::bit_floor(end - from));
}

// Calls with the first slot and the size of each block of equal leaves, or single node, in order.
void for_each_block(const Slots& slots, const auto& call) {
  for (unsigned slot = 0; slot < kSlots;) {
    unsigned end = slot + 1;
    while (is_leaf(slots[slot]) && end < kSlots && slots[end] == slots[slot]) ++end;
    while (slot < end) {
      const unsigned size = block_at(slot, end);
      call(slot, size);
      slot += size;
    }
  }
}

// Whether one leaf holds for all.
bool is_uniform(const Slots& slots);
// Writes a group that decides the bits from `depth` on; gives the entry that names it.
Entry write_group(PrefixArena& arena, const Slots& slots, unsigned depth);
Slots read_group(const PrefixUnit* at);

// A lone cell with this leaf, whose length is set.
Reference write_lone(PrefixArena& arena, Entry leaf);
// Writes a page that decides bits 8 to 15; `length` is that of the block around a uniform one.
std::uint32_t write_page(PrefixArena& arena, const Slots& slots, unsigned length);
Slots read_page(const PrefixArena& arena, std::uint32_t page);
// What read_page() has in this slot.
Entry entry_in_page(const PrefixArena& arena, std::uint32_t page, unsigned slot);
// Has a slot of a page that nobody reads yet refer to this group.
void refer_to_group(PrefixArena& arena, std::uint32_t page, unsigned slot, Entry group);

// The entries of the node that `entry` names: where they begin and end, in bytes.
struct EntryBytes {
  std::size_t begin;
  std::size_t end;
};
EntryBytes entry_bytes(const PrefixUnit* at, Entry entry);
std::size_t units_of(const PrefixUnit* at, Entry entry);
void for_each_entry(const PrefixUnit* at, Entry entry, const auto& call) {
  const auto [begin, end] = entry_bytes(at, entry);
  for (std::size_t i = begin; i < end; i += sizeof(Entry)) call(load<Entry>(bytes_of(at) + i));
}

}  // namespace isochrone::routing::node
