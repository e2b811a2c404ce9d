// SPDX-License-Identifier: Apache-2.0
//
// Sets of sites, numbered: what one answer can name, so that each has its signature ahead.
//
// Number:  smaller sets first; among sets of one size as in the combinatorial number system, the sum of
//          binomial coefficients (p_i over i) of its members' places, so that the number of a set costs a
//          few additions and no search.
// Orders:  of records that say which site comes first, each order of a set is one by itself. The orders of
//          a set follow each other as words of a dictionary do, their sets as above.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
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

// The members of a set, by their ids.
inline std::vector<routing::SiteId> members_of(routing::SiteMask set) {
  std::vector<routing::SiteId> members;
  for (; set != 0; set &= set - 1) {
    members.emplace_back(static_cast<std::uint16_t>(std::countr_zero(set)));
  }
  return members;
}

// How many orders of 1 to `most` of so many sites there are.
constexpr std::uint64_t count_of_orders(std::size_t sites, std::size_t most) noexcept {
  std::uint64_t count = 0;
  std::uint64_t orders = 1;
  for (std::size_t k = 1; k <= most && k <= sites; ++k) count += orders *= sites - k + 1;
  return count;
}

// The number of an order of sites that all are in `among`; it has 1 to kMaxNamedSites members.
inline std::size_t index_of_order(std::span<const routing::SiteId> order,
                                  routing::SiteMask among) noexcept {
  routing::SiteMask set = 0;
  for (const routing::SiteId site : order) set |= routing::site_bit(site);
  const auto sites = static_cast<std::size_t>(std::popcount(among));
  std::uint64_t index = index_of_set(set, among) - count_of_sets(sites, order.size() - 1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    // Which of those that are left it is: a digit with as many values.
    index = index * (order.size() - i) +
            static_cast<std::uint64_t>(std::popcount(set & (routing::site_bit(order[i]) - 1)));
    set &= ~routing::site_bit(order[i]);
  }
  return index + count_of_orders(sites, order.size() - 1);
}

// All orders of 1 to `most` sites of `among`, each at its number.
inline std::vector<std::vector<routing::SiteId>> orders_of(routing::SiteMask among,
                                                           std::size_t most) {
  std::vector<std::vector<routing::SiteId>> orders;
  for (const routing::SiteMask set : sets_of(among, most)) {
    auto order = members_of(set);
    do {
      orders.push_back(order);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return orders;
}

}  // namespace isochrone::dns
