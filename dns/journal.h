// SPDX-License-Identifier: Apache-2.0
//
// Journal: what changed between the successive versions of a zone, for incremental transfers
// (RFC 1995).
//
// Threads: immutable; each new version makes a new journal that shares the steps of the old one.
// Limits:  kMaxJournalOctets of records per zone, oldest dropped first. In memory only: after a restart
//          secondaries get the whole zone once.
// Cost:    difference() looks every name of both versions up once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "dns/zone_walk.h"

namespace isochrone::dns {

constexpr std::size_t kMaxJournalOctets = 16 << 20;

// Records back to back: owner, type, TTL, length of the data, data.
class PackedRecords {
 public:
  void add(const ZoneRecord& record);
  // The record at `at`, which moves past it; false at the end.
  bool next(std::size_t& at, ZoneRecord& record) const;
  std::size_t octets() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

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

// A version of a zone to compare.
struct ZoneVersion {
  const ZoneSet& zones;
  const routing::Topology& topology;
  const Zone& zone;
};
// Both of one apex.
Difference difference(const ZoneVersion& before, const ZoneVersion& after);

class Journal {
 public:
  using Steps = std::vector<std::shared_ptr<const Difference>>;

  // This journal and one step more; a step that does not follow on the last starts it anew.
  Journal extended(std::shared_ptr<const Difference> step) const;
  // The steps that lead from `serial` to the newest version; none when it is not known.
  Steps since(std::uint32_t serial) const;

 private:
  Steps steps_;
};

// RFC 1982: whether `a` comes after `b`.
constexpr bool is_newer_serial(std::uint32_t a, std::uint32_t b) {
  return a != b && a - b < 0x8000'0000;
}

}  // namespace isochrone::dns
