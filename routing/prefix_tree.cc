// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_tree.h"

#include <algorithm>
#include <cstring>

#include "routing/prefix_list.h"

namespace isochrone::routing {
namespace {

using node::Entry;
using node::Slots;

// Where addresses of this family seldom differ: no random IPv4 client comes to a list.
constexpr unsigned kFirstListV4 = 24;
constexpr unsigned kFirstListV6 = 32;
static_assert(kFirstListV6 >= PrefixTree::kWholeBitsV6);
constexpr unsigned kPageBits = 8;

constexpr Position slot_first(Position first, unsigned slot, unsigned depth) {
  return first + (Position{slot} << (kPositionBits - depth - kPageBits));
}

std::size_t index_of(Family family) { return family == Family::v4 ? 0 : 1; }

bool is_group(Entry entry) { return !node::is_leaf(entry) && !node::is_list(entry); }

// Whether each reaches into a few of the 256 parts of a block only, and no more of them than its rows cost.
bool are_small(std::span<const Prefix> regions, unsigned depth) {
  constexpr std::size_t kMostRegions = 8;
  constexpr unsigned kMostParts = 3;  // as a logarithm
  return regions.size() <= kMostRegions &&
         std::all_of(regions.begin(), regions.end(), [&](const Prefix& region) {
           return static_cast<unsigned>(region.length()) >= depth + kPageBits - kMostParts;
         });
}

// The leaf of a block that a region covers and in which no row lies.
std::optional<Entry> leaf_throughout(Position first, unsigned depth,
                                     std::span<const Prefix> regions,
                                     const PrefixTree::Source& source) {
  if (regions.size() != 1 || static_cast<unsigned>(regions[0].length()) > depth) return {};
  const auto ranking = source.throughout(first, depth);
  return ranking ? std::optional(node::leaf_of(*ranking)) : std::nullopt;
}

}  // namespace

PrefixTree::PrefixTree() = default;

void PrefixTree::write(Family family, unsigned block, std::span<const Step> steps) {
  first_list_ = family == Family::v4 ? kFirstListV4 : kFirstListV6;
  const unsigned inside = block % node::kSlots;
  const unsigned page = block / node::kSlots;
  slots_[inside] =
      write_node(slot_first(slot_first(0, page, 0), inside, kPageBits), 2 * kPageBits, steps);
  if (inside + 1 < node::kSlots) return;
  Top& top = tops_[index_of(family)];
  if (node::is_uniform(slots_)) {
    top.slots[page] = slots_[0];
    return;
  }
  top.slots[page] = node::kIsNode;
  top.pages[page] = node::write_page(arena_, slots_, 0);
}

void PrefixTree::finish() {
  for (Top& top : tops_) write_uniform_pages(top);
}

// The blocks of uniform pages: all of one are the same page, so that a table of few rows is small.
void PrefixTree::write_uniform_pages(Top& top) {
  node::for_each_block(top.slots, [&](unsigned slot, unsigned size) {
    if (!node::is_leaf(top.slots[slot])) return;
    Slots slots;
    slots.fill(top.slots[slot]);
    const unsigned length = kPageBits + 1 - static_cast<unsigned>(std::bit_width(size));
    const auto page = node::write_page(arena_, slots, length);
    std::fill_n(top.pages.begin() + slot, size, page);
  });
}

// `steps`: the one around `first`, and all that begin inside the block.
Entry PrefixTree::write_node(Position first, unsigned depth, std::span<const Step> steps) {
  if (steps.size() == 1) return node::leaf_of(steps[0].ranking);
  Entry list = 0;
  if (depth >= first_list_ && write_list(first, depth, steps, list)) return list;
  return node::write_group(arena_, write_slots(first, depth, steps), depth);
}

Slots PrefixTree::write_slots(Position first, unsigned depth, std::span<const Step> steps) {
  Slots slots;
  std::size_t step = 0;
  for (unsigned slot = 0; slot < node::kSlots; ++slot) {
    const Position begin = slot_first(first, slot, depth);
    const Position last = last_of(begin, depth + kPageBits);
    while (step + 1 < steps.size() && steps[step + 1].first <= begin) ++step;
    std::size_t end = step + 1;
    while (end < steps.size() && steps[end].first <= last) ++end;
    slots[slot] = write_node(begin, depth + kPageBits, steps.subspan(step, end - step));
  }
  return slots;
}

// False, and nothing written, when there are too many runs for a list or too few bits left.
bool PrefixTree::write_list(Position first, unsigned depth, std::span<const Step> steps,
                            Entry& entry) {
  if (depth + 16 > kPositionBits) return false;
  struct Run {
    std::uint16_t end;
    std::span<const Step> steps;
  };
  const unsigned shift = kPositionBits - depth - 16;
  const auto slot_of = [&](Position at) { return static_cast<unsigned>((at - first) >> shift); };
  std::array<Run, node::kListRuns> runs;
  std::size_t count = 0;
  std::size_t step = 0;
  for (unsigned slot = 0; slot <= 0xffff;) {
    if (count == runs.size()) return false;
    const Position begin = first + (Position{slot} << shift);
    while (step + 1 < steps.size() && steps[step + 1].first <= begin) ++step;
    std::size_t end = step + 1;
    while (end < steps.size() && slot_of(steps[end].first) == slot) ++end;
    // A slot in which something changes is a run of its own; what is alike goes on to the next
    // change's slot.
    const unsigned next = end > step + 1        ? slot + 1
                          : end == steps.size() ? 0x1'0000
                                                : slot_of(steps[end].first);
    runs[count++] = {static_cast<std::uint16_t>(next - 1), steps.subspan(step, end - step)};
    slot = next;
  }
  std::array<std::uint16_t, node::kListRuns> ends;
  std::array<Entry, node::kListRuns> entries;
  for (std::size_t i = 0; i < count; ++i) {
    ends[i] = runs[i].end;
    const unsigned begin = i == 0 ? 0 : runs[i - 1].end + 1U;
    entries[i] = write_node(first + (Position{begin} << shift), depth + 16, runs[i].steps);
  }
  entry = node::write_list(arena_, {ends.data(), count - 1}, {entries.data(), count});
  return true;
}

// Calls with each of the block's 256 slots that `regions` reach into, and the regions there.
template <class Call>
void PrefixTree::for_each_slot(Position first, unsigned depth, std::span<const Prefix> regions,
                               const Call& call) {
  const Position last = last_of(first, depth);
  const auto begin_of = [&](const Prefix& region) {
    return std::max(first, position_of(region.address()));
  };
  const auto slot_of = [&](Position at) {
    return static_cast<unsigned>((at - first) >> (kPositionBits - depth - kPageBits));
  };
  for (std::size_t i = 0; i < regions.size();) {
    const auto length = static_cast<unsigned>(regions[i].length());
    const unsigned from = slot_of(begin_of(regions[i]));
    const unsigned to = slot_of(std::min(last, last_of(position_of(regions[i].address()), length)));
    std::size_t end = i + 1;
    // One that reaches over several slots fills them; only smaller ones share a slot.
    while (from == to && end < regions.size() && slot_of(begin_of(regions[end])) == from) ++end;
    for (unsigned slot = from; slot <= to; ++slot) {
      call(slot, slot_first(first, slot, depth), regions.subspan(i, end - i));
    }
    i = end;
  }
}

void PrefixTree::rewrite(Family family, std::span<const Prefix> regions, const Source& source) {
  reclaim();
  first_list_ = family == Family::v4 ? kFirstListV4 : kFirstListV6;
  Top& top = tops_[index_of(family)];
  const Top before = top;
  bool has_uniform_changed = false;
  for_each_slot(0, 0, regions, [&](unsigned slot, Position first, std::span<const Prefix> inside) {
    const Entry old = top.slots[slot];
    renew_page(top, slot, first, inside, source);
    has_uniform_changed |= old != top.slots[slot];
  });
  if (!has_uniform_changed) return;
  for (unsigned slot = 0; slot < node::kSlots; ++slot) {
    const bool is_shared = slot > 0 && before.pages[slot] == before.pages[slot - 1];
    if (node::is_leaf(before.slots[slot]) && !is_shared) release_page(before.pages[slot]);
  }
  write_uniform_pages(top);
}

// Writes the page anew unless nothing changed or it is uniform now.
void PrefixTree::renew_page(Top& top, unsigned slot, Position first,
                            std::span<const Prefix> regions, const Source& source) {
  const bool was_uniform = node::is_leaf(top.slots[slot]);
  std::uint32_t& page = top.pages[slot];
  if (const auto leaf = leaf_throughout(first, kPageBits, regions, source)) {
    if (!was_uniform) {
      for (const Entry entry : node::read_page(arena_, page)) release_all(entry);
      release_page(page);
    }
    top.slots[slot] = *leaf;
    return;
  }
  renewed_.clear();
  bool are_groups = !was_uniform;
  for_each_slot(first, kPageBits, regions,
                [&](unsigned inner, Position begin, std::span<const Prefix> inside) {
                  const Entry old =
                      was_uniform ? top.slots[slot] : node::entry_in_page(arena_, page, inner);
                  const Entry next = renew(old, begin, 2 * kPageBits, inside, source);
                  are_groups = are_groups && !node::is_leaf(old) && !node::is_leaf(next);
                  renewed_.emplace_back(inner, next);
                });
  // Where groups stay groups the leaves around them are what they were.
  if (are_groups) return replace_groups(page);
  Slots before;
  if (was_uniform) {
    before.fill(top.slots[slot]);
  } else {
    before = node::read_page(arena_, page);
  }
  Slots slots = before;
  for (const auto& [inner, entry] : renewed_) slots[inner] = entry;
  if (slots == before) return;
  if (!was_uniform) release_page(page);
  if (node::is_uniform(slots)) {
    top.slots[slot] = slots[0];
    return;
  }
  top.slots[slot] = node::kIsNode;
  page = node::write_page(arena_, slots, 0);
}

// A copy of the page with the groups that were written anew.
void PrefixTree::replace_groups(std::uint32_t& page) {
  garbage_.push_back({page, node::kPageUnits});
  const std::uint32_t copy = arena_.allocate(node::kPageUnits);
  std::memcpy(arena_.at(copy), arena_.at(page), node::kSlots * sizeof(node::Reference));
  for (const auto& [slot, group] : renewed_) node::refer_to_group(arena_, copy, slot, group);
  page = copy;
}

Entry PrefixTree::renew(Entry old, Position first, unsigned depth, std::span<const Prefix> regions,
                        const Source& source) {
  const auto whole =
      static_cast<unsigned>(first_list_ == kFirstListV4 ? kWholeBitsV4 : kWholeBitsV6);
  // A list is written as a whole. A group that would fit a list now remains one until then.
  const bool is_in_parts = depth == whole && is_group(old) && are_small(regions, depth);
  if (depth > whole || (depth == whole && !is_in_parts)) {
    release_all(old);
    return write_node(first, depth, source.steps(first, depth));
  }
  if (const auto leaf = leaf_throughout(first, depth, regions, source)) {
    release_all(old);
    return *leaf;
  }
  Slots before;
  if (node::is_leaf(old)) {
    before.fill(old);
  } else {
    before = node::read_group(arena_.at(old & node::kPlaceMask));
  }
  Slots slots = before;
  for_each_slot(first, depth, regions,
                [&](unsigned slot, Position begin, std::span<const Prefix> inside) {
                  slots[slot] = renew(before[slot], begin, depth + kPageBits, inside, source);
                });
  if (slots == before) return old;
  release(old);
  return node::is_uniform(slots) ? slots[0] : node::write_group(arena_, slots, depth);
}

void PrefixTree::release(Entry entry) {
  if (node::is_leaf(entry)) return;
  const std::uint32_t place = entry & node::kPlaceMask;
  const auto units = node::units_of(arena_.at(place), entry);
  garbage_.push_back({place, static_cast<std::uint32_t>(units)});
}

void PrefixTree::release_all(Entry entry) {
  if (node::is_leaf(entry)) return;
  node::for_each_entry(arena_.at(entry & node::kPlaceMask), entry,
                       [&](Entry named) { release_all(named); });
  release(entry);
}

void PrefixTree::release_page(std::uint32_t page) {
  std::array<node::Reference, node::kSlots> references;
  std::memcpy(references.data(), arena_.at(page), sizeof(references));
  for (std::size_t i = 0; i < references.size(); ++i) {
    const bool is_shared = i > 0 && references[i] == references[i - 1];
    if ((references[i] & node::kIsGroup) == 0 && !is_shared) garbage_.push_back({references[i], 1});
  }
  garbage_.push_back({page, node::kPageUnits});
}

// What no table reads any more: those that read it are gone, or read an earlier block.
void PrefixTree::reclaim() {
  while (versions_.size() > 1) {
    const Version& oldest = versions_.front();
    const bool is_done = oldest.is_gone->load(std::memory_order_acquire);
    if (!is_done && oldest.moves == arena_.moves()) return;
    for (const Place& place : oldest.garbage) arena_.free(place.at, place.units);
    versions_.pop_front();
  }
}

PrefixTable PrefixTree::table() {
  auto root = std::make_shared<PrefixTable::Root>();
  root->units = arena_.at(0);
  for (std::size_t family = 0; family < tops_.size(); ++family) {
    root->pages[family] = tops_[family].pages;
  }
  root->block = arena_.block();
  root->is_gone = std::make_shared<std::atomic<bool>>(false);
  if (!versions_.empty()) versions_.back().garbage = std::exchange(garbage_, {});
  versions_.push_back({root->is_gone, arena_.moves(), {}});
  return PrefixTable(std::move(root));
}

}  // namespace isochrone::routing
