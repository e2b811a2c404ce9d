// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_list.h"

namespace isochrone::routing::node {

Entry write_list(PrefixArena& arena, std::span<const std::uint16_t> ends,
                 std::span<const Entry> entries) {
  const auto place = arena.allocate(units_for(sizeof(List) + entries.size() * sizeof(Entry)));
  List list;
  list.ends.fill(0xffff);
  std::copy(ends.begin(), ends.end(), list.ends.begin());
  std::byte* at = arena.at(place)->bytes;
  store(at, list);
  std::memcpy(at + sizeof(List), entries.data(), entries.size() * sizeof(Entry));
  return kIsNode | kIsList | place;
}

unsigned count_runs(const List& list) {
  const auto* last = std::find(list.ends.begin(), list.ends.end(), std::uint16_t{0xffff});
  return static_cast<unsigned>(last - list.ends.begin()) + 1;
}

}  // namespace isochrone::routing::node
