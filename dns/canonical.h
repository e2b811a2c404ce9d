// SPDX-License-Identifier: Apache-2.0
//
// Canonical order and form (RFC 4034 section 6): what NSEC chains are sorted by and signatures cover.
//
// Threads: values and pure functions.
// Cost:    a key takes no allocation and about half a KiB on the stack; the data of a set allocates.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "dns/name.h"

namespace isochrone::dns {

// A name as octets that compare as RFC 4034 section 6.1 orders names: labels from the root on, each
// ended by 0, with 0 and 1 inside labels escaped so that the end sorts before every octet.
class CanonicalKey {
 public:
  // `name` is folded wire form.
  explicit CanonicalKey(Bytes name) noexcept;
  Bytes bytes() const noexcept { return Bytes(octets_).first(size_); }

 private:
  std::size_t size_ = 0;
  std::array<std::uint8_t, 2 * kMaxNameOctets> octets_;
};

inline std::strong_ordering compare_keys(Bytes a, Bytes b) noexcept {
  const int common = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return common != 0 ? common <=> 0 : a.size() <=> b.size();
}

using RecordData = std::vector<std::uint8_t>;  // of one record, without compression

// Folds the names in the data of the types that RFC 4034 section 6.2 and RFC 6840 section 5.1 list.
void fold_data(std::uint16_t type, std::span<std::uint8_t> data) noexcept;

// The records of a set as signatures cover them (RFC 4034 section 3.1.8.1): canonical owner and data,
// in canonical order. `owner` is folded wire form.
std::vector<std::uint8_t> canonical_set(Bytes owner, std::uint16_t type, std::uint32_t ttl,
                                        std::vector<RecordData> data);

// The type bit map of NSEC and NSEC3 (RFC 4034 section 4.1.2) of these types, in any order.
std::vector<std::uint8_t> type_bitmap(std::vector<std::uint16_t> types);

}  // namespace isochrone::dns
