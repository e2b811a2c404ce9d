// SPDX-License-Identifier: Apache-2.0
#include "collector/past.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "event/convert.h"
#include "routing/explain.h"
#include "routing/table_compiler.h"

namespace isochrone::collector {
namespace {

using event::Channel;
using event::HealthOrigin;
using event::HealthStatus;
using event::Position;

// The core forgets a path up to a minute after its lifetime, and a window closes seconds after its end.
constexpr Seconds kSlack{600};

Error no_such_position(Channel channel, Position position, const EventLog& log) {
  return Error(Errc::not_found,
               fmt::format("position {} of {} is not in this log, which has {} to {}", position,
                           event::to_string(channel), log.first(channel), log.last(channel)));
}

// What is said of one site, and what was said first of it: of what came before the log begins nothing is
// known but that it was otherwise.
struct Said {
  HealthStatus collector = HealthStatus::up;
  HealthStatus operators = HealthStatus::up;
  Instant by_operator{};
  bool is_heard = false;  // a verdict was read

  bool is_up() const { return collector == HealthStatus::up && operators == HealthStatus::up; }
  bool is_draining() const {
    return !is_up() && collector != HealthStatus::down && operators != HealthStatus::down;
  }
};

}  // namespace

Result<PastMoment> PastMoment::at(const EventLog& log, Instant at) {
  std::optional<Instant> earliest;
  for (const Channel channel : {Channel::state, Channel::health}) {
    const auto time = time_at(log, channel, log.first(channel));
    if (time && (!earliest || *time < *earliest)) earliest = time;
  }
  if (!earliest) return fail(Errc::not_found, "the event log has no state yet");
  // Times are written to the microsecond: all of it counts.
  const Instant after = at + Micros(1);
  if (after <= *earliest) {
    return fail(Errc::not_found,
                fmt::format("{} is before the event log begins; the earliest is {}",
                            format_instant(at), format_instant(*earliest)));
  }
  return PastMoment{log.before(Channel::state, after), log.before(Channel::health, after)};
}

Result<Past> Past::make(const EventLog& log, const PastSetup& setup, const PastMoment& moment,
                        const std::function<bool()>& goes_on) {
  for (const auto& [channel, position] :
       {std::pair{Channel::state, moment.state}, std::pair{Channel::health, moment.health}}) {
    const bool is_gone = position + 1 < log.first(channel);
    if (is_gone || position > log.last(channel)) {
      return tl::unexpected(no_such_position(channel, position, log));
    }
  }
  Past past(setup, moment);
  LogWalk walk(log, goes_on);
  if (auto read = past.read_state(log, walk); !read) return tl::unexpected(read.error());
  if (auto read = past.read_health(log, walk); !read) return tl::unexpected(read.error());
  past.table_ = routing::compile_prefixes(past.setup_.topology, view_of(past.state_).all,
                                          past.setup_.map.get(), moment.state);
  return past;
}

Result<void> Past::read_state(const EventLog& log, LogWalk& walk) {
  if (moment_.state == 0) return {};
  const auto last = time_at(log, Channel::state, moment_.state);
  const Instant from = last.value_or(Instant{}) - Nanos(setup_.path_lifetime) - Nanos(kSlack);
  Position start = log.before(Channel::state, from);
  // States that are the newest of their prefix are kept although they lie before the first position.
  const Position first = log.first(Channel::state);
  is_whole_ = first <= 1 || start >= first;
  if (start < first) start = 0;
  return walk.each(Channel::state, start, moment_.state, [&](const event::Event& event, Position) {
    const auto* state = std::get_if<event::State>(&event.payload);
    if (state == nullptr) return;
    newest_ = std::max(newest_, event.time);
    // As a DNS node takes it: by versions.
    const auto known = state_.find(state->prefix);
    if (known && state->version <= known->version) return;
    if (state->paths.empty()) {
      state_.erase(state->prefix);
    } else {
      state_.apply(event::from_event(*state, setup_.topology));
    }
  });
}

Result<void> Past::read_health(const EventLog& log, LogWalk& walk) {
  std::vector<Said> said(setup_.topology.sites.size());
  const auto look = [&] {
    sites_.up = routing::kAllSites;
    sites_.draining = 0;
    for (std::size_t i = 0; i < said.size(); ++i) {
      const auto bit = routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)));
      if (!said[i].is_up()) sites_.up &= ~bit;
      if (said[i].is_draining()) sites_.draining |= bit;
    }
    routing::remember_good(setup_.topology, sites_);
  };
  // Where the beginning is gone, the first verdict tells what the one before was.
  const bool is_cut = log.first(Channel::health) > 1;
  const Position until = is_cut ? log.last(Channel::health) : moment_.health;
  const Instant begin =
      time_at(log, Channel::health, log.first(Channel::health)).value_or(Instant{});
  for (std::size_t i = 0; is_cut && i < said.size() && i < setup_.health.size(); ++i) {
    const SiteHealth::Site& now = setup_.health[i];
    if (now.said < begin) said[i].operators = now.by_operator;
    if (now.is_silent) said[i].collector = HealthStatus::down;  // unless a verdict is read
  }
  look();
  return walk.each(Channel::health, 0, until, [&](const event::Event& event, Position position) {
    const auto* health = std::get_if<event::Health>(&event.payload);
    if (health == nullptr || health->origin == HealthOrigin::prober) return;
    const auto id = setup_.topology.find_site(health->site);
    if (!id) return;
    Said& site = said[id->index()];
    const bool is_later = position > moment_.health;
    if (health->origin == HealthOrigin::collector) {
      const bool is_first = !std::exchange(site.is_heard, true);
      if (is_later && (!is_first || !is_cut)) return;
      site.collector = !is_later                            ? health->status
                       : health->status == HealthStatus::up ? HealthStatus::down
                                                            : HealthStatus::up;
    } else {
      if (is_later || event.time < site.by_operator) return;
      site.operators = health->status;
      site.by_operator = event.time;
    }
    look();
  });
}

routing::Decision Past::explain(routing::ServiceId service, const Address& client) const {
  const auto find = [this](const Prefix& prefix) { return state_.find(prefix); };
  return routing::explain(setup_.topology, *table_, find, setup_.map.get(), sites_, service,
                          client);
}

}  // namespace isochrone::collector
