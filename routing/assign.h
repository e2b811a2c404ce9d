// SPDX-License-Identifier: Apache-2.0
//
// Assignment: which site serves each client network when sites cannot hold all that prefer them.
//
// The sum over networks of demand times cost is the least that capacities allow: the optimum of the
// linear program, found by moving demand from sites that are over along the cheapest chain of moves to
// one that has room. Whoever loses least by moving moves first, and one full site spills over many.
//
// Threads:    a value of one thread. Pure: no clock, no randomness.
// Units:      demand, capacity and commit in one unit of the caller's; cost in Micros a unit.
// Cost:       without a site that is over, one pass over all offers; else one step of kMaxSites squared
//             at most for every network that moves.
// Ownership:  a problem is a value; solve() keeps nothing of it.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/time.h"
#include "routing/topology.h"

namespace isochrone::routing {

// What a site can hold; what is beyond `commit` of it counts as so much further away.
struct Room {
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();

  double capacity = kUnbounded;
  double commit = kUnbounded;
  Micros beyond{0};
};

struct Offer {
  SiteId site;
  Micros cost{0};
};

class AssignmentProblem {
 public:
  explicit AssignmentProblem(std::vector<Room> rooms) : rooms_(std::move(rooms)) {}

  // A network and the sites that could serve it, each once and one at least. Returns its number, from 0.
  std::size_t add(double demand, std::span<const Offer> offers);

  std::size_t networks() const noexcept { return demands_.size(); }
  double demand(std::size_t network) const { return demands_[network]; }
  std::span<const Offer> offers(std::size_t network) const;
  const std::vector<Room>& rooms() const noexcept { return rooms_; }

 private:
  std::vector<Room> rooms_;  // by SiteId
  std::vector<double> demands_;
  std::vector<std::size_t> begins_{0};  // in offers_, by network
  std::vector<Offer> offers_;
};

struct Assignment {
  // By network. The optimum may divide a network among sites, as many of them as sites are full at most;
  // answers do not, so it is with the cheapest of those that has room for all of it, or, when none
  // has, with the one that has most, and others make room (make_room.h).
  std::vector<SiteId> sites;
  // By site: how much further away it would have to be for just those who can stay to prefer it.
  std::vector<Micros> prices;
  std::vector<double> loads;  // by site, of the above
  double cost = 0;            // of the optimum: demand times cost, what is beyond commits included
  double unplaced = 0;        // demand that no capacity was left for; it stays where it is nearest
};

Assignment solve(const AssignmentProblem& problem);

}  // namespace isochrone::routing
