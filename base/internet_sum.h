// SPDX-License-Identifier: Apache-2.0
//
// InternetSum: the ones' complement sum of RFC 1071.
//
// Parts:   all but the last have an even number of octets, as a checksum pairs octets from its start.
// Cost:    eight octets an addition; the carries are folded once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/endian.h"

namespace isochrone {

class InternetSum {
 public:
  // Any byte order gives the same sum in that order (RFC 1071 section 2B): octets are added as this
  // machine loads them and the result is swapped. 64-bit words are added by halves, so that 2^32 of
  // them fit before a carry could be lost.
  InternetSum& add(Bytes bytes) noexcept {
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, 8);
      sum_ += (word & 0xffff'ffff) + (word >> 32);
    }
    std::uint64_t rest = 0;
    if (left > 0) std::memcpy(&rest, at, left);
    sum_ += (rest & 0xffff'ffff) + (rest >> 32);
    return *this;
  }
  InternetSum& add_u16(std::uint16_t value) noexcept {
    sum_ += swap_order(value);
    return *this;
  }

  std::uint16_t folded() const noexcept {
    std::uint64_t sum = (sum_ & 0xffff'ffff) + (sum_ >> 32);
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    return swap_order(static_cast<std::uint16_t>(sum));
  }
  // What a checksum field holds; over octets with a right checksum in them it is 0.
  std::uint16_t checksum() const noexcept { return static_cast<std::uint16_t>(~folded()); }

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace isochrone
