// SPDX-License-Identifier: Apache-2.0
//
// NodeState: what one DNS node has learnt from the collector, and how far it has read.
//
// Pure: batches of events in, state out. Performance is held by ids of the current topology, health by
//       site name, so that a word about a site that is configured later is not lost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "dns/snapshot.h"
#include "event/client.h"
#include "event/event.h"
#include "routing/packed_state.h"
#include "routing/site_states.h"
#include "routing/topology.h"

namespace isochrone::dns {

// How far a channel was read: the position means something in the log of this id only.
struct ChannelPosition {
  std::string log_id;
  event::Position position = 0;

  friend bool operator==(const ChannelPosition&, const ChannelPosition&) = default;
};

// What the two that may take a site out of answers say about it. Probers' heartbeats are not heard
// here: the collector draws its verdict from them.
struct SiteHealth {
  event::HealthStatus collector = event::HealthStatus::up;
  event::HealthStatus operators = event::HealthStatus::up;
  Instant said{};  // when the operator said so; unknown of what comes from a snapshot

  bool is_up() const {
    return collector == event::HealthStatus::up && operators == event::HealthStatus::up;
  }
  bool is_draining() const {
    return collector != event::HealthStatus::down && operators != event::HealthStatus::down &&
           !is_up();
  }
  friend bool operator==(const SiteHealth& a, const SiteHealth& b) {
    return a.collector == b.collector && a.operators == b.operators;
  }
};

struct NodeState {
  ChannelPosition state_position;
  ChannelPosition health_position;
  routing::PackedState performance;
  std::map<std::string, SiteHealth, std::less<>> health;
  // By ServiceId: its sites that were up when any was last, as of each event; none: all.
  std::vector<routing::SiteMask> last_good;
  Instant newest{};  // of the state events applied; the epoch when there was none
  // What apply_state() changed since this was last emptied: whether the prefix had answers before.
  std::map<Prefix, bool> changed;

  // True when something that answers depend on has changed. The estimates of another log replace ours
  // prefix by prefix as they come: until then the old ones are the best there is.
  bool apply_state(const event::Follower::Batch& batch, const routing::Topology& topology);
  // Health of another log replaces ours at once: an operator's word that its log has lost could
  // never be taken back.
  bool apply_health(const event::Follower::Batch& batch, const routing::Topology& topology);

  // Ids follow names into another topology; both channels are to be read again from their start, for
  // what was left out because its names were unknown.
  void change_topology(const routing::Topology& before, const routing::Topology& after);

  routing::SiteStates site_states(const routing::Topology& topology) const;
  PrivateMask measured_private() const;
  // The same from what it was before these prefixes changed, without a walk over all.
  PrivateMask measured_private(PrivateMask before, const std::map<Prefix, bool>& changes) const;

 private:
  void forget_versions();
};

}  // namespace isochrone::dns
