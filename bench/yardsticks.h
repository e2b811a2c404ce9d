// SPDX-License-Identifier: Apache-2.0
//
// Well-known ways to find a longest prefix, for comparison: a binary trie and DIR-24-8.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bench/internet_table.h"

namespace isochrone::bench {

struct Ranking {
  RankingId ranking;
};

// A node per bit; each look-up walks to where the tree ends and takes the last row it passed.
class BinaryTrie {
 public:
  explicit BinaryTrie(const std::vector<PrefixRow>& rows) {
    for (const PrefixRow& row : rows) {
      const Address& address = row.prefix.address();
      std::size_t at = address.is_v4() ? 0 : 1;
      for (int bit = 0; bit < row.prefix.length(); ++bit) {
        const auto side = static_cast<std::size_t>(address.bit(bit));
        if (nodes_[at].children[side] == 0) {
          nodes_[at].children[side] = static_cast<std::uint32_t>(nodes_.size());
          nodes_.emplace_back();
        }
        at = nodes_[at].children[side];
      }
      nodes_[at].ranking = row.ranking.value() + 1;
    }
  }

  Ranking find(const Address& client) const noexcept {
    std::size_t at = client.is_v4() ? 0 : 1;
    std::uint32_t best = kOtherwise.value() + 1;
    for (int bit = 0;; ++bit) {
      if (nodes_[at].ranking != 0) best = nodes_[at].ranking;
      const auto next =
          bit < client.width() ? nodes_[at].children[static_cast<std::size_t>(client.bit(bit))] : 0;
      if (next == 0) return {RankingId(best - 1)};
      at = next;
    }
  }
  std::size_t memory_bytes() const { return nodes_.size() * sizeof(Node); }

 private:
  struct Node {
    std::array<std::uint32_t, 2> children{};
    std::uint32_t ranking = 0;  // and one; 0: no row
  };
  std::vector<Node> nodes_ = std::vector<Node>(2);
};

// 2^24 entries of 16 bits, and 256 more for each /24 with something longer inside. IPv4 only.
class Dir24 {
 public:
  explicit Dir24(const std::vector<PrefixRow>& rows) : first_(std::size_t{1} << 24, 0) {
    // Sorted, so that the longer of nested rows is laid over the shorter.
    for (const PrefixRow& row : rows) {
      if (!row.prefix.address().is_v4()) continue;
      const auto from = static_cast<std::uint32_t>(row.prefix.address().high() >> 32);
      const auto ranking = static_cast<std::uint16_t>(row.ranking.value());
      if (row.prefix.length() <= 24) {
        std::fill_n(first_.begin() + (from >> 8), 1U << (24 - row.prefix.length()), ranking);
        continue;
      }
      std::uint16_t& entry = first_[from >> 8];
      if ((entry & kLonger) == 0) {
        const std::uint16_t around = entry;
        entry = static_cast<std::uint16_t>(kLonger | (longer_.size() >> 8));
        longer_.insert(longer_.end(), 256, around);
      }
      const std::size_t group = std::size_t{entry & (kLonger - 1U)} << 8;
      std::fill_n(longer_.begin() + static_cast<std::ptrdiff_t>(group + (from & 0xff)),
                  1U << (32 - row.prefix.length()), ranking);
    }
  }

  Ranking find(const Address& client) const noexcept {
    const std::uint16_t entry = first_[client.high() >> 40];
    if ((entry & kLonger) == 0) return {RankingId(entry)};
    const std::size_t group = std::size_t{entry & (kLonger - 1U)} << 8;
    return {RankingId(longer_[group + (client.high() >> 32 & 0xff)])};
  }
  std::size_t memory_bytes() const {
    return (first_.size() + longer_.size()) * sizeof(std::uint16_t);
  }

 private:
  static constexpr std::uint16_t kLonger = 1U << 15;
  std::vector<std::uint16_t> first_;
  std::vector<std::uint16_t> longer_;
};

}  // namespace isochrone::bench
