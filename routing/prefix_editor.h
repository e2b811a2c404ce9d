// SPDX-License-Identifier: Apache-2.0
//
// PrefixEditor: rows that change, and prefix tables that follow at the cost of what changed.
//
// Threads:    of one thread; the tables it gives are immutable and independent of what follows.
// Cost:       set() and erase() O(1) but for the rows of one /16 (IPv4) or /32 (IPv6). table(): per
//             changed prefix, that block's rows and the nodes above them (bench_prefix_table has
//             figures). 24 bytes per row beside the table.
// Invariant:  table() finds what PrefixTable::build() of the same rows finds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "routing/prefix_table.h"
#include "routing/prefix_tree.h"

namespace isochrone::routing {

class PrefixEditor {
 public:
  // As PrefixTable::build() takes them.
  PrefixEditor(std::vector<PrefixRow> rows, RankingId otherwise);
  PrefixEditor(const RowSource& rows, RankingId otherwise);

  void set(const Prefix& prefix, RankingId ranking);
  void erase(const Prefix& prefix);
  // What lies in the block becomes these rows, sorted and distinct. The block is longer than
  // PrefixTree::whole_bits().
  void replace(const Prefix& block, std::span<const PrefixRow> rows);
  std::optional<RankingId> find(const Prefix& prefix) const;

  // The table of the rows as they are now.
  PrefixTable table();

  std::size_t size() const noexcept { return size_; }
  std::size_t memory_bytes() const noexcept { return tree_.memory_bytes() + size_ * sizeof(Row); }

 private:
  // A row longer than the block it is kept in.
  struct Row {
    std::uint64_t high;
    std::uint64_t low;
    RankingId ranking;
    std::uint8_t length;

    friend bool operator==(const Row&, const Row&) = default;
    friend bool operator<(const Row& a, const Row& b) {
      if (a.high != b.high) return a.high < b.high;
      return a.low != b.low ? a.low < b.low : a.length < b.length;
    }
  };
  using Block = std::vector<Row>;  // sorted
  // Where the row before was put: in order, the next one mostly belongs there, too.
  struct Recent {
    Prefix block;
    Block* rows = nullptr;
    std::array<Prefix, 3> around{};
    std::array<std::uint32_t*, 3> inside{};
  };

  static bool is_wide(const Prefix& prefix);
  static Row row_of(const Prefix& prefix, RankingId ranking);
  static Prefix block_of(const Prefix& prefix);
  void load(const PrefixRow& row, Recent& recent);
  bool put(const Prefix& prefix, RankingId ranking);  // false: it was so already
  bool take(const Prefix& prefix);
  RankingId around(const Prefix& block) const;
  std::vector<Step> steps_of(const Prefix& part) const;
  std::optional<RankingId> throughout(const Prefix& block) const;
  void count(const Prefix& prefix, bool is_more);
  void rewrite(Family family);

  RankingId otherwise_;
  std::size_t size_ = 0;
  // Rows that hold for whole blocks, and by family and length how many there are.
  std::unordered_map<Prefix, RankingId> wide_;
  std::array<std::array<std::uint32_t, 33>, 2> wide_lengths_{};
  std::unordered_map<Prefix, Block> blocks_;
  // How many rows lie inside each block of 8, 16 and 24 bits.
  std::unordered_map<Prefix, std::uint32_t> inside_;
  std::array<std::vector<Prefix>, 2> changed_;  // since the last table, by family
  PrefixTree tree_;
};

}  // namespace isochrone::routing
