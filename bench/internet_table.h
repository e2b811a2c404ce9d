// SPDX-License-Identifier: Apache-2.0
//
// Rows of a full Internet routing table, with rankings drawn at random: from a file, or in its shape.
#pragma once

#include <algorithm>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "routing/prefix_steps.h"

namespace isochrone::bench {

using routing::PrefixRow;
using routing::RankingId;

constexpr RankingId kOtherwise{0};
// Many sites give many orders: neighbours seldom agree, the unkind case for block lengths and size.
constexpr std::uint64_t kRankings = 1'000;

inline RankingId random_ranking(Random& random) {
  return RankingId(static_cast<std::uint32_t>(random.below(kRankings)));
}

struct LengthShare {
  int length;
  std::uint64_t permille;
};
// As routers saw them in 2024. The rest, shorter and longer, is below a permille each.
constexpr LengthShare kLengthsV4[] = {{24, 597}, {23, 107}, {22, 121}, {21, 56}, {20, 47}, {19, 28},
                                      {18, 15},  {17, 9},   {16, 15},  {14, 4},  {12, 1}};
constexpr LengthShare kLengthsV6[] = {{48, 472}, {47, 20}, {46, 19}, {44, 90}, {42, 15},  {40, 84},
                                      {38, 20},  {36, 43}, {34, 30}, {33, 18}, {32, 150}, {29, 39}};

// Rows fall into few of the blocks they could be in, and into some of those by the hundred: the
// fourth power of a uniform draw has one in ten blocks take half of them.
inline Prefix random_prefix(Random& random, Family family) {
  const bool is_v4 = family == Family::v4;
  std::uint64_t draw = random.below(1'000);
  int length = is_v4 ? 24 : 48;
  for (const LengthShare& share : is_v4 ? std::span<const LengthShare>(kLengthsV4)
                                        : std::span<const LengthShare>(kLengthsV6)) {
    if (draw < share.permille) {
      length = share.length;
      break;
    }
    draw -= share.permille;
  }
  const double u = random.unit();
  const std::uint64_t blocks = is_v4 ? 40'000 : 25'000;
  const auto block = static_cast<std::uint64_t>(u * u * u * u * static_cast<double>(blocks));
  // A block's own number spread over what is given out: 1 to 223, or eight /12 of 2000::/3.
  const std::uint64_t spread = block * 0x9e37'79b9'7f4a'7c15;
  std::uint64_t high = random() >> (is_v4 ? 16 : 32);
  if (is_v4) {
    high |= (1 + (spread >> 32) % 223) << 56 | (spread >> 8 & 0xff) << 48;
  } else {
    high |= (0x20ULL + (spread >> 61)) << 56 | (spread >> 8 & 0xff'ffff) << 32;
  }
  return {Address::from_bits(family, high, 0), length};
}

inline std::vector<PrefixRow> internet_rows(const char* file) {
  Random random(1);
  std::vector<PrefixRow> rows;
  if (file != nullptr) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
      const auto prefix = Prefix::parse(trim(line));
      if (prefix) rows.push_back({*prefix, random_ranking(random)});
    }
  } else {
    for (int i = 0; i < 1'350'000; ++i) {  // a third falls on one that is there
      rows.push_back({random_prefix(random, Family::v4), random_ranking(random)});
    }
    for (int i = 0; i < 200'000; ++i) {
      rows.push_back({random_prefix(random, Family::v6), random_ranking(random)});
    }
  }
  const auto less = [](const PrefixRow& a, const PrefixRow& b) { return a.prefix < b.prefix; };
  const auto same = [](const PrefixRow& a, const PrefixRow& b) { return a.prefix == b.prefix; };
  std::sort(rows.begin(), rows.end(), less);
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  return rows;
}

}  // namespace isochrone::bench
