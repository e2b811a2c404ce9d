// SPDX-License-Identifier: Apache-2.0
//
// PrefixTree: writes the nodes of prefix tables, and rewrites only what changed from one to the
// next.
//
// A node is never written once a table reads it: a change writes the nodes on its way anew, and
// what they replace is used again when the last table that reads it is gone.
//
// Threads:    of one thread; tables it gave away are read and dropped by any.
// Ownership:  shares its memory with the tables.
// Cost:       write() is a walk over the steps. rewrite() per region: the nodes above it, and all
//             of the /16 (IPv4) or /32 (IPv6) around it, or of the /24 or /40.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "routing/prefix_arena.h"
#include "routing/prefix_node.h"
#include "routing/prefix_table.h"

namespace isochrone::routing {

class PrefixTree {
 public:
  // Blocks of so many bits are rewritten as a whole: deep enough to be small, and no deeper than
  // the first list. Where such a block is a group and what changed in it is small, only the parts of eight
  // bits more that it lies in.
  static constexpr int kWholeBitsV4 = 16;
  static constexpr int kWholeBitsV6 = 32;
  static constexpr int whole_bits(Family family) {
    return family == Family::v4 ? kWholeBitsV4 : kWholeBitsV6;
  }
  // What holds in a block now.
  struct Source {
    // Of a block of whole_bits(), or eight more, at `first`: as flatten() gives it.
    std::function<std::vector<Step>(Position first, unsigned length)> steps;
    // Of one of 8, 16 or 24 bits: the ranking that holds throughout because no row lies inside.
    std::function<std::optional<RankingId>(Position first, unsigned length)> throughout;
  };

  PrefixTree();

  // From scratch, all blocks of sixteen bits in order: as flatten() gives each. PrefixWriter does it.
  void write(Family family, unsigned block, std::span<const Step> steps);
  // Once, after all of both families.
  void finish();
  // What lies in `regions` (of one family, sorted, none inside another) anew.
  void rewrite(Family family, std::span<const Prefix> regions, const Source& source);
  // Gives unused memory back, but for a part of what is used.
  void shrink(double room) { arena_.shrink(room); }

  // The table of what was written so far.
  PrefixTable table();
  std::size_t memory_bytes() const noexcept { return arena_.block()->size() * sizeof(PrefixUnit); }

 private:
  struct Place {
    std::uint32_t at;
    std::uint32_t units;
  };
  // A table given away, and what the next one no longer reads.
  struct Version {
    std::shared_ptr<std::atomic<bool>> is_gone;
    std::uint64_t moves;
    std::vector<Place> garbage;
  };
  struct Top {
    node::Slots slots{};                              // of uniform pages their leaf, else kIsNode
    std::array<std::uint32_t, node::kSlots> pages{};  // where each is; uniform neighbours share
  };
  node::Entry write_node(Position first, unsigned depth, std::span<const Step> steps);
  node::Slots write_slots(Position first, unsigned depth, std::span<const Step> steps);
  bool write_list(Position first, unsigned depth, std::span<const Step> steps, node::Entry& entry);
  void write_uniform_pages(Top& top);
  template <class Call>
  static void for_each_slot(Position first, unsigned depth, std::span<const Prefix> regions,
                            const Call& call);
  void renew_page(Top& top, unsigned slot, Position first, std::span<const Prefix> regions,
                  const Source& source);
  void replace_groups(std::uint32_t& page);
  node::Entry renew(node::Entry old, Position first, unsigned depth,
                    std::span<const Prefix> regions, const Source& source);
  void release(node::Entry entry);      // the node alone
  void release_all(node::Entry entry);  // and what it names
  void release_page(std::uint32_t page);
  void reclaim();

  PrefixArena arena_;
  std::array<Top, 2> tops_;
  node::Slots slots_{};      // of the page that is written from scratch
  unsigned first_list_ = 0;  // lists are written from this depth on
  std::vector<Place> garbage_;
  std::vector<std::pair<unsigned, node::Entry>> renewed_;  // of one page, by slot
  std::deque<Version> versions_;  // oldest first; the last is the current one
};

}  // namespace isochrone::routing
