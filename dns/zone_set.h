// SPDX-License-Identifier: Apache-2.0
//
// ZoneSet: all zones served, and the RRsets that routed names can have.
//
// Threads:   immutable once loaded; shared by every snapshot until the next reload.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "dns/options.h"
#include "dns/routed_sets.h"
#include "dns/zone.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct ZoneRecords;

class ZoneSet {
 public:
  struct Loaded {
    std::shared_ptr<const ZoneSet> zones;  // null when there are errors
    std::vector<Error> errors;
    std::vector<std::string> warnings;
  };
  static Loaded load(const std::vector<ZoneSource>& sources, const routing::Topology& topology);
  // From master file texts, for tests, benchmarks and fuzzing.
  struct Text {
    std::string name;
    std::string text;
  };
  static Loaded parse(const std::vector<Text>& texts, const routing::Topology& topology);

  // `before` with the zone of records.origin made anew; without rows it becomes unavailable.
  static Loaded replaced(const ZoneSet& before, ZoneRecords records,
                         const routing::Topology& topology);

  // The zone with the longest apex around `name`; DS at an apex belongs to the zone above it, when
  // that one is served too (RFC 4035 section 3.1.4.1).
  const Zone* find(const Name& name, std::uint16_t type) const noexcept;

  const std::vector<Zone>& zones() const noexcept { return zones_; }
  const RoutedSets& routed() const noexcept { return routed_; }
  // Of exactly this apex; null when there is none.
  const Zone* zone_of(Bytes apex) const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  static Loaded build(std::span<const std::string> names,
                      const std::function<ZoneRecords(std::size_t)>& read,
                      const routing::Topology& topology);
  const Zone* find_apex(const Name& name, std::size_t skip) const noexcept;

  std::vector<Zone> zones_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_hash_;  // sorted: apex hash, zone
  RoutedSets routed_;
};

}  // namespace isochrone::dns
