// SPDX-License-Identifier: Apache-2.0
#include "collector/age_doubt.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"

namespace isochrone::collector {
namespace {

constexpr const char* kNote = "clock-doubt";  // until when, Unix ns

// Of the wall clock's time.
Nanos noted(const EventLog& log, Instant wall) {
  const auto bytes = log.note(kNote);
  if (!bytes || bytes->size() != 8) return Nanos(0);
  ByteReader in({reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()});
  const Nanos left = from_unix_nanos(static_cast<std::int64_t>(in.u64())) - wall;
  return std::clamp<Nanos>(left, Nanos(0), AgeDoubt::kSpan);
}

bool has_rested(const EventLog& log, Instant wall) {
  bool is_empty = true;
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const auto channel = static_cast<event::Channel>(i);
    if (log.before(channel, wall - AgeDoubt::kSpan) != log.last(channel)) return false;
    is_empty = is_empty && log.last(channel) == 0;
  }
  return !is_empty;
}

}  // namespace

AgeDoubt::AgeDoubt(const EventLog& log, Instant wall, Monotonic now) {
  static_cast<void>(clock_.observe(wall, now));
  until_ = now + (has_rested(log, wall) ? Nanos(kSpan) : noted(log, wall));
}

std::optional<Nanos> AgeDoubt::observe(Instant wall, Monotonic now) {
  const auto step = clock_.observe(wall, now);
  if (step && *step > Nanos(0)) until_ = now + kSpan;
  return step;
}

Note AgeDoubt::note(Instant wall) {
  std::string bytes(8, '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  out.u64(static_cast<std::uint64_t>(unix_nanos(wall + kSpan)));
  return {kNote, bytes};
}

}  // namespace isochrone::collector
