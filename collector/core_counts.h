// SPDX-License-Identifier: Apache-2.0
//
// CoreCounts: what a core has done since its life began.
#pragma once

#include <cstdint>

namespace isochrone::collector {

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

}  // namespace isochrone::collector
