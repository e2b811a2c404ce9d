// SPDX-License-Identifier: Apache-2.0
//
// What a core hands out: its verdict on posted events, what it has to say, what it has done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collector/event_log.h"
#include "event/event.h"

namespace isochrone::collector {

// How much of the windows that are due a step folds; the rest later ones do, while windows().has_due().
enum class CoreShare : std::uint8_t { all, one_partition };

// Since its life began.
struct CoreCounts {
  std::uint64_t duplicates = 0;
  std::uint64_t samples = 0;          // measurements kept in a window
  std::uint64_t samples_reduced = 0;  // of those, in closed windows
  std::uint64_t late = 0;             // came after their window had closed
  std::uint64_t over_quota = 0;
  std::uint64_t windows_closed = 0;  // (path, window)
  std::uint64_t preferences_changed = 0;
  std::uint64_t sightings = 0;       // of resolvers and clients of beacon tasks
  std::uint64_t sightings_lost = 0;  // of them, those too late to count, or too many
};

struct CoreAdmitted {
  std::vector<event::Event> fresh;
  std::vector<std::size_t> fresh_at;     // their indexes among what was given
  std::vector<event::Event> repeated;    // whose id was seen before
  std::vector<std::size_t> repeated_at;  // likewise
  std::vector<std::size_t> refused;      // indexes: too many sources
};

struct CoreOutbox {
  std::vector<event::Event> events;
  std::vector<Note> notes;
  bool empty() const { return events.empty() && notes.empty(); }
};

}  // namespace isochrone::collector
