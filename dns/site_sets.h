// SPDX-License-Identifier: Apache-2.0
//
// Sets of sites, numbered: what one answer can name, so that each has its signature ahead.
//
// Number:  smaller sets first; among sets of one size as in the combinatorial number system, the sum of
//          binomial coefficients (p_i over i) of its members' places, so that the number of a set costs a
//          few additions and no search.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "routing/topology.h"

namespace isochrone::dns {

namespace site_sets {
// Row n, column k: n over k. The largest, 64 over 8, has 33 bits.
constexpr auto kChoose = [] {
  std::array<std::array<std::uint64_t, routing::kMaxNamedSites + 1>, routing::kMaxSites + 1> rows{};
  for (std::size_t n = 0; n < rows.size(); ++n) {
    rows[n][0] = 1;
    for (std::size_t k = 1; n > 0 && k < rows[n].size(); ++k) {
      rows[n][k] = rows[n - 1][k - 1] + rows[n - 1][k];
    }
  }
  return rows;
}();
}  // namespace site_sets

// How many sets of 1 to `most` of so many sites there are.
constexpr std::uint64_t count_of_sets(std::size_t sites, std::size_t most) noexcept {
  std::uint64_t count = 0;
  for (std::size_t k = 1; k <= most; ++k) count += site_sets::kChoose[sites][k];
  return count;
}

// The number of a set of sites that all are in `among`; it has 1 to kMaxNamedSites members.
inline std::size_t index_of_set(routing::SiteMask set, routing::SiteMask among) noexcept {
  std::uint64_t index = 0;
  std::size_t members = 0;
  for (; set != 0; set &= set - 1) {
    const routing::SiteMask below = (set & (~set + 1)) - 1;
    const auto place = static_cast<std::size_t>(std::popcount(among & below));
    index += site_sets::kChoose[place][++members];
  }
  if (members == 1) return index;
  const auto sites = static_cast<std::size_t>(std::popcount(among));
  return index + count_of_sets(sites, members - 1);
}

// All sets of 1 to `most` sites of `among`, each at its number.
inline std::vector<routing::SiteMask> sets_of(routing::SiteMask among, std::size_t most) {
  std::vector<routing::SiteMask> sets(
      count_of_sets(static_cast<std::size_t>(std::popcount(among)), most));
  // Each set is a smaller one and a site above all of its members.
  std::vector<routing::SiteMask> smaller{0};
  for (std::size_t size = 1; size <= most; ++size) {
    std::vector<routing::SiteMask> larger;
    for (const routing::SiteMask set : smaller) {
      // What is above the highest member; of 64 sites the last has nothing above it.
      const int width = 64 - std::countl_zero(set);
      routing::SiteMask above = width == 64 ? 0 : among >> width << width;
      for (; above != 0; above &= above - 1) larger.push_back(set | (above & (~above + 1)));
    }
    for (const routing::SiteMask set : larger) sets[index_of_set(set, among)] = set;
    smaller = std::move(larger);
  }
  return sets;
}

}  // namespace isochrone::dns
