// SPDX-License-Identifier: Apache-2.0
//
// hash_bits: two words into one, well mixed. Not keyed: not for keys that an attacker chooses.
#pragma once

#include <cstddef>
#include <cstdint>

namespace isochrone {

constexpr std::size_t hash_bits(std::uint64_t a, std::uint64_t b) noexcept {
  // A 64-bit finaliser (Stafford's variant 13): every input bit moves every output bit.
  std::uint64_t x = a ^ (b * 0x9e37'79b9'7f4a'7c15);
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return static_cast<std::size_t>(x ^ (x >> 31));
}

}  // namespace isochrone
