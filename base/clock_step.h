// SPDX-License-Identifier: Apache-2.0
//
// ClockStep: notices that somebody set the wall clock, from now and then comparing it with the other.
//
// Slewing: what a time daemon corrects slowly adds up until it is kTellingStep, too: whoever trusts the
//          wall clock has then to look again all the same.
// Threads: one.
#pragma once

#include <chrono>
#include <optional>

#include "base/time.h"

namespace isochrone {

class ClockStep {
 public:
  // Less is of no consequence to anything that lives for hours or days.
  static constexpr Seconds kTellingStep{60};

  // How far the wall clock moved against the monotonic one since the last time this said so.
  std::optional<Nanos> observe(Instant wall, Monotonic now) {
    const Nanos offset = wall.time_since_epoch() - now.time_since_epoch();
    if (!offset_) offset_ = offset;
    const Nanos step = offset - *offset_;
    if (step < kTellingStep && -step < kTellingStep) return std::nullopt;
    offset_ = offset;
    return step;
  }

 private:
  std::optional<Nanos> offset_;
};

}  // namespace isochrone
