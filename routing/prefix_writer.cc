// SPDX-License-Identifier: Apache-2.0
#include "routing/prefix_writer.h"

#include <algorithm>

namespace isochrone::routing {
namespace {

constexpr int kBlockBits = 16;
constexpr std::size_t kBlocks = std::size_t{1} << kBlockBits;  // in each of two families

}  // namespace

PrefixWriter::PrefixWriter(PrefixTree& tree, RankingId otherwise)
    : tree_(tree), around_(2 * kBlocks, otherwise) {}

void PrefixWriter::add(const PrefixRow& row) {
  const std::size_t family = row.prefix.family() == Family::v4 ? 0 : 1;
  const std::size_t block = family * kBlocks + (row.prefix.address().high() >> (64 - kBlockBits));
  write_up_to(block);
  const int length = row.prefix.length();
  if (length >= kBlockBits) return rows_.push_back(row);
  // It stands before all that lies inside it.
  std::fill_n(around_.begin() + static_cast<std::ptrdiff_t>(block), kBlocks >> length, row.ranking);
}

void PrefixWriter::finish() {
  write_up_to(2 * kBlocks);
  tree_.finish();
}

void PrefixWriter::write_up_to(std::size_t block) {
  for (; next_ < block; ++next_) {
    const Family family = next_ < kBlocks ? Family::v4 : Family::v6;
    const auto slot = static_cast<unsigned>(next_ % kBlocks);
    const Position first = Position{slot} << (kPositionBits - kBlockBits);
    if (rows_.empty()) {
      const Step alike{first, around_[next_]};
      tree_.write(family, slot, {&alike, 1});
    } else {
      tree_.write(family, slot, flatten(rows_, around_[next_], first, kBlockBits));
      rows_.clear();
    }
  }
}

}  // namespace isochrone::routing
