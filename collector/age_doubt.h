// SPDX-License-Identifier: Apache-2.0
//
// AgeDoubt: whether the wall clock is believed about what is too old to be kept.
//
// A clock that was set forward may be wrong, and what a wrong clock trims is gone: nothing is too old until
// somebody had kSpan to set it right. Likewise when a life begins so long after the last event arrived.
// Lives:   the doubt is a note in the log, so that one that ends within it does not end it. It has to be
//          written before events that arrive by the new time: they tell the next life that all is well.
// Threads: one.
#pragma once

#include <optional>

#include "base/clock_step.h"
#include "base/time.h"
#include "collector/event_log.h"

namespace isochrone::collector {

class AgeDoubt {
 public:
  static constexpr Seconds kSpan{3'600};

  AgeDoubt(const EventLog& log, Instant wall, Monotonic now);

  // How far the clock was set since the last time this said so; forward, it is in doubt from now on.
  std::optional<Nanos> observe(Instant wall, Monotonic now);
  bool is_over(Monotonic now) const noexcept { return now >= until_; }
  // The doubt that observe() began.
  static Note note(Instant wall);

 private:
  ClockStep clock_;
  Monotonic until_{};
};

}  // namespace isochrone::collector
