// SPDX-License-Identifier: Apache-2.0
#include "routing/make_room.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace isochrone::routing {
namespace {

// A site that is over by less is full: sums of rates are not exact.
constexpr double kNothing = 1e-9;
// Chains of so many moves are looked for one after the other: who moves is disturbed. Each has its share of
// the work.
constexpr std::array kChains{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
constexpr std::size_t kShare = kMostWork / 100;

class Search {
 public:
  Search(const AssignmentProblem& problem, Assignment& assignment)
      : problem_(problem),
        assignment_(assignment),
        is_moved_(problem.networks(), false),
        by_site_(problem.rooms().size()) {
    for (std::size_t n = 0; n < problem.networks(); ++n) {
      by_site_[assignment.sites[n].index()].push_back(static_cast<std::uint32_t>(n));
    }
  }

  void run() {
    while (single_move()) continue;
    for (const int longest : kChains) {
      work_ = 0;
      if (chain(longest)) return;
    }
  }

 private:
  struct Move {
    std::uint32_t network;
    SiteId to;
    bool fits;
    double loss;
  };

  double over(std::size_t site) const {
    const double capacity = problem_.rooms()[site].capacity;
    return assignment_.loads[site] - capacity - kNothing * std::max(1.0, capacity);
  }
  // A site that is over; their number when there is none.
  std::size_t first_over() const {
    for (std::size_t s = 0; s < by_site_.size(); ++s) {
      if (over(s) > 0) return s;
    }
    return by_site_.size();
  }

  // Away from a site, one by one; false when there is no time for more.
  template <class Take>
  bool each_move(std::size_t site, std::size_t most_work, Take take) {
    for (const std::uint32_t n : by_site_[site]) {
      if (is_moved_[n] || problem_.demand(n) <= 0) continue;
      Micros cost{0};
      for (const Offer& offer : problem_.offers(n)) {
        if (offer.site.index() == site) cost = offer.cost;
      }
      for (const Offer& offer : problem_.offers(n)) {
        if (++work_ > most_work) return false;
        if (offer.site.index() == site) continue;
        const bool fits = over(offer.site.index()) + problem_.demand(n) <= 0;
        const double loss = static_cast<double>((offer.cost - cost).count()) * problem_.demand(n);
        take(Move{n, offer.site, fits, loss});
      }
    }
    return true;
  }

  // Those that fit first, then the cheapest; none when there is no time for them.
  std::vector<Move> moves_from(std::size_t site) {
    std::vector<Move> moves;
    const auto take = [&](const Move& each) { moves.push_back(each); };
    if (!each_move(site, kShare, take)) return {};
    std::stable_sort(moves.begin(), moves.end(), [](const Move& x, const Move& y) {
      return x.fits != y.fits ? x.fits : x.loss < y.loss;
    });
    return moves;
  }

  void move(std::uint32_t network, SiteId to) {
    SiteId& site = assignment_.sites[network];
    std::erase(by_site_[site.index()], network);
    assignment_.loads[site.index()] -= problem_.demand(network);
    site = to;
    by_site_[to.index()].push_back(network);
    assignment_.loads[to.index()] += problem_.demand(network);
  }

  // The cheapest that takes what is too much away at once and overfills nothing.
  bool single_move() {
    for (std::size_t site = 0; site < by_site_.size(); ++site) {
      if (over(site) <= 0) continue;
      std::optional<Move> best;
      const auto take = [&](const Move& each) {
        if (!each.fits || problem_.demand(each.network) < over(site)) return;
        if (!best || each.loss < best->loss) best = each;
      };
      if (!each_move(site, kMostWork, take)) return false;
      if (!best) continue;
      move(best->network, best->to);
      return true;
    }
    return false;
  }

  // Whatever a feasible assignment has elsewhere can be moved there one by one, always away from a site
  // that is over: so nothing is missed by trying all moves from any one such site.
  bool chain(int longest) {
    const std::size_t site = first_over();
    if (site == by_site_.size()) return true;
    if (longest == 0) return false;
    for (const Move& each : moves_from(site)) {
      const SiteId from = assignment_.sites[each.network];
      move(each.network, each.to);
      is_moved_[each.network] = true;
      if (chain(longest - 1)) return true;
      is_moved_[each.network] = false;
      move(each.network, from);
      if (work_ > kShare) return false;
    }
    return false;
  }

  const AssignmentProblem& problem_;
  Assignment& assignment_;
  std::vector<bool> is_moved_;
  std::vector<std::vector<std::uint32_t>> by_site_;
  std::size_t work_ = 0;
};

}  // namespace

void make_room(const AssignmentProblem& problem, Assignment& assignment) {
  // What no capacity is left for cannot be moved anywhere.
  if (assignment.unplaced > 0) return;
  bool is_over = false;
  for (std::size_t s = 0; s < problem.rooms().size(); ++s) {
    is_over = is_over || assignment.loads[s] > problem.rooms()[s].capacity;
  }
  if (is_over) Search(problem, assignment).run();
}

}  // namespace isochrone::routing
