// SPDX-License-Identifier: Apache-2.0
//
// The label that an NSEC3 hash makes (RFC 5155 section 3.3): base32 with the extended hex alphabet.
#pragma once

#include <cstdint>
#include <optional>
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

// The hash that a label says, in letters of either case; nothing when it is none.
inline std::optional<std::vector<std::uint8_t>> hash_of_label(Bytes letters) {
  std::vector<std::uint8_t> hash;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::uint8_t c = letters[i];
    const bool is_digit = c >= '0' && c <= '9';
    const auto letter = static_cast<std::uint8_t>(c | 0x20);
    if (!is_digit && (letter < 'a' || letter > 'v')) return std::nullopt;
    bits = bits << 5 | static_cast<std::uint64_t>(is_digit ? c - '0' : letter - 'a' + 10);
    if (i % 8 != 7) continue;
    for (int shift = 32; shift >= 0; shift -= 8) {
      hash.push_back(static_cast<std::uint8_t>(bits >> shift));
    }
  }
  if (letters.size() % 8 != 0) return std::nullopt;
  return hash;
}

}  // namespace isochrone::dns
