// SPDX-License-Identifier: Apache-2.0
//
// The assignment beside the exact optimum of a linear program, and what follows from its prices.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "routing/assign.h"
#include "tests/routing/linear_program.h"

namespace isochrone::routing {
namespace {

SiteId site(std::size_t index) { return SiteId(static_cast<std::uint16_t>(index)); }
Micros ms(std::int64_t count) { return Micros(count * 1'000); }

Room holds(double capacity) { return {capacity, Room::kUnbounded, Micros(0)}; }

// A problem whose sites can hold, together, `fill` times what is asked.
AssignmentProblem any_problem(Random& random, double fill) {
  const std::size_t sites = 2 + random.below(9);
  const std::size_t networks = 20 + random.below(150);
  std::vector<double> demands;
  double total = 0;
  for (std::size_t n = 0; n < networks; ++n) {
    demands.push_back(1 + static_cast<double>(random.below(20)));
    total += demands.back();
  }
  std::vector<Room> rooms;
  for (std::size_t s = 0; s < sites; ++s) {
    const double share = total * fill / static_cast<double>(sites);
    Room room = holds(share * (0.5 + random.unit()));
    if (random.below(3) == 0) {
      room.commit = room.capacity * random.unit();
      room.beyond = ms(static_cast<std::int64_t>(random.below(20)));
    }
    rooms.push_back(room);
  }
  AssignmentProblem problem(rooms);
  for (const double demand : demands) {
    std::vector<Offer> offers;
    const std::size_t first = random.below(sites);
    for (std::size_t s = 0; s < sites; ++s) {
      if (s != first && random.below(4) == 0) continue;
      offers.push_back({site(s), Micros(1'000 + random.below(200'000))});
    }
    problem.add(demand, offers);
  }
  return problem;
}

TEST(Assignment, EverybodyIsNearestWhileThereIsRoom) {
  AssignmentProblem problem({holds(11), {}});
  const std::vector<Offer> offers{{site(0), ms(10)}, {site(1), ms(20)}};
  for (int i = 0; i < 10; ++i) problem.add(1, offers);
  const Assignment found = solve(problem);
  EXPECT_EQ(found.sites, std::vector<SiteId>(10, site(0)));
  EXPECT_EQ(found.prices, (std::vector<Micros>{Micros(0), Micros(0)}));
  EXPECT_EQ(found.loads, (std::vector<double>{10, 0}));
}

TEST(Assignment, ThoseWhoLoseLeastMakeRoom) {
  AssignmentProblem problem({holds(2), {}});
  for (const int loss : {30, 5, 20, 10}) {
    problem.add(1, std::vector<Offer>{{site(0), ms(10)}, {site(1), ms(10 + loss)}});
  }
  const Assignment found = solve(problem);
  EXPECT_EQ(found.sites, (std::vector<SiteId>{site(0), site(1), site(0), site(1)}));
  // Who moved would move back for less than 10 ms, who stayed would go for 20.
  EXPECT_GE(found.prices[0], ms(10));
  EXPECT_LE(found.prices[0], ms(20));
}

// Site 0 is gone. All its networks have 1 next and 2 after it; 1 has room for a third of them.
TEST(Assignment, SpillsOverManyAndNeverInAChain) {
  AssignmentProblem problem({holds(0), holds(10), holds(10), holds(100)});
  for (int i = 0; i < 30; ++i) {
    problem.add(1,
                std::vector<Offer>{
                    {site(0), ms(5)}, {site(1), ms(10)}, {site(2), ms(20 + i)}, {site(3), ms(40)}});
  }
  const Assignment found = solve(problem);
  EXPECT_EQ(found.loads, (std::vector<double>{0, 10, 10, 10}));
  EXPECT_EQ(found.unplaced, 0);
}

TEST(Assignment, GoesBeyondACommitForWhoGainsMore) {
  AssignmentProblem problem({{100, 1, ms(15)}, {}});
  for (const int loss : {10, 20, 30}) {
    problem.add(1, std::vector<Offer>{{site(0), ms(10)}, {site(1), ms(10 + loss)}});
  }
  EXPECT_EQ(solve(problem).sites, (std::vector<SiteId>{site(1), site(0), site(0)}));
}

TEST(Assignment, SaysWhatNoSiteHasRoomFor) {
  AssignmentProblem problem({holds(2), holds(3)});
  const std::vector<Offer> offers{{site(0), ms(10)}, {site(1), ms(20)}};
  for (int i = 0; i < 9; ++i) problem.add(1, offers);
  const Assignment found = solve(problem);
  EXPECT_DOUBLE_EQ(found.unplaced, 4);
  EXPECT_DOUBLE_EQ(found.loads[0] + found.loads[1], 9);
}

TEST(Assignment, OfNothingIsNothing) {
  EXPECT_TRUE(solve(AssignmentProblem({holds(1)})).sites.empty());
  AssignmentProblem idle({holds(0), {}});
  idle.add(0, std::vector<Offer>{{site(0), ms(1)}, {site(1), ms(2)}});
  EXPECT_EQ(solve(idle).unplaced, 0);
}

TEST(Assignment, CostsWhatTheExactOptimumCosts) {
  Random random(1);
  int solvable = 0;
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    const AssignmentProblem problem = any_problem(random, 0.9 + random.unit());
    const Assignment found = solve(problem);
    const auto exact = testing::least_cost(problem);
    // Either both can place everybody, or neither.
    ASSERT_EQ(exact.has_value(), found.unplaced < 1e-6);
    if (!exact) continue;
    ++solvable;
    EXPECT_NEAR(found.cost, *exact, *exact * 1e-6);
  }
  EXPECT_GT(solvable, 80);
}

// Networks are not divided: a site holds more than its capacity by one network of the largest at most, and
// what everybody pays is the optimum but for the few that it divides.
TEST(Assignment, OfWholeNetworksIsNearTheOptimum) {
  Random random(2);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(round);
    const AssignmentProblem problem = any_problem(random, 1.3);
    const Assignment found = solve(problem);
    if (found.unplaced > 0) continue;
    const auto& rooms = problem.rooms();
    for (std::size_t s = 0; s < rooms.size(); ++s) {
      EXPECT_LE(found.loads[s], rooms[s].capacity + 20);
    }
    EXPECT_NEAR(
        std::accumulate(found.loads.begin(), found.loads.end(), 0.0),
        [&] {
          double total = 0;
          for (std::size_t n = 0; n < problem.networks(); ++n) total += problem.demand(n);
          return total;
        }(),
        1e-6);
  }
}

// Prices prove the optimum without a second solver: nobody would rather be elsewhere at these prices,
// but for the divided.
TEST(Assignment, AtItsPricesEverybodyIsWhereTheyPrefer) {
  Random random(3);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(round);
    const AssignmentProblem problem = any_problem(random, 1.3);
    const Assignment found = solve(problem);
    if (found.unplaced > 0) continue;
    std::size_t torn = 0;
    for (std::size_t n = 0; n < problem.networks(); ++n) {
      const auto paid = [&](const Offer& offer) {
        return offer.cost + found.prices[offer.site.index()];
      };
      const auto offers = problem.offers(n);
      const auto own = std::find_if(offers.begin(), offers.end(), [&](const Offer& offer) {
        return offer.site == found.sites[n];
      });
      for (const Offer& offer : offers) {
        if (paid(offer) >= paid(*own)) continue;
        ++torn;
        break;
      }
    }
    EXPECT_LE(torn, 2 * problem.rooms().size());
  }
}

}  // namespace
}  // namespace isochrone::routing
