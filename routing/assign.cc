// SPDX-License-Identifier: Apache-2.0
//
// Successive shortest paths over the sites, whose edges are the least losses of moving.
#include "routing/assign.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "routing/make_room.h"

namespace isochrone::routing {
namespace {

using Cost = std::int64_t;  // microseconds
// The price of a site whose networks can go nowhere else: as far as any path is.
constexpr Cost kDearest = 60'000'000;
constexpr Cost kFar = std::numeric_limits<Cost>::max() / 4;

// A part of a site that has one price: within its commit, or beyond.
struct Lot {
  std::size_t site;
  double room;
  Cost extra;
  double load = 0;

  // Demands are sums of many; what is left by rounding is neither load nor room.
  double slack_below() const { return 1e-9 * std::max(1.0, std::isinf(room) ? 1.0 : room); }
  double over() const { return load - room > slack_below() ? load - room : 0; }
  double free() const { return room - load > slack_below() ? room - load : 0; }
};

// Of one network, to one lot.
struct Choice {
  std::uint32_t network;
  std::uint32_t lot;
  Cost cost;
  double held = 0;
};

struct Move {
  Cost loss;
  std::uint32_t from;  // choices
  std::uint32_t to;
  friend bool operator>(const Move& a, const Move& b) {
    return std::pair(a.loss, a.from) > std::pair(b.loss, b.from);
  }
};

class Solver {
 public:
  explicit Solver(const AssignmentProblem& problem) : problem_(problem) {
    for (std::size_t i = 0; i < problem.rooms().size(); ++i) {
      const Room& room = problem.rooms()[i];
      const double commit = std::clamp(room.commit, 0.0, room.capacity);
      lots_.push_back({i, commit, 0});
      if (room.capacity > commit) {
        lots_.push_back({i, room.capacity - commit, std::max<Cost>(room.beyond.count(), 0)});
      }
    }
    by_lot_.resize(lots_.size());
    moves_.resize(lots_.size() * lots_.size());
    is_open_.assign(lots_.size(), false);
    start();
  }

  Assignment run() {
    while (relieve()) {
    }
    Assignment result;
    for (const Lot& lot : lots_) result.unplaced += lot.over();
    for (const Choice& choice : choices_) {
      result.cost += choice.held * static_cast<double>(choice.cost);
    }
    price(result);
    settle(result);
    return result;
  }

 private:
  // Every network where it costs least, as if nothing were ever full.
  void start() {
    begins_.push_back(0);
    for (std::size_t n = 0; n < problem_.networks(); ++n) {
      const auto network = static_cast<std::uint32_t>(n);
      for (const Offer& offer : problem_.offers(n)) {
        for (std::size_t l = 0; l < lots_.size(); ++l) {
          if (lots_[l].site != offer.site.index()) continue;
          choices_.push_back(
              {network, static_cast<std::uint32_t>(l), offer.cost.count() + lots_[l].extra});
        }
      }
      begins_.push_back(choices_.size());
      if (begins_[n] == begins_[n + 1]) continue;
      const auto best = std::min_element(
          choices_.begin() + static_cast<std::ptrdiff_t>(begins_[n]), choices_.end(),
          [](const Choice& a, const Choice& b) { return a.cost < b.cost; });
      best->held = problem_.demand(n);
      lots_[best->lot].load += best->held;
      by_lot_[best->lot].push_back(static_cast<std::uint32_t>(best - choices_.begin()));
    }
  }

  std::vector<Move>& moves(std::size_t from, std::size_t to) {
    return moves_[from * lots_.size() + to];
  }

  // The moves a network has out of a lot it is in now.
  void offer_moves(std::uint32_t from) {
    const Choice& here = choices_[from];
    const std::size_t network = here.network;
    for (std::size_t to = begins_[network]; to < begins_[network + 1]; ++to) {
      if (to == from) continue;
      auto& heap = moves(here.lot, choices_[to].lot);
      heap.push_back({choices_[to].cost - here.cost, from, static_cast<std::uint32_t>(to)});
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }

  // Lots nobody has to leave never need their moves.
  void open(std::size_t lot) {
    if (is_open_[lot]) return;
    is_open_[lot] = true;
    for (const std::uint32_t choice : by_lot_[lot]) offer_moves(choice);
    by_lot_[lot].clear();
  }

  const Move* cheapest(std::size_t from, std::size_t to) {
    auto& heap = moves(from, to);
    while (!heap.empty() && choices_[heap.front().from].held <= 0) {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      heap.pop_back();
    }
    return heap.empty() ? nullptr : &heap.front();
  }

  void hold(std::uint32_t choice, double amount) {
    Choice& here = choices_[choice];
    const bool is_new = here.held <= 0 && amount > 0;
    here.held += amount;
    if (here.held <= 1e-12 * problem_.demand(here.network)) here.held = 0;
    lots_[here.lot].load += amount;
    if (!is_new) return;
    if (is_open_[here.lot]) {
      offer_moves(choice);
    } else {
      by_lot_[here.lot].push_back(choice);
    }
  }

  // Least losses from the lots that are over to all others (Bellman and Ford: losses may be negative
  // where moving on undoes a move; loops never are).
  void spread(std::vector<Cost>& loss, std::vector<std::optional<Move>>& last) {
    bool has_changed = true;
    std::vector<bool> is_due(lots_.size());
    for (std::size_t l = 0; l < lots_.size(); ++l) is_due[l] = loss[l] < kFar;
    for (std::size_t round = 0; has_changed && round <= lots_.size(); ++round) {
      has_changed = false;
      for (std::size_t from = 0; from < lots_.size(); ++from) {
        if (!is_due[from]) continue;
        is_due[from] = false;
        open(from);
        for (std::size_t to = 0; to < lots_.size(); ++to) {
          if (to == from) continue;
          const Move* move = cheapest(from, to);
          if (move == nullptr || loss[from] + move->loss >= loss[to]) continue;
          loss[to] = loss[from] + move->loss;
          last[to] = *move;
          is_due[to] = true;
          has_changed = true;
        }
      }
    }
  }

  // Moves some demand along the cheapest way from a lot that is over to one with room; false when there
  // is none.
  bool relieve() {
    std::vector<Cost> loss(lots_.size(), kFar);
    std::vector<std::optional<Move>> last(lots_.size());
    bool is_over = false;
    for (std::size_t l = 0; l < lots_.size(); ++l) {
      if (lots_[l].over() <= 0) continue;
      loss[l] = 0;
      is_over = true;
    }
    if (!is_over) return false;
    spread(loss, last);
    std::optional<std::size_t> goal;
    for (std::size_t l = 0; l < lots_.size(); ++l) {
      if (lots_[l].free() <= 0 || loss[l] >= kFar) continue;
      if (!goal || loss[l] < loss[*goal]) goal = l;
    }
    if (!goal) return false;
    double amount = lots_[*goal].free();
    std::size_t at = *goal;
    for (; last[at]; at = choices_[last[at]->from].lot) {
      amount = std::min(amount, choices_[last[at]->from].held);
    }
    amount = std::min(amount, lots_[at].over());
    for (at = *goal; last[at];) {
      const Move move = *last[at];
      hold(move.to, amount);
      hold(move.from, -amount);
      at = choices_[move.from].lot;
    }
    return true;
  }

  // A full lot is worth what the cheapest way out of it to room costs.
  void price(Assignment& result) {
    std::vector<Cost> prices(lots_.size(), kFar);
    for (std::size_t l = 0; l < lots_.size(); ++l) {
      open(l);
      if (lots_[l].free() > 0) prices[l] = 0;
    }
    for (std::size_t round = 0; round < lots_.size(); ++round) {
      for (std::size_t from = 0; from < lots_.size(); ++from) {
        for (std::size_t to = 0; to < lots_.size(); ++to) {
          const Move* move = to == from ? nullptr : cheapest(from, to);
          if (move != nullptr) prices[from] = std::min(prices[from], prices[to] + move->loss);
        }
      }
    }
    // A site is as dear as the cheapest of its lots with what that costs in itself.
    std::vector<Cost> sites(problem_.rooms().size(), kFar);
    for (std::size_t l = 0; l < lots_.size(); ++l) {
      sites[lots_[l].site] = std::min(sites[lots_[l].site], prices[l] + lots_[l].extra);
    }
    for (const Cost site : sites) result.prices.emplace_back(std::clamp<Cost>(site, 0, kDearest));
  }

  double held_at(std::size_t network, std::size_t site) const {
    double held = 0;
    for (std::size_t c = begins_[network]; c < begins_[network + 1]; ++c) {
      if (lots_[choices_[c].lot].site == site) held += choices_[c].held;
    }
    return held;
  }

  // Whole networks: first those the optimum leaves whole, then the divided ones, largest first.
  void settle(Assignment& result) {
    const auto& rooms = problem_.rooms();
    result.loads.assign(rooms.size(), 0);
    result.sites.assign(problem_.networks(), SiteId(0));
    std::vector<std::size_t> divided;
    for (std::size_t n = 0; n < problem_.networks(); ++n) {
      const Offer* whole = nullptr;
      for (const Offer& offer : problem_.offers(n)) {
        if (held_at(n, offer.site.index()) < problem_.demand(n) * (1 - 1e-9)) continue;
        // More than one holds all of nothing.
        if (whole == nullptr || offer.cost < whole->cost) whole = &offer;
      }
      if (whole == nullptr) {
        divided.push_back(n);
        continue;
      }
      result.sites[n] = whole->site;
      result.loads[whole->site.index()] += problem_.demand(n);
    }
    std::stable_sort(divided.begin(), divided.end(), [&](std::size_t a, std::size_t b) {
      return problem_.demand(a) > problem_.demand(b);
    });
    for (const std::size_t n : divided) {
      const Offer* chosen = nullptr;
      const auto left = [&](const Offer& offer) {
        return rooms[offer.site.index()].capacity - result.loads[offer.site.index()];
      };
      const auto fits = [&](const Offer& offer) { return left(offer) >= problem_.demand(n); };
      for (const Offer& offer : problem_.offers(n)) {
        if (chosen == nullptr || fits(offer) > fits(*chosen) ||
            (fits(offer) && fits(*chosen) && offer.cost < chosen->cost) ||
            (!fits(offer) && !fits(*chosen) && left(offer) > left(*chosen))) {
          chosen = &offer;
        }
      }
      if (chosen == nullptr) continue;
      result.sites[n] = chosen->site;
      result.loads[chosen->site.index()] += problem_.demand(n);
    }
  }

  const AssignmentProblem& problem_;
  std::vector<Lot> lots_;
  std::vector<Choice> choices_;                     // by network
  std::vector<std::size_t> begins_;                 // in choices_, by network
  std::vector<std::vector<std::uint32_t>> by_lot_;  // what is held there, until it is opened
  std::vector<std::vector<Move>> moves_;            // heaps, by lots from and to
  std::vector<bool> is_open_;
};

}  // namespace

std::size_t AssignmentProblem::add(double demand, std::span<const Offer> offers) {
  demands_.push_back(std::max(demand, 0.0));
  offers_.insert(offers_.end(), offers.begin(), offers.end());
  begins_.push_back(offers_.size());
  return demands_.size() - 1;
}

std::span<const Offer> AssignmentProblem::offers(std::size_t network) const {
  return {offers_.data() + begins_[network], offers_.data() + begins_[network + 1]};
}

Assignment solve(const AssignmentProblem& problem) {
  Assignment found = Solver(problem).run();
  make_room(problem, found);
  return found;
}

}  // namespace isochrone::routing
