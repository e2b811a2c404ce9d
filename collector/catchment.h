// SPDX-License-Identifier: Apache-2.0
//
// Catchments: how many client networks each site is preferred for, and how many have left it.
//
// Threads:  one thread, the core's.
#pragma once

#include <cstdint>
#include <vector>

#include "routing/state.h"

namespace isochrone::collector {

class Catchments {
 public:
  struct Site {
    std::uint64_t size = 0;  // (prefix, service) pairs that prefer it now
    std::uint64_t left = 0;  // that preferred it and then another, ever
  };

  explicit Catchments(std::size_t sites) : sites_(sites) {}

  // Counts anew; `left` goes on when the sites are the same.
  void count(const routing::PerformanceState& state, std::size_t sites);
  // The preferences of one prefix before and after a change.
  void change(const std::vector<routing::Preference>& before,
              const std::vector<routing::Preference>& after);

  const std::vector<Site>& sites() const noexcept { return sites_; }

 private:
  std::vector<Site> sites_;  // by SiteId
};

}  // namespace isochrone::collector
