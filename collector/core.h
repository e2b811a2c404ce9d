// SPDX-License-Identifier: Apache-2.0
//
// Core: events in, state out: the collector without sockets, disks and clocks.
//
// One step is: admit() says which posted events are new; the caller makes them durable together with
// notes(); then apply() lets them count, or undo() forgets that they came. advance() lets time pass.
// What the core itself has to say waits in outbox() until the caller has made that durable too.
//
// Threads:  one thread.
// Clock:    set back, or not told for a while, it makes no window late, no target wait, no site silent.
// Exactly once:  what was admitted (dedup), how far windows are closed and from where measurements
//           must be read again are notes written with the events they speak of, in one atomic write.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/balance.h"
#include "collector/catchment.h"
#include "collector/core_values.h"
#include "collector/dedup.h"
#include "collector/jury.h"
#include "collector/options.h"
#include "collector/partition.h"
#include "collector/plan.h"
#include "collector/resolver_map.h"
#include "collector/rows.h"
#include "collector/site_health.h"
#include "routing/kin.h"
#include "routing/site_states.h"

namespace isochrone::collector {

class Core {
 public:
  using Counts = CoreCounts;
  using Admitted = CoreAdmitted;
  using Outbox = CoreOutbox;

  // `epoch`: the start of this life in Unix microseconds, part of the ids of what the core says.
  Core(const Options& options, const routing::Topology& topology, std::uint64_t epoch);

  // Takes up where an earlier life left off; with share() before, nothing is reduced here until own().
  void restore(const EventLog& log, Instant now);
  void share() { windows_.share(); }
  void own(const Parts& parts, const EventLog& log, Instant now);
  void set_map(std::shared_ptr<const routing::GeoPrior> map);
  // New sites, services and times; state of sites that are gone is dropped.
  void reconfigure(const Options& options, const routing::Topology& topology);

  Admitted admit(std::vector<event::Event> events, Instant now);
  std::vector<Note> notes() const;
  void apply(const std::vector<event::Event>& events, const std::vector<event::Position>& positions,
             Instant now);
  void undo() { dedup_.rollback(); }
  // What others appended; nothing is admitted meanwhile.
  void take(const Foreign& foreign, Instant now);

  void advance(Instant now, CoreShare share = CoreShare::all);
  const Outbox& outbox() const noexcept { return outbox_; }
  void outbox_is_durable() { outbox_ = {}; }
  void keep(const std::vector<Note>& notes);  // of others, with the core's own

  const routing::Topology& topology() const noexcept { return topology_; }
  const routing::PerformanceState& state() const noexcept { return state_; }
  const SiteHealth& health() const noexcept { return health_; }
  routing::SiteStates site_states() const { return {health_.up(), health_.draining(), last_good_}; }
  const Targets& targets() const noexcept { return targets_; }
  const Plan& plan() const noexcept { return plan_; }
  const PartitionedWindows& windows() const noexcept { return windows_; }
  const Juries& juries() const noexcept { return juries_; }
  const Catchments& catchments() const noexcept { return catchments_; }
  const Balance& balance() const noexcept { return balance_; }
  const ResolverMap& resolvers() const noexcept { return resolvers_; }
  const Dedup& dedup() const noexcept { return dedup_; }
  const Counts& counts() const noexcept { return counts_; }
  std::uint64_t generation() const noexcept { return generation_; }
  Instant changed_at() const noexcept { return changed_at_; }

 private:
  void apply_event(const event::Event& event, event::Position position, Instant now);
  void take_state(const event::State& state, Instant now);
  void apply_measurement(const event::Event& event, event::Position position);
  void apply_health(const event::Health& health, Instant said, Instant now);
  void look_at_clock(Instant now);
  void forget_the_future(Instant now);
  void fold(const std::vector<ClosedWindow>& closed, Instant now);
  void judge_sites(Instant now);
  void sweep(Instant now);
  bool age(routing::PrefixState& known, Instant until);
  void balance(Instant now);
  void say(event::Payload payload, Instant now);
  void say_state(const routing::PrefixState& prefix, Instant now);
  void touch(Instant now);
  void fold(routing::PrefixState& known, routing::SiteId site, const routing::WindowSummary& seen);
  bool weigh(routing::PrefixState& known, const ClosedWindow& window);
  void drop_claims(Instant now);
  bool decide(routing::PrefixState& known, Instant now);
  void rebuild(const EventLog& log, Instant now);
  void learn_kin(const Parts& parts);
  const routing::PerformanceState& blocks() const noexcept;
  Ground ground() const;
  void fold_blocks(const std::vector<ClosedWindow>& closed, Instant now);
  void lay_rows(const Prefix& start, Instant at, Instant now);
  void lay_row(routing::PrefixState row, Instant at, Instant now);
  void withdraw_row(const Prefix& row, Instant at, Instant now);
  void sweep_blocks(Instant now);
  void drop_paths(const std::function<bool(const routing::PathState&)>& is_such,
                  const std::function<bool(routing::PrefixState&)>& forget, Instant now);
  void adopt_row(const Prefix& prefix);
  void renumber_rows(const Options& options, const routing::Topology& before);
  bool note_beacon(const event::Event& event, Instant now);
  void restore_resolvers(const EventLog& log, Instant now);
  void blend_resolvers(Instant now);
  void blend_one(const Address& resolver, Instant now);
  void leave(const Parts& parts, const EventLog& log);
  void read_open(const Parts& parts, const EventLog& log);
  bool speaks() const { return windows_.mine()[kCommon]; }

  Options options_;
  routing::Topology topology_;
  std::uint64_t epoch_;
  std::uint64_t sequence_ = 0;
  Dedup dedup_;
  PartitionedWindows windows_;
  Juries juries_;
  routing::PerformanceState state_;
  Rows rows_;
  SiteHealth health_;
  std::vector<routing::SiteMask> last_good_;
  Targets targets_;
  std::shared_ptr<const routing::GeoPrior> map_;
  routing::KinGroups kin_groups_;
  Plan plan_;
  Catchments catchments_;
  Balance balance_;
  ResolverMap resolvers_;
  Counts counts_;
  Outbox outbox_;
  event::Position next_measurement_ = 1;  // the position the next measurement will have
  std::uint64_t generation_ = 1;
  Instant changed_at_{};
  Instant last_sweep_{};
  Instant advanced_{};
};

}  // namespace isochrone::collector
