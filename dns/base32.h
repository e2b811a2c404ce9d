// SPDX-License-Identifier: Apache-2.0
//
// The label that an NSEC3 hash makes (RFC 5155 section 3.3): base32 with the extended hex alphabet.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace isochrone::dns {

// Length octet and lower case letters of a hash whose size is a multiple of five octets.
inline std::vector<std::uint8_t> hash_label(Bytes hash) {
  static constexpr char kAlphabet[] = "0123456789abcdefghijklmnopqrstuv";
  std::vector<std::uint8_t> label{static_cast<std::uint8_t>(hash.size() / 5 * 8)};
  for (std::size_t at = 0; at + 5 <= hash.size(); at += 5) {
    std::uint64_t bits = 0;
    for (const std::uint8_t octet : hash.subspan(at, 5)) bits = bits << 8 | octet;
    for (int shift = 35; shift >= 0; shift -= 5) {
      label.push_back(static_cast<std::uint8_t>(kAlphabet[bits >> shift & 31]));
    }
  }
  return label;
}

}  // namespace isochrone::dns
