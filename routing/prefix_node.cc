// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_node.h"

#include <algorithm>

#include "routing/prefix_list.h"

namespace isochrone::routing::node {
namespace {

constexpr std::size_t kGroupHeader = kCells * kCellBytes;

// The leaf with the length of a block of so many slots, each `depth` + 8 bits deep.
Entry with_length(Entry leaf, unsigned depth, unsigned size) {
  return leaf | (depth + 9 - static_cast<unsigned>(std::bit_width(size)));
}

Entry without_length(Entry entry) { return is_leaf(entry) ? entry & ~kLengthMask : entry; }

// Past the last cell's last entry.
std::size_t end_of_group(const std::byte* group) {
  const auto runs = static_cast<unsigned>(std::popcount(starts_of(group, kCells - 1)));
  return entries_of(group, kCells - 1) + runs * sizeof(Entry);
}

}  // namespace

bool is_uniform(const Slots& slots) {
  return is_leaf(slots[0]) &&
         std::all_of(slots.begin(), slots.end(), [&](Entry entry) { return entry == slots[0]; });
}

Entry write_group(PrefixArena& arena, const Slots& slots, unsigned depth) {
  Slots entries;
  std::size_t count = 0;
  std::array<std::uint64_t, kCells> starts{};
  std::array<std::uint32_t, kCells> first{};
  for_each_block(slots, [&](unsigned slot, unsigned size) {
    // A block wider than a cell is the one run of each cell it fills.
    for (unsigned at = slot; at < slot + size; at += kCellSlots) {
      starts[at / kCellSlots] |= std::uint64_t{1} << (at % kCellSlots);
      if (at % kCellSlots != 0) continue;
      first[at / kCellSlots] = static_cast<std::uint32_t>(kGroupHeader + count * sizeof(Entry));
    }
    entries[count++] = is_leaf(slots[slot]) ? with_length(slots[slot], depth, size) : slots[slot];
  });
  const auto place = arena.allocate(units_for(kGroupHeader + count * sizeof(Entry)));
  std::byte* group = arena.at(place)->bytes;
  for (unsigned cell = 0; cell < kCells; ++cell) {
    store(group + cell * kCellBytes, starts[cell]);
    store(group + cell * kCellBytes + sizeof(std::uint64_t), first[cell]);
  }
  std::memcpy(group + kGroupHeader, entries.data(), count * sizeof(Entry));
  return kIsNode | place;
}

Slots read_group(const PrefixUnit* at) {
  const std::byte* group = bytes_of(at);
  Slots slots;
  for (unsigned cell = 0; cell < kCells; ++cell) {
    const std::uint64_t starts = starts_of(group, cell);
    const std::byte* next = group + entries_of(group, cell);
    Entry entry = 0;
    for (unsigned slot = 0; slot < kCellSlots; ++slot) {
      if ((starts >> slot & 1) != 0) {
        entry = without_length(load<Entry>(next));
        next += sizeof(Entry);
      }
      slots[cell * kCellSlots + slot] = entry;
    }
  }
  return slots;
}

Reference write_lone(PrefixArena& arena, Entry leaf) {
  const auto place = arena.allocate(1);
  std::byte* cell = arena.at(place)->bytes;
  store(cell, std::uint64_t{1});
  store(cell + sizeof(std::uint64_t), std::uint32_t{kCellBytes});
  store(cell + kCellBytes, leaf);
  return place;
}

std::uint32_t write_page(PrefixArena& arena, const Slots& slots, unsigned length) {
  std::array<Reference, kSlots> references;
  for_each_block(slots, [&](unsigned slot, unsigned size) {
    Reference reference = slots[slot];
    if (is_leaf(reference)) {
      const bool is_all = size == kSlots;
      reference = write_lone(arena, is_all ? reference | length : with_length(reference, 8, size));
    }
    std::fill_n(references.begin() + slot, size, reference);
  });
  const auto place = arena.allocate(kPageUnits);
  std::memcpy(arena.at(place), references.data(), sizeof(references));
  return place;
}

Entry entry_in_page(const PrefixArena& arena, std::uint32_t page, unsigned slot) {
  const auto* references = bytes_of(arena.at(page));
  const auto reference = load<Reference>(references + slot * sizeof(Reference));
  if ((reference & kIsGroup) != 0) return reference;
  return without_length(load<Entry>(bytes_of(arena.at(reference)) + kCellBytes));
}

void refer_to_group(PrefixArena& arena, std::uint32_t page, unsigned slot, Entry group) {
  store(arena.at(page)->bytes + slot * sizeof(Reference), group);
}

Slots read_page(const PrefixArena& arena, std::uint32_t page) {
  Slots slots;
  std::memcpy(slots.data(), arena.at(page), sizeof(slots));
  for (Entry& slot : slots) {
    if ((slot & kIsGroup) != 0) continue;
    slot = without_length(load<Entry>(bytes_of(arena.at(slot)) + kCellBytes));
  }
  return slots;
}

EntryBytes entry_bytes(const PrefixUnit* at, Entry entry) {
  if (!is_list(entry)) return {kGroupHeader, end_of_group(bytes_of(at))};
  return {sizeof(List), sizeof(List) + count_runs(list_at(at)) * sizeof(Entry)};
}

std::size_t units_of(const PrefixUnit* at, Entry entry) {
  return units_for(entry_bytes(at, entry).end);
}

}  // namespace isochrone::routing::node
