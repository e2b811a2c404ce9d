// SPDX-License-Identifier: Apache-2.0
//
// Core, of a log that others write too: what an event changes, whoever wrote it.
#include <algorithm>

#include "collector/core.h"
#include "event/convert.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kDedupNote = "dedup/";

}  // namespace

void Core::apply_event(const event::Event& event, event::Position position, Instant now) {
  const bool is_of_beacon = note_beacon(event, now);
  if (const auto* measurement = std::get_if<event::Measurement>(&event.payload)) {
    apply_payload(*measurement, event, position);
  } else if (const auto* load = std::get_if<event::Load>(&event.payload)) {
    balance_.carried(*load, event.time);
  } else if (const auto* demand = std::get_if<event::Demand>(&event.payload)) {
    if (is_of_beacon) return;  // a name that nobody asks for again
    balance_.asked(*demand, now);
    if (plan_.is_limited()) {
      plan_.asked(*demand, targets_.note(*demand, now), now);
    } else if (auto target = targets_.ask(*demand, now)) {
      say(std::move(*target), now);
    }
  } else if (const auto* health = std::get_if<event::Health>(&event.payload)) {
    apply_health(*health, event.time, now);
  }
}

void Core::take(const Foreign& foreign, Instant now) {
  for (const Note& note : foreign.notes) {
    if (!note.key.starts_with(kDedupNote)) continue;
    dedup_.restore(std::string_view(note.key).substr(kDedupNote.size()), note.bytes);
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
  if (state_.apply(event::from_event(state, topology_))) touch(now);
  if (state.paths.empty()) state_.erase(state.prefix);
}

}  // namespace isochrone::collector
