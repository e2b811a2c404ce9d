// SPDX-License-Identifier: Apache-2.0
//
// DenialChain: the NSEC or NSEC3 records of a zone in their order, each with its signature.
//
// Threads:   immutable once built; any number of readers.
// Invariant: entries lie in a ring: each record's interval ends where the next one's begins, so every
//            key is some entry's or lies within exactly one interval.
// Cost:      covering() is a binary search over one array of keys; no allocation.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "dns/rrset.h"

namespace isochrone::dns {

// A record or set with the RRSIG set that covers it.
struct SignedSet {
  RrsetArena::Handle set;
  RrsetArena::Handle rrsig;
};

class DenialChain {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  // Keys come in ascending order: canonical keys for NSEC, hashes for NSEC3. `owner` is the record's
  // name up to the apex.
  void add(Bytes key, Bytes owner, SignedSet record);

  // The entry with this key or, when there is none, the one whose interval holds it.
  std::uint32_t covering(Bytes key) const noexcept;
  bool has_key(std::uint32_t entry, Bytes key) const noexcept;
  Bytes owner(std::uint32_t entry) const noexcept {
    const Entry& at = entries_[entry];
    return Bytes(owners_).subspan(at.owner, at.owner_octets);
  }
  const SignedSet& record(std::uint32_t entry) const noexcept { return entries_[entry].record; }

  std::size_t size() const noexcept { return entries_.size(); }
  void shrink();
  std::size_t memory_bytes() const noexcept;

 private:
  struct Entry {
    std::uint32_t key = 0;
    std::uint32_t owner = 0;
    std::uint16_t key_octets = 0;
    std::uint8_t owner_octets = 0;
    SignedSet record;
  };
  Bytes key(const Entry& entry) const noexcept {
    return Bytes(keys_).subspan(entry.key, entry.key_octets);
  }

  std::vector<Entry> entries_;
  std::vector<std::uint8_t> keys_;
  std::vector<std::uint8_t> owners_;
};

}  // namespace isochrone::dns
