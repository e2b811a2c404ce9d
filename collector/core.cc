// SPDX-License-Identifier: Apache-2.0
#include "collector/core.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "event/codec.h"
#include "event/convert.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kDedupNote = "dedup/";
constexpr std::string_view kHealthNote = "health/";
// Between two steps lie 50 ms and what a commit takes. A longer pause says more about this process, or
// its clock, than about sites whose heartbeats come every second.
constexpr Nanos kUnwatched = Millis(1'500);
// Measurements read back at a time when a life begins.
constexpr std::size_t kReplayPage = 10'000;

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// A browser is one by its task, everybody else by source and method.
std::uint32_t voice_of(const event::Event& event) {
  const auto& measurement = std::get<event::Measurement>(event.payload);
  if (measurement.method == routing::Method::beacon) return crc32c(as_bytes(event.task));
  return crc32c(as_bytes(event.id.source)) + static_cast<std::uint32_t>(measurement.method);
}

// Every event of a channel that is kept, in order; of every channel without one.
template <class Take>
void each_event(const EventLog& log, event::Channel channel, Take take) {
  event::Position after = 0;
  while (true) {
    const Page page = log.read(channel, after, kReplayPage);
    for (const StoredBytes& stored : page.events) {
      const auto event = event::from_protobuf(as_bytes(stored.event));
      if (event) take(*event, stored.position);
    }
    if (page.is_at_end) return;
    after = page.scanned;
  }
}

template <class Take>
void each_event(const EventLog& log, Take take) {
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    each_event(log, static_cast<event::Channel>(i), take);
  }
}

// Three characters, then when the operator said it.
constexpr std::size_t kHealthNoteBytes = 3 + 8;
std::string health_note(const SiteHealth::Site& site) {
  std::string note{site.last_heard ? '1' : '0', site.is_silent ? '1' : '0',
                   static_cast<char>('0' + static_cast<int>(site.by_operator))};
  note.resize(kHealthNoteBytes);
  ByteWriter out({reinterpret_cast<std::uint8_t*>(note.data()) + 3, 8});
  out.u64(static_cast<std::uint64_t>(unix_nanos(site.said)));
  return note;
}

}  // namespace

Core::Core(const Options& options, const routing::Topology& topology, std::uint64_t epoch)
    : options_(options),
      topology_(topology),
      epoch_(epoch),
      dedup_(options.retention),
      windows_(options.window, options.lateness,
               options.networks == nullptr && options.max_rows == 0),
      juries_(topology),
      rows_(options.networks, options.max_rows),
      health_(topology.sites.size(), options.site_timeout),
      targets_(options.target_lifetime),
      kin_groups_(options.routed, nullptr, topology),
      plan_(options, topology),
      catchments_(topology.sites.size()),
      balance_(topology),
      resolvers_(options.beacon.token_lifetime) {}

void Core::set_map(std::shared_ptr<const routing::GeoPrior> map) {
  map_ = std::move(map);
  plan_.set_map(map_);
  kin_groups_ = routing::KinGroups(options_.routed, map_, topology_);
  learn_kin(windows_.mine());
}

void Core::restore(const EventLog& log, Instant now) {
  advanced_ = now;
  log.notes(kDedupNote, [&](std::string_view key, std::string_view bytes) {
    dedup_.restore(key.substr(kDedupNote.size()), bytes);
  });
  log.notes(kHealthNote, [&](std::string_view key, std::string_view bytes) {
    const auto site = topology_.find_site(key.substr(kHealthNote.size()));
    // An older version wrote no time.
    if (!site || (bytes.size() != 3 && bytes.size() != kHealthNoteBytes)) return;
    ByteReader in(as_bytes(bytes.substr(3)));
    const auto said = from_unix_nanos(static_cast<std::int64_t>(in.u64()));
    health_.restore(*site, bytes[0] == '1', bytes[1] == '1',
                    static_cast<event::HealthStatus>(bytes[2] - '0'), in.ok() ? said : Instant{},
                    now);
  });
  restore_resolvers(log, now);
  if (log.damage().has_lost_notes) {
    // Which ids were seen may be older than the events are: the events themselves tell.
    each_event(log, [&](const event::Event& event, event::Position) {
      static_cast<void>(dedup_.check(event.id, now));
    });
  }
  if (log.damage().has_lost_states) return rebuild(log, now);
  log.newest_states([&](std::string_view bytes) {
    const auto event = event::from_protobuf(as_bytes(bytes));
    const auto* state = event ? std::get_if<event::State>(&event->payload) : nullptr;
    if (state != nullptr && !state->paths.empty()) {
      state_.apply(event::from_event(*state, topology_));
    }
  });
  for (const auto& [prefix, known] : state_.prefixes()) adopt_row(prefix);
  learn_kin(windows_.mine());
  read_open(windows_.mine(), log);
  next_measurement_ = log.last(event::Channel::measurement) + 1;
  if (windows_.closed_until() >= now + kUnwatched) forget_the_future(now);
  counts_ = {};  // what was read again, the life before has counted
  catchments_.count(state_, topology_.sites.size());
  touch(now);
}

// From every measurement that is kept, as if they arrived one after the other when they were made.
void Core::rebuild(const EventLog& log, Instant now) {
  Instant latest{};
  each_event(log, event::Channel::measurement,
             [&](const event::Event& event, event::Position position) {
               if (event.time > latest + options_.window) {
                 latest = event.time;
                 fold(windows_.close(latest), latest);
               }
               apply_measurement(event, position);
             });
  next_measurement_ = log.last(event::Channel::measurement) + 1;
  counts_ = {};
  catchments_.count(state_, topology_.sites.size());
  touch(now);
}

void Core::reconfigure(const Options& options, const routing::Topology& topology) {
  // By name: ids may all have moved.
  routing::PerformanceState moved;
  for (const auto& [prefix, known] : state_.prefixes()) {
    moved.apply(event::from_event(event::to_event(known, topology_), topology));
  }
  SiteHealth health(topology.sites.size(), options.site_timeout);
  for (std::size_t i = 0; i < topology_.sites.size(); ++i) {
    if (const auto site = topology.find_site(topology_.sites[i].name)) {
      health.take_over(*site, health_.sites()[i]);
    }
  }
  juries_.clear(topology);
  windows_.renumber(
      [&](routing::SiteId old) { return topology.find_site(topology_.sites[old.index()].name); });
  state_ = std::move(moved);
  health_ = std::move(health);
  const routing::Topology before = std::exchange(topology_, topology);
  renumber_rows(options, before);
  last_good_.clear();  // services have other numbers now
  catchments_ = Catchments(topology.sites.size());
  catchments_.count(state_, topology.sites.size());
  options_ = options;
  targets_.set_lifetime(options.target_lifetime);
  resolvers_.set_lifetime(options.beacon.token_lifetime);
  targets_.forget_rounds();
  plan_ = Plan(options, topology);
  balance_ = Balance(topology);  // rates are known again after a few TTLs
  plan_.set_map(map_);
  kin_groups_ = routing::KinGroups(options_.routed, map_, topology_);
  learn_kin(windows_.mine());
  ++generation_;
}

Core::Admitted Core::admit(std::vector<event::Event> events, Instant now) {
  Admitted admitted;
  admitted.fresh.reserve(events.size());
  admitted.fresh_at.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    switch (dedup_.check(events[i].id, now)) {
      case Seen::first_time:
        admitted.fresh.push_back(std::move(events[i]));
        admitted.fresh_at.push_back(i);
        break;
      case Seen::duplicate:
        admitted.repeated.push_back(std::move(events[i]));
        admitted.repeated_at.push_back(i);
        break;
      case Seen::too_many_sources:
        admitted.refused.push_back(i);
        break;
    }
  }
  return admitted;
}

std::vector<Note> Core::notes() const {
  std::vector<Note> notes;
  for (Dedup::Record& record : dedup_.changes()) {
    notes.push_back({std::string(kDedupNote) + record.source, std::move(record.bytes)});
  }
  return notes;
}

void Core::apply(const std::vector<event::Event>& events,
                 const std::vector<event::Position>& positions, Instant now) {
  dedup_.commit();
  for (std::size_t i = 0; i < events.size(); ++i) apply_event(events[i], positions[i], now);
}

void Core::apply_measurement(const event::Event& event, event::Position position) {
  const auto& measurement = std::get<event::Measurement>(event.payload);
  next_measurement_ = std::max(next_measurement_, position + 1);
  if (!windows_.is_mine(measurement.prefix)) return;
  const auto site = topology_.find_site(measurement.site);
  if (!site) return;
  const Sample sample{event.time, measurement.rtt, measurement.method, voice_of(event)};
  switch (*windows_.add({measurement.prefix, *site}, sample, position)) {
    case OpenWindows::Added::kept:
      ++counts_.samples;
      break;
    case OpenWindows::Added::late:
      ++counts_.late;
      break;
    case OpenWindows::Added::over_quota:
      ++counts_.over_quota;
      break;
  }
}

void Core::apply_health(const event::Health& health, Instant said, Instant now) {
  const auto site = topology_.find_site(health.site);
  if (!site) return;
  const std::string before = health_note(health_.sites()[site->index()]);
  if (health_.apply(*site, health, said, now)) touch(now);
  routing::SiteStates states = site_states();
  routing::remember_good(topology_, states);
  last_good_ = std::move(states.last_good);
  std::string after = health_note(health_.sites()[site->index()]);
  if (after != before && speaks()) {
    outbox_.notes.push_back({std::string(kHealthNote) + health.site, std::move(after)});
  }
}

void Core::look_at_clock(Instant now) {
  const Instant before = std::exchange(advanced_, now);
  if (before == Instant{}) return;
  if (now - before > kUnwatched || before - now >= kUnwatched) health_.excuse(before, now);
  if (before - now >= kUnwatched) forget_the_future(now);
}

// The clock was set back. Nothing open stays so: the log before what is open is never read again, and
// what was closed ahead of the clock is not told from what is open by its time any more.
void Core::forget_the_future(Instant now) {
  const std::vector<ClosedWindow> closed = windows_.close_all();
  windows_.forget_the_future(now);
  fold(closed, now);
  state_.forget_the_future(now);
  rows_.forget_the_future(now);
  targets_.forget_the_future(now);
  plan_.forget_the_future(now);
  resolvers_.forget_the_future(now);
  last_sweep_ = std::min(last_sweep_, now);
}

void Core::keep(const std::vector<Note>& notes) {
  outbox_.notes.insert(outbox_.notes.end(), notes.begin(), notes.end());
}

void Core::advance(Instant now, CoreShare share) {
  look_at_clock(now);
  // Rows are laid over the networks of many partitions, all at once.
  const bool is_one = share == CoreShare::one_partition && !rows_.is_adaptive();
  fold(is_one ? windows_.close_next(now) : windows_.close(now), now);
  judge_sites(now);
  if (speaks()) {
    for (event::Target& target :
         plan_.take(targets_, blocks(), windows_.persistence(), health_.up(), now)) {
      say(std::move(target), now);
    }
  }
  sweep(now);
  balance(now);
  blend_resolvers(now);
}

void Core::fold(const std::vector<ClosedWindow>& closed, Instant now) {
  for (const ClosedWindow& window : closed) {
    const auto* known = blocks().find(window.path.prefix);
    const auto* estimate = known != nullptr ? known->find(window.path.site) : nullptr;
    for (const routing::WindowSummary& seen : window.summaries) {
      // Another method says otherwise without lying.
      const bool is_alike = estimate != nullptr && estimate->method == seen.method;
      if (is_alike) juries_.listen(window.path, *estimate, seen);
    }
  }
  if (rows_.is_adaptive()) fold_blocks(closed, now);
  for (auto it = closed.begin(); it != closed.end() && !rows_.is_adaptive();) {
    // All paths of one prefix in one window are folded before its preferences are decided.
    const Prefix prefix = it->path.prefix;
    const Instant end = it->end;
    routing::PrefixState& known = state_.at(prefix);
    bool has_news = age(known, end);
    for (; it != closed.end() && it->path.prefix == prefix && it->end == end; ++it) {
      has_news |= weigh(known, *it);
      ++counts_.windows_closed;
      counts_.samples_reduced += it->samples;
    }
    if (!has_news) {
      if (known.paths.empty()) state_.erase(prefix);
      continue;
    }
    known.changed(end);
    decide(known, end);
    if (plan_.is_limited()) plan_.reported(prefix, targets_);
    say_state(known, now);
    if (known.paths.empty()) state_.erase(prefix);
  }
  if (closed.empty()) return;
  drop_claims(now);
  touch(now);
  // Those of which nothing closed too: a restart need not read what they have not.
  for (Partition i = 0; i < (windows_.is_divided() ? kPartitions : 1); ++i) {
    if (!windows_.mine()[i]) continue;
    outbox_.notes.push_back({windows_.note(i), windows_.progress(i, next_measurement_)});
  }
}

void Core::judge_sites(Instant now) {
  for (const SiteHealth::Verdict& verdict : health_.judge(now)) {
    const event::Health health{topology_.sites[verdict.site.index()].name, verdict.status,
                               event::HealthOrigin::collector, verdict.reason};
    apply_health(health, now, now);
    if (speaks()) say(health, now);
  }
}

void Core::say(event::Payload payload, Instant now) {
  outbox_.events.push_back(
      {{"collector-" + options_.node_name, epoch_, ++sequence_}, now, {}, std::move(payload)});
}

void Core::say_state(const routing::PrefixState& prefix, Instant now) {
  say(event::to_event(prefix, topology_), now);
}

void Core::touch(Instant now) {
  ++generation_;
  changed_at_ = now;
}

}  // namespace isochrone::collector
