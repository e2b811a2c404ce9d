// SPDX-License-Identifier: Apache-2.0
#include "routing/hold_out.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "routing/policy.h"
#include "routing/stable_key.h"

namespace isochrone::routing {

bool is_held_out(const Service& service, const Prefix& network) {
  if (service.hold_out <= 0) return false;
  const int length = std::min(network.length(), client_network(network.address()).length());
  const Prefix block(network.address(), length);
  const std::uint64_t place =
      hash_bits(hash_bits(block.address().high(), block.address().low()),
                std::uint64_t{block.address().is_v4()} << 8 | static_cast<std::uint64_t>(length));
  // 53 bits are a number between 0 and 1 exactly.
  const double draw =
      std::ldexp(static_cast<double>(hash_bits(place, stable_key(service.name)) >> 11), -53);
  return draw < service.hold_out;
}

bool speaks(const Service& service, const PrefixState& prefix) {
  return is_measured(service, prefix) && !is_held_out(service, prefix.prefix);
}

}  // namespace isochrone::routing
