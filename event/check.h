// SPDX-License-Identifier: Apache-2.0
//
// Check: what every event must satisfy, whichever encoding it came in.
//
// Errors: the first field that does not, by its name in NDJSON, and what it should be.
#pragma once

#include "base/result.h"
#include "event/event.h"

namespace isochrone::event {

// A round trip longer than a minute is a lost packet: no stack waits so long for a SYN or an
// answer.
constexpr Micros kMaxRtt{60'000'000};
// The span parse_instant() takes: 1970 to 2200, exclusive.
constexpr Instant kMinTime{};
constexpr Instant kMaxTime = from_unix_nanos(7'258'118'400'000'000'000);
// Half the sites a topology may have would be odd already; all of them is the natural bound.
constexpr std::size_t kMaxPaths = 64;
// One preference per service and prefix; bounded by the size of an event long before.
constexpr std::size_t kMaxPreferences = 1'024;
constexpr std::size_t kMaxTargetAddresses = 16;
constexpr Millis kMaxInterval{86'400'000};  // a day
constexpr Seconds kMaxLifetime{86'400};

Result<void> check(const Event& event);

}  // namespace isochrone::event
