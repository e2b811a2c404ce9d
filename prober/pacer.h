// SPDX-License-Identifier: Apache-2.0
//
// Pacer: when the next packet may leave, so that the rate is never exceeded and never bursts.
//
// Threads:   a value of the prober's loop.
// Invariant: no half-open window of one second holds more than rate_pps sends; what a late
//            wake-up catches up at once is at most kCatchUp's worth and one.
// Cost:      two comparisons and an addition.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace isochrone::prober {

class Pacer {
 public:
  // What a late wake-up may catch up: on a machine with more to do than cores, a loop waits for its
  // turn for some milliseconds. The price: see set_rate().
  static constexpr Nanos kCatchUp = Millis(4);

  explicit Pacer(std::uint32_t rate_pps) { set_rate(rate_pps); }

  // The k-th send after another is at least k gaps - kCatchUp later. With a gap of (1 s + kCatchUp) /
  // rate, rate sends later is at least 1 s later: a half-open second never holds rate + 1. The price
  // is a rate 0.4 % lower than allowed.
  void set_rate(std::uint32_t rate_pps) {
    const std::int64_t rate = std::max<std::uint32_t>(rate_pps, 1);
    gap_ = Nanos((Nanos(Seconds(1)) + kCatchUp).count() / rate + 1);
  }

  Nanos gap() const noexcept { return gap_; }
  bool allows(Monotonic now) const noexcept { return now >= next_; }
  // When allows() becomes true.
  Monotonic next() const noexcept { return next_; }
  void sent(Monotonic now) noexcept { next_ = std::max(next_, now - kCatchUp) + gap_; }

 private:
  Nanos gap_{0};
  Monotonic next_{};
};

}  // namespace isochrone::prober
