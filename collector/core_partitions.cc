// SPDX-License-Identifier: Apache-2.0
//
// Core, of a log that others write too: what an event changes, whoever wrote it, and which partitions
// are reduced here.
#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "collector/core.h"
#include "event/codec.h"
#include "event/convert.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kDedupNote = "dedup/";
// Of a log that was not shared yet.
constexpr std::string_view kProgressOfAll = "progress";
// Measurements read back at a time.
constexpr std::size_t kReplayPage = 10'000;

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void Core::apply_event(const event::Event& event, event::Position position, Instant now) {
  const bool is_of_beacon = note_beacon(event, now);
  if (std::holds_alternative<event::Measurement>(event.payload)) {
    apply_measurement(event, position);
  } else if (const auto* load = std::get_if<event::Load>(&event.payload)) {
    balance_.carried(*load, event.time);
  } else if (const auto* demand = std::get_if<event::Demand>(&event.payload)) {
    if (is_of_beacon) return;  // a name that nobody asks for again
    event::Demand of_row = *demand;
    if (rows_.is_adaptive()) of_row.prefix = rows_.row_of(demand->prefix);
    balance_.asked(of_row, now);
    if (plan_.is_limited()) {
      plan_.asked(*demand, targets_.note(*demand, now), now);
    } else if (auto target = targets_.ask(*demand, now); target && speaks()) {
      say(std::move(*target), now);
    }
  } else if (const auto* health = std::get_if<event::Health>(&event.payload)) {
    apply_health(*health, event.time, now);
  }
}

void Core::take(const Foreign& foreign, Instant now) {
  for (const Note& note : foreign.notes) {
    if (note.key.starts_with(kDedupNote)) {
      dedup_.restore(std::string_view(note.key).substr(kDedupNote.size()), note.bytes);
    }
    const auto partition = windows_.of_note(note.key);
    if (partition && !windows_.mine()[*partition]) windows_.restore(*partition, note.bytes);
  }
  for (std::size_t i = 0; i < foreign.events.size(); ++i) {
    const event::Event& event = foreign.events[i];
    // What was given up as not appended, and is in the log nevertheless, is not said once more.
    std::erase_if(outbox_.events, [&](const auto& mine) { return mine.id == event.id; });
    if (const auto* state = std::get_if<event::State>(&event.payload)) {
      take_state(*state, now);
    } else {
      apply_event(event, foreign.positions[i], now);
    }
  }
}

void Core::take_state(const event::State& state, Instant now) {
  const routing::PrefixState* known = state_.find(state.prefix);
  const auto before = known != nullptr ? known->preferences : std::vector<routing::Preference>{};
  if (state_.apply(event::from_event(state, topology_))) {
    catchments_.change(before, state_.find(state.prefix)->preferences);
    if (plan_.is_limited()) plan_.reported(state.prefix, targets_);
    touch(now);
  }
  if (state.paths.empty()) state_.erase(state.prefix);
  adopt_row(state.prefix);
}

void Core::own(const Parts& parts, const EventLog& log, Instant now) {
  const Parts left = windows_.mine() & ~parts;
  const Parts taken = parts & ~windows_.mine();
  if (left.any()) leave(left, log);
  if (taken.none()) return;
  for (Partition i = 0; i < parts.size(); ++i) {
    if (taken[i]) windows_.take(i);
  }
  const Counts before = counts_;
  learn_kin(taken);
  read_open(taken, log);
  counts_ = before;
  touch(now);
}

// What was folded here and is not in the log never was: whoever has the partition now folds it.
void Core::leave(const Parts& parts, const EventLog& log) {
  const auto has_left = [&](const Prefix& prefix) { return parts[windows_.of(prefix)]; };
  std::vector<std::string> notes;
  for (Partition i = 0; i < kPartitions; ++i) {
    if (!parts[i]) continue;
    windows_.leave(i);
    notes.push_back(windows_.note(i));
  }
  if (parts[kCommon]) windows_.leave(kCommon);
  std::erase_if(outbox_.events, [&](const event::Event& event) {
    const auto* state = std::get_if<event::State>(&event.payload);
    return state != nullptr ? has_left(state->prefix) : parts[kCommon];
  });
  std::erase_if(outbox_.notes, [&](const Note& note) {
    return std::find(notes.begin(), notes.end(), note.key) != notes.end();
  });
  std::vector<Prefix> mine;
  for (const auto& [prefix, known] : state_.prefixes()) {
    if (has_left(prefix)) mine.push_back(prefix);
  }
  for (const Prefix& prefix : mine) state_.erase(prefix);
  log.newest_states([&](std::string_view bytes) {
    const auto event = event::from_protobuf(as_bytes(bytes));
    const auto* state = event ? std::get_if<event::State>(&event->payload) : nullptr;
    if (state != nullptr && !state->paths.empty() && has_left(state->prefix)) {
      state_.apply(event::from_event(*state, topology_));
    }
  });
  catchments_.count(state_, topology_.sites.size());
}

// What is open of these partitions: the measurements after their marks of progress.
void Core::read_open(const Parts& parts, const EventLog& log) {
  const event::Position end = log.last(event::Channel::measurement);
  std::array<event::Position, kPartitions> from{};
  event::Position after = end;
  for (Partition i = 0; i < kPartitions; ++i) {
    if (!parts[i] || (i > 0 && !windows_.is_divided())) continue;
    auto note = log.note(windows_.note(i));
    if (!note) note = log.note(kProgressOfAll);
    if (note) from[i] = windows_.restore(i, *note);
    after = std::min(after, from[i] > 0 ? from[i] - 1 : 0);
  }
  while (after < end) {
    const Page page = log.read(event::Channel::measurement, after, kReplayPage);
    for (const StoredBytes& stored : page.events) {
      const auto event = event::from_protobuf(as_bytes(stored.event));
      const auto* measurement = event ? std::get_if<event::Measurement>(&event->payload) : nullptr;
      if (measurement == nullptr) continue;
      const Partition partition = windows_.of(measurement->prefix);
      if (parts[partition] && stored.position >= from[partition]) {
        apply_measurement(*event, stored.position);
      }
    }
    if (page.is_at_end) return;
    after = page.scanned;
  }
}

}  // namespace isochrone::collector
