// SPDX-License-Identifier: Apache-2.0
//
// Balance: which networks are served further away, so that no site carries more than it can.
//
// What every network asks for comes from DNS demand, what a request weighs from what sites say they carry,
// and who moves from routing/assign: those who lose least by it. A plan rests on what is asked for, not
// on what sites carry now, so that resolver caches, which follow an answer late, do not make it swing;
// and room that a network leaves is given to others only when the caches have let go of it.
//
// Threads:  one thread, the core's.
// Limits:   kMaxNetworks (network, service) pairs with demand; more are not counted.
//           Networks nobody measured stay where geography puts them and are not counted.
// Cost:     nothing while no site is near its bounds; else some microseconds a network every kEvery.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "event/event.h"
#include "routing/assign.h"
#include "routing/habit.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Balance {
 public:
  static constexpr Seconds kEvery{10};
  static constexpr std::size_t kMaxNetworks = 200'000;

  // The network has to be served there; none: wherever it prefers.
  struct Move {
    Prefix prefix;
    routing::ServiceId service;
    std::optional<routing::SiteId> site;
  };
  // What the last plan makes of a site.
  struct Site {
    double planned = 0;  // requests per second
    Micros price{0};     // how much further away it would have to be to be as full as that
  };

  explicit Balance(const routing::Topology& topology);

  // Whether any site has bounds.
  bool is_bounded() const noexcept { return is_bounded_; }
  void asked(const event::Demand& demand, Instant now);
  void carried(const event::Load& load, Instant now);
  // Every kEvery, and at once when other sites are up: who has to move. The caller does as it is told.
  std::vector<Move> plan(const routing::PerformanceState& state,
                         const routing::PersistenceOf& persistence, routing::SiteMask up,
                         Instant now);

  const std::vector<Site>& sites() const noexcept { return sites_; }

 private:
  // Queries per second, as a mean that forgets.
  struct Rate {
    double per_second = 0;
    Instant since{};
    Instant at{};
  };
  struct Key {
    Prefix prefix;
    routing::ServiceId service;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  // What a site carries on for resolvers that have not asked again.
  struct Leaving {
    routing::SiteId site;
    double demand;
    Instant until;
  };
  struct Network;

  double rate(const Rate& rate, routing::ServiceId service, Instant now) const;
  double weight(Instant now) const;
  std::vector<Network> networks(const routing::PerformanceState& state,
                                const routing::PersistenceOf& persistence, routing::SiteMask up,
                                Instant now);
  std::vector<routing::Room> rooms() const;
  void reserve(std::vector<routing::Room>& rooms, Instant now);
  bool is_needed(const std::vector<Network>& networks, const std::vector<routing::Room>& rooms);

  routing::Topology topology_;
  bool is_bounded_ = false;
  std::unordered_map<Key, Rate, KeyHash> rates_;
  std::vector<std::optional<event::Load>> loads_;  // by SiteId: what it said last
  std::vector<Leaving> leaving_;
  std::vector<Site> sites_;
  routing::SiteMask up_ = 0;
  Instant next_{};
};

}  // namespace isochrone::collector
