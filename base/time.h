// SPDX-License-Identifier: Apache-2.0
//
// Time: the three kinds of time the program has, each its own type.
//
// Units:  an Instant is UTC in nanoseconds and is what events carry; a Monotonic never steps and is
//         what timers, pacing and timeouts use; Micros is what estimates hold.
// Clocks: only loops read clocks (Loop::now, Loop::wall); everything else takes `now` as an
// argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace isochrone {

using Nanos = std::chrono::nanoseconds;
using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

using Instant = std::chrono::time_point<std::chrono::system_clock, Nanos>;
using Monotonic = std::chrono::time_point<std::chrono::steady_clock, Nanos>;

constexpr std::int64_t unix_nanos(Instant instant) noexcept {
  return instant.time_since_epoch().count();
}
constexpr Instant from_unix_nanos(std::int64_t nanos) noexcept { return Instant(Nanos(nanos)); }

// RFC 3339 in UTC with microseconds: 2024-05-01T12:00:00.000000Z.
std::string format_instant(Instant instant);
// Accepts what format_instant() writes, with zero to nine digits of fraction, and only "Z".
std::optional<Instant> parse_instant(std::string_view text);

// "15m", "30s", "250ms", "100us", "2h", "1d": a whole number and a unit, none negative.
std::optional<Nanos> parse_duration(std::string_view text);
// The shortest exact form that parse_duration() reads back: 90s -> "90s", 2000ms -> "2s".
std::string format_duration(Nanos duration);

}  // namespace isochrone
