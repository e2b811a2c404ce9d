// SPDX-License-Identifier: Apache-2.0
#include "dns/node_state.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "event/convert.h"
#include "routing/compile.h"

namespace isochrone::dns {
namespace {

// Whether the batch comes from another log than the one read so far.
bool is_replaced(const ChannelPosition& at, const event::Follower::Batch& batch) {
  return !at.log_id.empty() && (at.log_id != batch.log_id || batch.position < at.position);
}

}  // namespace

bool NodeState::apply_state(const event::Follower::Batch& batch,
                            const routing::Topology& topology) {
  if (is_replaced(state_position, batch)) forget_versions();
  state_position = {batch.log_id, batch.position};
  bool has_changed = false;
  for (const event::StoredEvent& stored : batch.events) {
    const auto* state = std::get_if<event::State>(&stored.event.payload);
    if (state == nullptr) continue;
    newest = std::max(newest, stored.event.time);
    const auto known = performance.find(state->prefix);
    if (known && state->version <= known->version) continue;
    const bool is_changed = state->paths.empty()
                                ? performance.erase(state->prefix)
                                : performance.apply(event::from_event(*state, topology));
    if (!is_changed) continue;
    has_changed = true;
    changed.try_emplace(state->prefix, known && routing::has_answers(*known));
  }
  return has_changed;
}

bool NodeState::apply_health(const event::Follower::Batch& batch,
                             const routing::Topology& topology) {
  const auto before = health;
  const auto good_before = last_good;
  if (is_replaced(health_position, batch)) health.clear();
  health_position = {batch.log_id, batch.position};
  for (const event::StoredEvent& stored : batch.events) {
    const auto* said = std::get_if<event::Health>(&stored.event.payload);
    if (said == nullptr || said->origin == event::HealthOrigin::prober) continue;
    SiteHealth& site = health[said->site];
    if (said->origin == event::HealthOrigin::collector) {
      site.collector = said->status;
    } else {
      // The operator's last word by its own time, as the collector takes it.
      const Instant at = stored.event.time;
      if (at < site.said) continue;
      site.operators = said->status;
      site.said = at;
    }
    routing::SiteStates states = site_states(topology);
    routing::remember_good(topology, states);
    last_good = std::move(states.last_good);
  }
  return health != before || last_good != good_before;
}

void NodeState::forget_versions() {
  routing::PackedState forgetful;
  performance.for_each([&](routing::PrefixState state) {
    state.version = 0;
    forgetful.put(state);
  });
  performance = std::move(forgetful);
}

void NodeState::change_topology(const routing::Topology& before, const routing::Topology& after) {
  routing::PackedState renamed;
  performance.for_each([&](const routing::PrefixState& state) {
    renamed.put(event::from_event(event::to_event(state, before), after));
  });
  performance = std::move(renamed);
  std::vector<routing::SiteMask> good(after.services.size());
  for (std::size_t i = 0; i < std::min(last_good.size(), before.services.size()); ++i) {
    const auto service = after.find_service(before.services[i].name);
    for (std::size_t site = 0; service && site < before.sites.size(); ++site) {
      if ((last_good[i] >> site & 1) == 0) continue;
      const auto found = after.find_site(before.sites[site].name);
      if (found) good[service->index()] |= routing::site_bit(*found);
    }
  }
  last_good = std::move(good);
  forget_versions();
  state_position.position = 0;
  health_position.position = 0;
}

routing::SiteStates NodeState::site_states(const routing::Topology& topology) const {
  routing::SiteStates states;
  for (std::size_t i = 0; i < topology.sites.size(); ++i) {
    const auto said = health.find(topology.sites[i].name);
    if (said == health.end() || said->second.is_up()) continue;
    const auto bit = routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)));
    states.up &= ~bit;
    if (said->second.is_draining()) states.draining |= bit;
  }
  states.last_good = last_good;
  return states;
}

PrivateMask NodeState::measured_private() const {
  PrivateMask mask = 0;
  performance.for_each([&](const routing::PrefixState& state) {
    mask = static_cast<PrivateMask>(mask | private_bit(state.prefix.address()));
  });
  return mask;
}

PrivateMask NodeState::measured_private(PrivateMask before,
                                        const std::map<Prefix, bool>& changes) const {
  PrivateMask mask = before;
  for (const auto& change : changes) {
    const PrivateMask bit = private_bit(change.first.address());
    if (bit == 0) continue;
    if (!performance.find(change.first)) return measured_private();  // it may have been the last
    mask = static_cast<PrivateMask>(mask | bit);
  }
  return mask;
}

}  // namespace isochrone::dns
