// SPDX-License-Identifier: Apache-2.0
//
// Past: what answers rested on at an earlier moment, made anew from the event log.
//
// A moment is how far a DNS node had read: with the positions that a `decision` event carries its answer
// comes out again, site, scope and reason. The newest state of every prefix up to there is read, back to
// where a path that was still known must have been spoken of: its lifetime, and what sweeps are late.
//
// Threads:  values; make() reads the log in the caller's thread, which need not be the engine's.
// Cost:     that of reading, bounded by LogWalk: some seconds for a million events; memory as
//           routing/packed_state.h.
// Limits:   sites and services are those of the setup, whatever was configured then. Which sites were up
//           last before all were down (`last-good`) is known from what the log keeps of `health`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "collector/event_log.h"
#include "collector/log_walk.h"
#include "collector/site_health.h"
#include "routing/compile.h"
#include "routing/decision.h"
#include "routing/geo.h"
#include "routing/packed_state.h"
#include "routing/site_states.h"
#include "routing/topology.h"

namespace isochrone::collector {

struct PastSetup {
  routing::Topology topology;
  std::shared_ptr<const routing::GeoPrior> map;  // may be null
  Seconds path_lifetime{3'600};
  // As they are now, by SiteId: what stands since before the log begins. None: nothing does.
  std::vector<SiteHealth::Site> health;
};

// The last event of each channel that was known.
struct PastMoment {
  event::Position state = 0;
  event::Position health = 0;

  // What had arrived by then; not_found, with the earliest that can be asked for, when the log does not
  // go back so far.
  static Result<PastMoment> at(const EventLog& log, Instant at);
};

class Past {
 public:
  // `goes_on` is asked now and then; false ends it with `unavailable`. not_found: positions that the log
  // does not have (any more).
  static Result<Past> make(const EventLog& log, const PastSetup& setup, const PastMoment& moment,
                           const std::function<bool()>& goes_on);

  routing::Decision explain(routing::ServiceId service, const Address& client) const;

  const routing::Topology& topology() const noexcept { return setup_.topology; }
  const PastMoment& moment() const noexcept { return moment_; }
  const routing::PackedState& state() const noexcept { return state_; }
  const routing::SiteStates& sites() const noexcept { return sites_; }
  Instant newest() const noexcept { return newest_; }  // of the state events; the epoch without any
  // False where retention has taken states that were the newest then: of prefixes that were measured
  // shortly before the log begins, and not again until the moment.
  bool is_whole() const noexcept { return is_whole_; }

 private:
  Past(PastSetup setup, const PastMoment& moment) : setup_(std::move(setup)), moment_(moment) {}
  Result<void> read_state(const EventLog& log, LogWalk& walk);
  Result<void> read_health(const EventLog& log, LogWalk& walk);

  PastSetup setup_;
  PastMoment moment_;
  routing::PackedState state_;
  routing::SiteStates sites_;
  std::shared_ptr<const routing::RoutingTable> table_;
  Instant newest_{};
  bool is_whole_ = true;
};

}  // namespace isochrone::collector
