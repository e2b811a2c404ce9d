// SPDX-License-Identifier: Apache-2.0
//
// TapControl: the frames by which the two ends of a Frame Stream agree, begin and end.
//
// A stream to a receiver: we say READY, it says ACCEPT; START, data frames, STOP; it says FINISH. A stream
// into a file: START, data frames, STOP.
// Source:   https://farsightsec.github.io/fstrm/; the content type is dnstap's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isochrone::dns {

enum class TapControl : std::uint8_t { ready, accept, start, stop, finish };

// Escape and length included.
std::vector<std::uint8_t> control_frame(TapControl kind);

// What a receiver says, however it arrives.
class TapControlReader {
 public:
  void add(Bytes octets) { octets_.insert(octets_.end(), octets.begin(), octets.end()); }
  // The next whole frame, if one is there; an Error for anything that no receiver of dnstap says.
  Result<std::optional<TapControl>> next();

 private:
  std::vector<std::uint8_t> octets_;
};

}  // namespace isochrone::dns
