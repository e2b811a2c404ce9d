// SPDX-License-Identifier: Apache-2.0
//
// Building and searching the compressed multibit trie of a PrefixTable.
//
// Nested rows are first flattened into steps: the sorted addresses at which the ranking changes.
// Between two changes lie the largest aligned blocks that fit; those are exactly the widest blocks
// with one ranking, so the scope costs nothing beyond the eight bits it takes in a leaf.
#include "routing/prefix_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

namespace isochrone::routing {
namespace {

// Six bits: one machine word says which of 64 slots begin a run, one popcount finds the entry.
constexpr unsigned kSlotBits = 6;
constexpr unsigned kSlots = 1U << kSlotBits;
// Roots end at 18 or 12 bits, so that levels end at 24 and at 48: the lengths clients come in. The
// wide root takes 4 MiB and pays from a few thousand changes on; small tables build in microseconds.
constexpr unsigned kWideRootBits = 18;
constexpr unsigned kSmallRootBits = 12;
constexpr std::size_t kStepsForWideRoot = 1U << 14;

constexpr std::uint32_t kIsCell = 1U << 31;
constexpr unsigned kLengthBits = 8;
constexpr std::uint32_t kLengthMask = (1U << kLengthBits) - 1;

// An address as one number, the first bit on the wire highest, for either family.
__extension__ using Position = unsigned __int128;
constexpr Position kLastPosition = ~Position{0};
constexpr unsigned kPositionBits = 128;

constexpr Position position_of(const Address& address) {
  return (Position{address.high()} << 64) | address.low();
}

// The last address of the block of `length` bits that starts at `first`.
constexpr Position last_of(Position first, unsigned length) {
  return length == 0 ? kLastPosition : first + ((Position{1} << (kPositionBits - length)) - 1);
}

unsigned trailing_zeros(Position position) {
  const auto low = static_cast<std::uint64_t>(position);
  if (low != 0) return static_cast<unsigned>(std::countr_zero(low));
  return 64 + static_cast<unsigned>(std::countr_zero(static_cast<std::uint64_t>(position >> 64)));
}

// The largest n with 2^n <= count.
unsigned log2_floor(Position count) {
  const auto high = static_cast<std::uint64_t>(count >> 64);
  if (high != 0) return 127 - static_cast<unsigned>(std::countl_zero(high));
  return 63 - static_cast<unsigned>(std::countl_zero(static_cast<std::uint64_t>(count)));
}

// From `first` on, up to the next step, addresses have this ranking. Neighbours differ.
struct Step {
  Position first;
  RankingId ranking;
};

// Appends what holds from `first` on, dropping steps that turn out to be empty or no change.
void step_to(std::vector<Step>& steps, Position first, RankingId ranking) {
  if (!steps.empty() && steps.back().first == first) steps.pop_back();
  if (steps.empty() || steps.back().ranking != ranking) steps.push_back({first, ranking});
}

// `rows` sorted, of one family.
std::vector<Step> flatten(std::span<const PrefixRow> rows, RankingId otherwise) {
  struct Open {
    Position last;
    RankingId ranking;
  };
  std::vector<Step> steps{{0, otherwise}};
  std::vector<Open> open{{kLastPosition, otherwise}};  // the rows around the current place
  const auto close_before = [&](Position first) {
    while (open.back().last < first) {
      const Position after = open.back().last + 1;
      open.pop_back();
      step_to(steps, after, open.back().ranking);
    }
  };
  for (const PrefixRow& row : rows) {
    const Position first = position_of(row.prefix.address());
    close_before(first);
    step_to(steps, first, row.ranking);
    open.push_back({last_of(first, static_cast<unsigned>(row.prefix.length())), row.ranking});
  }
  // What ends with the address space itself has nothing after it.
  while (open.back().last != kLastPosition) close_before(open.back().last + 1);
  return steps;
}

// Walks the largest aligned blocks inside each step, in address order.
class Blocks {
 public:
  explicit Blocks(std::span<const Step> steps) : steps_(steps) { enter(0); }

  Position first() const { return first_; }
  Position last() const { return last_of(first_, length_); }
  unsigned length() const { return length_; }
  std::uint32_t leaf() const { return (steps_[step_].ranking.value() << kLengthBits) | length_; }
  // Past the last block it stays there.
  void advance() {
    if (last() != kLastPosition) enter(last() + 1);
  }

 private:
  void enter(Position first) {
    const bool has_next = step_ + 1 < steps_.size();
    if (has_next && steps_[step_ + 1].first == first) ++step_;
    const Position step_last =
        step_ + 1 < steps_.size() ? steps_[step_ + 1].first - 1 : kLastPosition;
    first_ = first;
    const unsigned aligned = first == 0 ? kPositionBits : trailing_zeros(first);
    const Position count = step_last - first + 1;  // 0 stands for all 2^128
    length_ = kPositionBits - (count == 0 ? aligned : std::min(aligned, log2_floor(count)));
  }

  std::span<const Step> steps_;
  std::size_t step_ = 0;
  Position first_ = 0;
  unsigned length_ = 0;
};

}  // namespace

class PrefixTable::Builder {
 public:
  static Trie build(std::span<const PrefixRow> rows, RankingId otherwise) {
    const std::vector<Step> steps = flatten(rows, otherwise);
    Builder builder(steps);
    const unsigned bits = steps.size() < kStepsForWideRoot ? kSmallRootBits : kWideRootBits;
    builder.trie_.root_bits = bits;
    builder.trie_.cells.resize(std::size_t{1} << bits);
    for (std::uint32_t i = 0; i < (1U << bits); ++i) {
      builder.fill(i, Position{i} << (kPositionBits - bits), bits);
    }
    builder.trie_.cells.shrink_to_fit();
    builder.trie_.entries.shrink_to_fit();
    return std::move(builder.trie_);
  }

 private:
  explicit Builder(std::span<const Step> steps) : blocks_(steps) {}

  // Fills the cell that starts at `first` and decides the six bits from `depth` on. The walk over
  // the blocks stands at the block around `first`, and afterwards at the one after the cell.
  void fill(std::uint32_t cell, Position first, unsigned depth) {
    std::array<std::uint32_t, kSlots> runs;
    std::size_t run_count = 0;
    std::uint64_t run_starts = 0;
    for (unsigned slot = 0; slot < kSlots;) {
      const std::uint32_t entry = entry_of(slot_first(first, slot, depth), depth + kSlotBits);
      if (run_count == 0 || runs[run_count - 1] != entry) {
        runs[run_count++] = entry;
        run_starts |= std::uint64_t{1} << slot;
      }
      slot += slots_covered(entry, depth + kSlotBits);
    }
    trie_.cells[cell] = {run_starts, place({runs.data(), run_count})};
  }

  // The last level of IPv6 reaches past the last bit: there only its slots at whole addresses are
  // ever asked for, and the others repeat them.
  static Position slot_first(Position first, unsigned slot, unsigned depth) {
    const unsigned end = depth + kSlotBits;
    if (end <= kPositionBits) return first + (Position{slot} << (kPositionBits - end));
    return first + (slot >> (end - kPositionBits));
  }

  // How many slots, each `length` bits deep, an entry fills at least: a block starts on a slot.
  static unsigned slots_covered(std::uint32_t entry, unsigned length) {
    if ((entry & kIsCell) != 0) return 1;
    return 1U << std::min(length - (entry & kLengthMask), kSlotBits);
  }

  // What the slot of `length` bits at `first` holds: a leaf, or a cell made for what differs inside.
  std::uint32_t entry_of(Position first, unsigned length) {
    while (blocks_.last() < first) blocks_.advance();
    if (blocks_.length() <= length) return blocks_.leaf();
    const auto cell = static_cast<std::uint32_t>(trie_.cells.size());
    trie_.cells.emplace_back();
    fill(cell, first, length);
    return cell | kIsCell;
  }

  // Stores a cell's entries; a lone one that equals the last stored is shared with it, so that wide
  // blocks cost a cell and no entry.
  std::uint32_t place(std::span<const std::uint32_t> runs) {
    auto& entries = trie_.entries;
    if (runs.size() != 1 || entries.empty() || entries.back() != runs[0]) {
      entries.insert(entries.end(), runs.begin(), runs.end());
    }
    return static_cast<std::uint32_t>(entries.size() - runs.size());
  }

  Blocks blocks_;
  Trie trie_;
};

PrefixTable PrefixTable::build(std::vector<PrefixRow> rows, RankingId otherwise) {
  const auto before = [](const PrefixRow& a, const PrefixRow& b) { return a.prefix < b.prefix; };
  if (!std::is_sorted(rows.begin(), rows.end(), before)) {
    std::stable_sort(rows.begin(), rows.end(), before);
  }
  // Of equal rows the last wins without being singled out: it opens the innermost step.
  const auto v6 = std::find_if(rows.begin(), rows.end(), [](const PrefixRow& row) {
    return row.prefix.family() == Family::v6;
  });
  const auto v4_rows = static_cast<std::size_t>(v6 - rows.begin());
  PrefixTable table;
  table.v4_ = Builder::build(std::span(rows).first(v4_rows), otherwise);
  table.v6_ = Builder::build(std::span(rows).subspan(v4_rows), otherwise);
  return table;
}

Leaf PrefixTable::find(const Address& client) const noexcept {
  const Trie& trie = client.is_v4() ? v4_ : v6_;
  std::uint64_t high = client.high();
  std::uint64_t low = client.low();
  unsigned used = trie.root_bits;
  std::size_t cell_index = high >> (64 - used);
  for (;;) {
    high = (high << used) | (low >> (64 - used));
    low <<= used;
    used = kSlotBits;
    const Cell cell = trie.cells[cell_index];
    const std::uint64_t up_to_slot = ~std::uint64_t{0} >> (63 - (high >> (64 - kSlotBits)));
    const auto run = static_cast<std::uint32_t>(std::popcount(cell.run_starts & up_to_slot)) - 1;
    const std::uint32_t entry = trie.entries[cell.first_entry + run];
    if ((entry & kIsCell) == 0) {
      return {RankingId(entry >> kLengthBits), static_cast<std::uint8_t>(entry)};
    }
    cell_index = entry & ~kIsCell;
  }
}

std::size_t PrefixTable::memory_bytes() const noexcept {
  const auto bytes = [](const Trie& trie) {
    return trie.cells.capacity() * sizeof(Cell) + trie.entries.capacity() * sizeof(std::uint32_t);
  };
  return sizeof(*this) + bytes(v4_) + bytes(v6_);
}

}  // namespace isochrone::routing
