// SPDX-License-Identifier: Apache-2.0
//
// Journal: what changed between the successive versions of a zone, for incremental transfers
// (RFC 1995).
//
// Threads: immutable; each new version makes a new journal that shares the steps of the old one.
// Limits:  kMaxJournalOctets of records per zone, oldest dropped first.
// Cost:    difference() walks both versions twice and sorts 16 octets for each of their records.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "dns/zone_walk.h"

namespace isochrone::dns {

constexpr std::size_t kMaxJournalOctets = 16 << 20;

// Records back to back: owner, type, TTL, length of the data, data.
class PackedRecords {
 public:
  PackedRecords() = default;
  explicit PackedRecords(Bytes bytes) : bytes_(bytes.begin(), bytes.end()) {}

  void add(const ZoneRecord& record);
  // The record at `at`, which moves past it; false at the end, and where the octets are no record.
  bool next(std::size_t& at, ZoneRecord& record) const;
  std::size_t octets() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  Bytes bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

struct Difference {
  std::uint32_t from = 0;  // serials
  std::uint32_t to = 0;
  PackedRecords removed;  // the old SOA first
  PackedRecords added;    // the new SOA first
  std::size_t octets() const noexcept { return removed.octets() + added.octets(); }
};

// The records of one version, wherever they are.
struct VersionRecords {
  using Visit = std::function<void(const ZoneRecord&)>;
  std::uint32_t serial = 0;
  PackedRecords soa;
  std::function<void(const Visit&)> each;  // all but the SOA; the same whenever it is called
};
// What `version` refers to must outlive the result.
VersionRecords records_of(const ZoneVersion& version);

// Two versions of one zone.
Difference difference(const VersionRecords& before, const VersionRecords& after);
inline Difference difference(const ZoneVersion& before, const ZoneVersion& after) {
  return difference(records_of(before), records_of(after));
}
// Whether nothing but the SOA is in it, and that is the same.
bool is_empty(const Difference& step);

// What tells a record from all others, in 128 bits: by accident, two of a zone of 10^8 records share it
// once in 10^22 zones.
using Fingerprint = std::pair<std::uint64_t, std::uint64_t>;
Fingerprint fingerprint(const ZoneRecord& record);

class Journal {
 public:
  using Steps = std::vector<std::shared_ptr<const Difference>>;

  // This journal and one step more; a step that does not follow on the last starts it anew.
  Journal extended(std::shared_ptr<const Difference> step) const;
  // The steps that lead from `serial` to the newest version; none when it is not known.
  Steps since(std::uint32_t serial) const;
  const Steps& steps() const noexcept { return steps_; }

 private:
  Steps steps_;
};

// RFC 1982: whether `a` comes after `b`.
constexpr bool is_newer_serial(std::uint32_t a, std::uint32_t b) {
  return a != b && a - b < 0x8000'0000;
}

}  // namespace isochrone::dns
