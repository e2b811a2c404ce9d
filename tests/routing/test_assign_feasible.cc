// SPDX-License-Identifier: Apache-2.0
//
// Never above capacity while any assignment is feasible: against a search that shares nothing with the solver.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/random.h"
#include "routing/assign.h"

namespace isochrone::routing {
namespace {

struct Small {
  std::vector<int> capacity;
  std::vector<int> demand;
  std::vector<std::vector<std::size_t>> sites;  // by network: where it may be
};

Small any_small(Random& random, std::size_t networks, int largest_demand) {
  Small small;
  const std::size_t sites = 2 + random.below(3);
  int total = 0;
  for (std::size_t n = 0; n < networks; ++n) {
    small.demand.push_back(1 +
                           static_cast<int>(random.below(static_cast<unsigned>(largest_demand))));
    total += small.demand.back();
    small.sites.emplace_back();
    for (std::size_t s = 0; s < sites; ++s) {
      if (random.below(3) != 0) small.sites.back().push_back(s);
    }
    if (small.sites.back().empty()) small.sites.back().push_back(random.below(sites));
  }
  for (std::size_t s = 0; s < sites; ++s) {
    const auto share = static_cast<unsigned>(2 * total) / static_cast<unsigned>(sites);
    small.capacity.push_back(static_cast<int>(random.below(share + 2)));
  }
  return small;
}

AssignmentProblem problem_of(const Small& small, Random& random) {
  std::vector<Room> rooms;
  for (const int capacity : small.capacity) {
    rooms.push_back({static_cast<double>(capacity), Room::kUnbounded, Micros(0)});
  }
  AssignmentProblem problem(rooms);
  for (std::size_t n = 0; n < small.demand.size(); ++n) {
    std::vector<Offer> offers;
    for (const std::size_t site : small.sites[n]) {
      offers.push_back({SiteId(static_cast<std::uint16_t>(site)),
                        Micros(static_cast<int>(1 + random.below(100'000)))});
    }
    problem.add(small.demand[n], offers);
  }
  return problem;
}

// Whether every network can be somewhere as a whole: tries all.
bool is_feasible(const Small& small) {
  std::vector<int> left = small.capacity;
  const std::function<bool(std::size_t)> place = [&](std::size_t n) {
    if (n == small.demand.size()) return true;
    for (const std::size_t site : small.sites[n]) {
      if (left[site] < small.demand[n]) continue;
      left[site] -= small.demand[n];
      if (place(n + 1)) return true;
      left[site] += small.demand[n];
    }
    return false;
  };
  return place(0);
}

// How much is above what sites can hold.
double above(const Small& small, const Assignment& found) {
  double sum = 0;
  for (std::size_t s = 0; s < small.capacity.size(); ++s) {
    sum += std::max(0.0, found.loads[s] - small.capacity[s]);
  }
  return sum;
}

TEST(AssignFeasible, NetworksOfOneSizeNeverOverfillASite) {
  Random random(11);
  int feasible = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Small small = any_small(random, 1 + random.below(10), 1);
    const Assignment found = solve(problem_of(small, random));
    if (!is_feasible(small)) continue;
    ++feasible;
    ASSERT_EQ(above(small, found), 0) << "round " << round;
    ASSERT_EQ(found.unplaced, 0) << "round " << round;
  }
  EXPECT_GT(feasible, 3'000);
}

TEST(AssignFeasible, NetworksOfAnySizeNeverOverfillASite) {
  Random random(12);
  int feasible = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Small small = any_small(random, 1 + random.below(8), 9);
    const Assignment found = solve(problem_of(small, random));
    if (!is_feasible(small)) continue;
    ++feasible;
    EXPECT_EQ(above(small, found), 0) << "round " << round;
  }
  EXPECT_GT(feasible, 3'000);
}

}  // namespace
}  // namespace isochrone::routing
