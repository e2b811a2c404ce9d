// SPDX-License-Identifier: Apache-2.0
//
// Rrset: records of one name and type, compiled to the bytes an answer copies.
//
// Shape:   each record is owner, type, class, TTL, length, data, with the owner a compression pointer
//          to the question's name (what it nearly always is). Names in the data of the types that
//          RFC 3597 section 4 lets compress end in a pointer to the zone's apex, whose place in a
//          message is known only when it is written: `patches` lists where those pointers stand.
// Threads: immutable once built.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/huge_pages.h"
#include "dns/name.h"

namespace isochrone::dns {

// Owner pointer, type, class, TTL and length: what stands before each record's data.
constexpr std::size_t kRecordHead = 12;
constexpr std::size_t kRecordTtl = 6;  // where in that head the TTL is

struct Rrset {
  std::uint16_t type = 0;
  std::uint16_t records = 0;
  Bytes wire;
  Bytes patches;         // pairs of octets in host order: offsets into wire
  std::uint32_t id = 0;  // of a zone's set: which one it is

  std::uint32_t ttl() const noexcept { return ByteReader(wire.subspan(kRecordTtl, 4)).u32(); }
  // The data of the first record.
  Bytes first_data() const noexcept { return wire.subspan(kRecordHead, data_octets(0)); }
  std::size_t data_octets(std::size_t at) const noexcept {
    return std::size_t{wire[at + 10]} << 8 | wire[at + 11];
  }
};

// The name at `at` of an RRset compiled for a zone with apex `origin` (folded wire form).
bool read_target(Bytes wire, std::size_t at, Bytes origin, Name& name) noexcept;

// The data of each record of a set that was compiled for a zone with apex `origin`, names in full.
std::vector<std::vector<std::uint8_t>> uncompressed(const Rrset& set, Bytes origin);

class RrsetArena {
 public:
  struct Handle {
    std::uint32_t offset = 0;
    std::uint16_t octets = 0;
    std::uint16_t type = 0;
    std::uint16_t records = 0;
    std::uint16_t patches = 0;
  };

  // Nothing when the set does not fit a message.
  std::optional<Handle> add(std::uint16_t type, std::uint32_t ttl, std::span<const Bytes> data,
                            Bytes origin);
  Rrset get(const Handle& handle) const noexcept {
    const Bytes all(bytes_);
    return {
        handle.type, handle.records, all.subspan(handle.offset, handle.octets),
        all.subspan(handle.offset + std::size_t{handle.octets}, 2 * std::size_t{handle.patches}),
        0};
  }
  // Begins to bring near what get() tells of.
  void fetch(const Handle& handle) const noexcept {
    __builtin_prefetch(bytes_.data() + handle.offset);
    __builtin_prefetch(bytes_.data() + handle.offset + handle.octets);
  }
  void settle() noexcept { use_huge_pages(bytes_); }  // once nothing is added any more
  // Room for so much more; what is not written takes no memory.
  void reserve(std::size_t octets) { bytes_.reserve(bytes_.size() + octets); }
  std::size_t memory_bytes() const noexcept { return bytes_.size(); }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace isochrone::dns
