// SPDX-License-Identifier: Apache-2.0
//
// Targets: from where DNS demand comes, to what probers should measure.
//
// A prefix that is asked for becomes a target at once, and again while demand goes on and half its
// lifetime is over; without demand it lapses by itself.
//
// Threads:  one thread.
// Limits:   kMaxTargets prefixes; the one asked for longest ago makes room.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "event/event.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Targets {
 public:
  static constexpr std::size_t kMaxTargets = 100'000;

  struct Known {
    Prefix prefix;
    Instant first_asked{};
    Instant last_asked{};
    Instant announced{};           // when the last target event was made
    std::uint64_t queries = 0;     // since it is known
    std::uint32_t per_minute = 0;  // in the last report
    std::vector<Address> addresses;
    // Under a budget (collector/plan):
    routing::SiteMask wanted = 0;  // the sites of the services that were asked for
    routing::SiteMask probed = 0;  // named in this round
    Instant round{};               // when it began
    Instant named{};               // when the last site of it was
    bool is_done = false;          // the round names no more
    bool is_waiting = false;       // for a decision
  };

  explicit Targets(Seconds lifetime) : lifetime_(lifetime) {}

  // The network that was asked for, known from now on. Valid until the next call.
  Known& note(const event::Demand& demand, Instant now);
  Known* find(const Prefix& prefix);
  const Known* find(const Prefix& prefix) const;
  // The target event to announce now to every site, if any.
  std::optional<event::Target> ask(const event::Demand& demand, Instant now);

  std::size_t size() const noexcept { return order_.size(); }
  // Most recently asked for first.
  const std::list<Known>& known() const noexcept { return order_; }
  // Sites were numbered anew: every round begins again.
  void forget_rounds();
  // Nothing was before `now`: the clock was set back.
  void forget_the_future(Instant now);
  void set_lifetime(Seconds lifetime) noexcept { lifetime_ = lifetime; }

 private:
  Seconds lifetime_;
  std::list<Known> order_;
  std::unordered_map<Prefix, std::list<Known>::iterator> by_prefix_;
};

}  // namespace isochrone::collector
