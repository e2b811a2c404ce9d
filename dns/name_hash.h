// SPDX-License-Identifier: Apache-2.0
//
// The hash of a name for NSEC3 (RFC 5155 section 5).
//
// Cost: a SHA-1 of a block or two, and as many more as there are iterations; no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "dns/name.h"

namespace isochrone::dns {

// As RFC 9276 wants it, unless a zone came signed in another way.
struct HashTerms {
  std::uint16_t iterations = 0;
  std::vector<std::uint8_t> salt;  // at most 255 octets
};

using NameHash = std::array<std::uint8_t, 20>;
// `name` is folded wire form.
NameHash hash_name(Bytes name) noexcept;  // without iterations and salt
NameHash hash_name(Bytes name, const HashTerms& terms) noexcept;

}  // namespace isochrone::dns
