// SPDX-License-Identifier: Apache-2.0
#include "collector/plan.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace isochrone::collector {
namespace {

using routing::SiteId;
using routing::SiteMask;

// A path that was named and has not reported by then is lost or its prober silent: three rounds of a
// prober with the default interval.
constexpr Seconds kPatience{30};
// What sites see of each other is looked at anew this often: rebuilding the places takes some 10 ms.
constexpr Seconds kLook{60};

std::vector<std::optional<routing::Location>> locations(const routing::Topology& topology) {
  std::vector<std::optional<routing::Location>> found;
  for (const routing::Site& site : topology.sites) found.push_back(site.location);
  return found;
}

std::vector<routing::Seen> paths_of(const routing::PrefixState* state,
                                    const routing::PersistenceOf& persistence, Instant now) {
  std::vector<routing::Seen> seen;
  if (state == nullptr) return seen;
  const routing::Persistence& lasts = persistence(state->prefix);
  for (const routing::PathState& path : state->paths) {
    if (path.estimate.samples == 0) continue;
    const Micros rtt = routing::expect(path.estimate, path.usual, now, lasts).p50;
    seen.push_back({path.site, rtt, now - path.estimate.at});
  }
  return seen;
}

SiteId site_at(std::size_t index) { return SiteId(static_cast<std::uint16_t>(index)); }

}  // namespace

Plan::Plan(const Options& options, const routing::Topology& topology)
    : budget_(options.probe_budget),
      lifetime_(options.target_lifetime),
      topology_(topology),
      mesh_(topology.sites.size()),
      predictor_(locations(topology), mesh_) {
  for (const routing::Site& site : topology.sites) {
    homes_.emplace_back();
    if (site.addresses.empty()) continue;
    homes_.back() = Prefix(site.addresses.front(), site.addresses.front().width());
  }
}

void Plan::asked(const event::Demand& demand, Targets::Known& known, Instant now) {
  const auto service = topology_.find_service(demand.service);
  if (!service) return;
  for (const SiteId site : topology_.services[service->index()].sites) {
    known.wanted |= routing::site_bit(site);
  }
  if (known.round != Instant{} && now < known.round + lifetime_) {
    if (known.is_done || now < known.named + kPatience) return;
  } else {
    known.round = now;
    known.probed = 0;
    known.is_done = false;
  }
  enqueue(known);
}

void Plan::reported(const Prefix& prefix, Targets& targets) {
  if (std::find(homes_.begin(), homes_.end(), prefix) != homes_.end()) is_mesh_new_ = true;
  Targets::Known* known = targets.find(prefix);
  if (known != nullptr && known->probed != 0 && !known->is_done) enqueue(*known);
}

void Plan::forget_the_future(Instant now) {
  next_look_ = std::min(next_look_, now);
  next_mesh_ = std::min(next_mesh_, now);
}

void Plan::enqueue(Targets::Known& known) {
  if (std::exchange(known.is_waiting, true)) return;
  waiting_.push_back(known.prefix);
}

std::vector<event::Target> Plan::take(Targets& targets, const routing::PerformanceState& state,
                                      const routing::PersistenceOf& persistence, SiteMask up,
                                      Instant now) {
  std::vector<event::Target> found;
  if (now >= next_mesh_) {
    found = mesh_targets();
    next_mesh_ = now + Nanos(lifetime_) / 2;
  }
  if (!is_limited()) return found;
  if (is_mesh_new_ && now >= next_look_) look_at_mesh(state, now);
  for (std::size_t i = 0; i < kAtOnce && !waiting_.empty(); ++i) {
    Targets::Known* known = targets.find(waiting_.front());
    waiting_.pop_front();
    if (known == nullptr) continue;  // made room for others
    known->is_waiting = false;
    const routing::PrefixState* prefix = state.find(known->prefix);
    const Paths seen = paths_of(prefix, persistence, now);
    if (auto target = step(*known, prefix, seen, up, now)) {
      found.push_back(std::move(*target));
    }
  }
  return found;
}

std::vector<event::Target> Plan::mesh_targets() const {
  std::vector<event::Target> found;
  for (std::size_t i = 0; i < homes_.size(); ++i) {
    if (!homes_[i] || homes_.size() < 2) continue;
    event::Target target{*homes_[i], {homes_[i]->address()}, {}, lifetime_, 1};
    for (std::size_t j = 0; j < homes_.size(); ++j) {
      if (j != i) target.sites.push_back(topology_.sites[j].name);
    }
    found.push_back(std::move(target));
  }
  return found;
}

void Plan::look_at_mesh(const routing::PerformanceState& state, Instant now) {
  is_mesh_new_ = false;
  next_look_ = now + kLook;
  routing::Mesh mesh(topology_.sites.size());
  for (std::size_t i = 0; i < homes_.size(); ++i) {
    const routing::PrefixState* seen = homes_[i] ? state.find(*homes_[i]) : nullptr;
    if (seen == nullptr) continue;
    for (const routing::PathState& path : seen->paths) {
      if (path.estimate.samples > 0) mesh.set(path.site, site_at(i), path.estimate.p50);
    }
  }
  if (mesh == mesh_) return;
  mesh_ = std::move(mesh);
  predictor_ = routing::Predictor(locations(topology_), mesh_);
}

// Names the next path of a round, once those named before have reported.
std::optional<event::Target> Plan::step(Targets::Known& known, const routing::PrefixState* state,
                                        const Paths& seen, SiteMask up, Instant now) {
  SiteMask reported = 0;
  if (state != nullptr) {
    for (const routing::PathState& path : state->paths) {
      if (path.estimate.at > known.round) reported |= routing::site_bit(path.site);
    }
  }
  const bool is_heard = (known.probed & ~reported) == 0;
  if (!is_heard && now < known.named + kPatience) return std::nullopt;
  const SiteMask serving = (known.wanted & up) != 0 ? known.wanted & up : known.wanted;
  const SiteMask candidates = serving & ~known.probed;
  const bool is_spent = static_cast<unsigned>(std::popcount(known.probed)) >= budget_;
  const auto site = is_spent ? std::nullopt : choose(known, state, seen, candidates);
  if (!site) {
    known.is_done = true;
    predictor_.learn(view(known.prefix, seen));
    return std::nullopt;
  }
  known.probed |= routing::site_bit(*site);
  known.named = now;
  const auto left = std::chrono::ceil<Seconds>(known.round + lifetime_ - now);
  return event::Target{known.prefix,
                       known.addresses,
                       {topology_.sites[site->index()].name},
                       std::max(left, Seconds(1)),
                       known.per_minute};
}

std::optional<SiteId> Plan::choose(const Targets::Known& known, const routing::PrefixState* state,
                                   const Paths& seen, SiteMask candidates) const {
  // What answers use is watched before anything is looked for.
  for (std::size_t i = 0; state != nullptr && i < topology_.services.size(); ++i) {
    const SiteId* used = state->preferred(routing::ServiceId(static_cast<std::uint16_t>(i)));
    if (used != nullptr && (candidates & routing::site_bit(*used)) != 0) return *used;
  }
  return predictor_.next(view(known.prefix, seen), candidates);
}

routing::ClientView Plan::view(const Prefix& prefix, const Paths& seen) const {
  routing::ClientView client{prefix, {}, {}};
  const routing::GeoPrior::Network* network =
      map_ != nullptr ? map_->find(prefix.address()) : nullptr;
  if (network != nullptr) client.location = map_->location(*network);
  client.seen = seen;
  return client;
}

}  // namespace isochrone::collector
