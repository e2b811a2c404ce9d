// SPDX-License-Identifier: Apache-2.0
//
// Probe: one packet sent towards a target, and what can come of it.
//
// Units: `sent` is the wall clock, to compare with kernel timestamps; `sent_at` never steps, for
//        timeouts.
#pragma once

#include <cstdint>

#include "base/ip.h"
#include "base/time.h"
#include "routing/estimate.h"

namespace isochrone::prober {

using routing::Method;

// Names a target for as long as it lives: a slot that another target takes over has another life.
struct TargetRef {
  std::uint32_t slot = 0;
  std::uint32_t life = 0;

  friend bool operator==(const TargetRef&, const TargetRef&) = default;
};

struct Probe {
  std::uint64_t sequence = 0;  // counts every probe of this process; never used twice
  Address destination;
  Method method = Method::icmp;
  TargetRef target;
  std::uint32_t round = 0;
  std::uint16_t index = 0;  // within the target's probes of this round
  std::uint8_t ttl = 0;     // of a hop probe: after so many hops it is given back
  bool is_trial = false;    // a look whether a better method answers by now: silence says nothing
  Instant sent{};
  Monotonic sent_at{};
};

enum class Outcome : std::uint8_t {
  answered,   // the first answer, in time
  late,       // after the probe was counted lost
  duplicate,  // a further answer
  forged,     // names a probe, but was not made from it
};

// What came in from the network and passed the wire checks. `from` is whom the probe was for: a hop
// that answers for a destination quotes it.
struct Arrival {
  std::uint64_t sequence = 0;
  Address from;
  Method method = Method::icmp;
  bool is_forged = false;  // then only `method` and `from` say anything
  Instant received{};      // when the kernel got it
  bool is_final = false;   // a hop probe's: no hop lies behind this one
};

}  // namespace isochrone::prober
