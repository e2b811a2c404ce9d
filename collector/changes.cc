// SPDX-License-Identifier: Apache-2.0
#include "collector/changes.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "event/convert.h"
#include "routing/policy.h"

namespace isochrone::collector {
namespace {

using event::Channel;
using event::Position;
using routing::PrefixState;
using routing::ServiceId;
using routing::SiteId;

// From then on other things are expected of a path than what it was (docs/decisions/0008).
constexpr Seconds kSilent{300};

// Which sites could be named at any time of the interval.
class SitesThen {
 public:
  explicit SitesThen(routing::SiteMask before) { masks_.emplace_back(Instant{}, before); }
  void change(Instant at, SiteId site, bool is_up) {
    const auto bit = routing::site_bit(site);
    const auto mask = masks_.back().second;
    masks_.emplace_back(std::max(at, masks_.back().first), is_up ? mask | bit : mask & ~bit);
  }
  bool is_up(SiteId site, Instant at) const {
    auto after = std::upper_bound(masks_.begin(), masks_.end(), at,
                                  [](Instant t, const auto& entry) { return t < entry.first; });
    return (std::prev(after)->second & routing::site_bit(site)) != 0;
  }

 private:
  std::vector<std::pair<Instant, routing::SiteMask>> masks_;
};

std::optional<SiteId> preferred(const PrefixState* known, ServiceId service) {
  const SiteId* site = known != nullptr ? known->preferred(service) : nullptr;
  return site != nullptr ? std::optional(*site) : std::nullopt;
}

const routing::Estimate* answered(const PrefixState& known, std::optional<SiteId> site) {
  const routing::Estimate* estimate = site ? known.find(*site) : nullptr;
  return estimate != nullptr && estimate->samples > 0 ? estimate : nullptr;
}

class Finder {
 public:
  Finder(const EventLog& log, const PastSetup& setup, const ChangesAsked& asked,
         const std::function<bool()>& goes_on)
      : log_(log), setup_(setup), asked_(asked), walk_(log, goes_on), goes_on_(goes_on) {}

  Result<ChangesReport> run();

 private:
  Result<void> read_health(const PastMoment& from, const PastMoment& to);
  Result<void> read_states(const PastMoment& from, const PastMoment& to);
  Result<void> read_demand();
  void compare(const PrefixState* before, const PrefixState& after, Instant at);
  WhyMoved why(const Change& change, const PrefixState& after, Instant at) const;
  Prefix network_of(const event::Demand& demand);

  const EventLog& log_;
  const PastSetup& setup_;
  const ChangesAsked& asked_;
  LogWalk walk_;
  const std::function<bool()>& goes_on_;
  routing::PackedState state_;
  std::optional<SitesThen> sites_then_;
  std::deque<Change> changes_;  // the oldest first
  std::deque<SiteChange> site_changes_;
  std::map<Prefix, Prefix> networks_;  // what was found of those that were asked for
  ChangesReport report_;
};

Result<ChangesReport> Finder::run() {
  report_.since = asked_.since;
  auto from = PastMoment::at(log_, asked_.since);
  if (!from) {
    // The log begins later: from there on.
    const auto first = time_at(log_, Channel::state, log_.first(Channel::state));
    if (!first || *first > asked_.until) return tl::unexpected(from.error());
    report_.since = std::max(*first, asked_.since);
    from = PastMoment{std::max<Position>(log_.first(Channel::state), 1) - 1,
                      std::max<Position>(log_.first(Channel::health), 1) - 1};
  }
  const auto to = PastMoment::at(log_, asked_.until);
  if (!to) return tl::unexpected(to.error());
  auto past = Past::make(log_, setup_, *from, goes_on_);
  if (!past) return tl::unexpected(past.error());
  report_.is_whole = past->is_whole();
  state_ = past->state();
  sites_then_.emplace(past->sites().up);
  for (const auto& read : {read_health(*from, *to), read_states(*from, *to), read_demand()}) {
    if (!read) return tl::unexpected(read.error());
  }
  report_.changes.assign(changes_.rbegin(), changes_.rend());
  report_.sites.assign(site_changes_.rbegin(), site_changes_.rend());
  return std::move(report_);
}

Result<void> Finder::read_health(const PastMoment& from, const PastMoment& to) {
  return walk_.each(
      Channel::health, from.health, to.health, [&](const event::Event& event, Position) {
        const auto* health = std::get_if<event::Health>(&event.payload);
        if (health == nullptr || health->origin == event::HealthOrigin::prober) return;
        const auto site = setup_.topology.find_site(health->site);
        if (!site) return;
        sites_then_->change(event.time, *site, health->status == event::HealthStatus::up);
        site_changes_.push_back(
            {event.time, *site, health->status, health->origin, health->reason});
        if (site_changes_.size() > asked_.limit) site_changes_.pop_front();
      });
}

Result<void> Finder::read_states(const PastMoment& from, const PastMoment& to) {
  return walk_.each(Channel::state, from.state, to.state, [&](const event::Event& event, Position) {
    const auto* state = std::get_if<event::State>(&event.payload);
    if (state == nullptr) return;
    const auto before = state_.find(state->prefix);
    if (before && state->version <= before->version) return;
    const PrefixState after = event::from_event(*state, setup_.topology);
    compare(before ? &*before : nullptr, after, event.time);
    if (state->paths.empty()) {
      state_.erase(state->prefix);
    } else {
      state_.apply(after);
    }
  });
}

void Finder::compare(const PrefixState* before, const PrefixState& after, Instant at) {
  for (std::size_t i = 0; i < setup_.topology.services.size(); ++i) {
    const ServiceId service(static_cast<std::uint16_t>(i));
    if (asked_.service && *asked_.service != service) continue;
    Change change{at, service, after.prefix, preferred(before, service),
                  after.paths.empty() ? std::nullopt : preferred(&after, service)};
    if (change.from == change.to) continue;
    const auto* from = answered(after, change.from);
    const auto* to = answered(after, change.to);
    if (from != nullptr) change.from_rtt = from->p50;
    if (to != nullptr) change.to_rtt = to->p50;
    change.why = why(change, after, at);
    ++report_.total;
    changes_.push_back(std::move(change));
    if (changes_.size() > asked_.limit) changes_.pop_front();
  }
}

WhyMoved Finder::why(const Change& change, const PrefixState& after, Instant at) const {
  if (!change.to) return WhyMoved::gone;
  if (!change.from) return WhyMoved::first;
  if (!sites_then_->is_up(*change.from, at)) return WhyMoved::site_down;
  const auto* from = answered(after, change.from);
  const auto* to = answered(after, change.to);
  if (from == nullptr) return WhyMoved::silent;
  const auto objective = setup_.topology.services[change.service.index()].objective;
  if (to != nullptr && routing::score(*to, objective) < routing::score(*from, objective)) {
    return WhyMoved::faster;
  }
  return from->at + kSilent < at ? WhyMoved::silent : WhyMoved::made_room;
}

// The network whose row answers it: the resolver's own, its own, or one around it.
Prefix Finder::network_of(const event::Demand& demand) {
  const Prefix resolver(demand.resolver, demand.resolver.width());
  const bool is_of_resolver = demand.prefix == client_network(demand.resolver);
  const Prefix asked = is_of_resolver ? resolver : demand.prefix;
  const auto [entry, is_new] = networks_.try_emplace(asked, demand.prefix);
  if (!is_new) return entry->second;
  for (int length = asked.length(); length >= 0; --length) {
    const Prefix around(asked.address(), length);
    if (!state_.find(around)) continue;
    entry->second = around;
    break;
  }
  return entry->second;
}

Result<void> Finder::read_demand() {
  std::map<std::pair<Prefix, std::uint16_t>, std::uint64_t> queries;
  for (const Change& change : changes_) queries[{change.network, change.service.value()}] = 0;
  const Position start = log_.before(Channel::demand, report_.since);
  const Position end = log_.before(Channel::demand, asked_.until);
  auto read = walk_.each(Channel::demand, start, end, [&](const event::Event& event, Position) {
    const auto* demand = std::get_if<event::Demand>(&event.payload);
    const auto service =
        demand != nullptr ? setup_.topology.find_service(demand->service) : std::nullopt;
    if (!service || (asked_.service && *asked_.service != *service)) return;
    report_.queries += demand->queries;
    const auto found = queries.find({network_of(*demand), service->value()});
    if (found != queries.end()) found->second += demand->queries;
  });
  for (const auto& [key, count] : queries) report_.moved += count;
  for (Change& change : changes_) {
    change.queries = queries[{change.network, change.service.value()}];
  }
  return read;
}

}  // namespace

std::string_view to_string(WhyMoved why) {
  switch (why) {
    case WhyMoved::first:
      return "first";
    case WhyMoved::faster:
      return "faster";
    case WhyMoved::silent:
      return "silent";
    case WhyMoved::site_down:
      return "site-down";
    case WhyMoved::made_room:
      return "made-room";
    case WhyMoved::gone:
      return "gone";
  }
  return "first";
}

Result<ChangesReport> changes_in(const EventLog& log, const PastSetup& setup,
                                 const ChangesAsked& asked, const std::function<bool()>& goes_on) {
  return Finder(log, setup, asked, goes_on).run();
}

}  // namespace isochrone::collector
