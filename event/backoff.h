// SPDX-License-Identifier: Apache-2.0
//
// Backoff: growing pauses between attempts, each a little by chance.
//
// The pause doubles from `first` to `longest`; what next() gives is drawn from its upper half, so
// that many who lost the same collector do not come back in step.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/random.h"
#include "base/time.h"

namespace isochrone::event {

class Backoff {
 public:
  Backoff(Millis first, Millis longest, std::uint64_t seed)
      : first_(first), longest_(longest), pause_(first), random_(seed) {}

  Millis next() {
    const Millis half = pause_ / 2;
    const auto chance = random_.below(static_cast<std::uint64_t>((pause_ - half).count()) + 1);
    pause_ = std::min(pause_ * 2, longest_);
    return half + Millis(static_cast<std::int64_t>(chance));
  }
  void reset() { pause_ = first_; }

 private:
  const Millis first_;
  const Millis longest_;
  Millis pause_;
  Random random_;
};

}  // namespace isochrone::event
