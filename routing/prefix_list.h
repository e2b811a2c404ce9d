// SPDX-License-Identifier: Apache-2.0
//
// The list, a node of a prefix table that decides sixteen bits where little differs: where its at most
// 16 runs end, then their entries. The length of a leaf's block follows from the ends around it.
//
// Threads:  pure functions over memory that the table owns.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "routing/prefix_node.h"

namespace isochrone::routing::node {

constexpr unsigned kListRuns = 16;  // whose ends are two 16-byte words to compare with

struct List {
  // Of each run but the last: its last slot. The rest is 0xffff, which no slot is beyond.
  std::array<std::uint16_t, kListRuns> ends;

  unsigned run_of(std::uint16_t slot) const noexcept {
    std::uint16_t run = 0;
    for (const std::uint16_t end : ends) run = static_cast<std::uint16_t>(run + (end < slot));
    return run;
  }
  Entry entry(unsigned run) const noexcept {
    return load<Entry>(reinterpret_cast<const std::byte*>(this + 1) + run * sizeof(Entry));
  }
  // Of the widest block around `slot` that stays inside its run: it ends below the highest bit in
  // which `slot` differs from either neighbour. Without a neighbour that is bit 16.
  unsigned block_bits(unsigned run, std::uint16_t slot) const noexcept {
    const std::uint32_t before = run == 0 ? 0x1'ffffU : ends[run - 1];
    const std::uint32_t after = std::uint32_t{ends[run]} + 1;
    const auto differs = [slot](std::uint32_t other) {
      return static_cast<unsigned>(std::bit_width(slot ^ other)) - 1;
    };
    return std::min(differs(before), differs(after));
  }
};

inline const List& list_at(const PrefixUnit* at) noexcept {
  return *reinterpret_cast<const List*>(at->bytes);
}

// `ends` of all runs but the last.
Entry write_list(PrefixArena& arena, std::span<const std::uint16_t> ends,
                 std::span<const Entry> entries);
unsigned count_runs(const List& list);

}  // namespace isochrone::routing::node
