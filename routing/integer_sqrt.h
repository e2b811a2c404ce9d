// SPDX-License-Identifier: Apache-2.0
//
// integer_sqrt: a root that is the same on every machine.
//
// Floating point may be contracted differently by compilers; state must be equal byte for byte.
#pragma once

#include <cstdint>

namespace isochrone::routing {

// The largest r with r * r <= value; 0 for what is not positive. Newton's method from above, which
// falls strictly until it is there: at most some 35 rounds.
constexpr std::int64_t integer_sqrt(std::int64_t value) noexcept {
  if (value <= 0) return 0;
  std::int64_t root = value;
  for (std::int64_t next = root / 2 + 1; next < root; next = (root + value / root) / 2) root = next;
  return root;
}

}  // namespace isochrone::routing
