// SPDX-License-Identifier: Apache-2.0
//
// ZoneSet: all zones served, and the address RRsets that routed names can have.
//
// Threads:   immutable once loaded; shared by every snapshot until the next reload.
// Shape:     a routed RRset depends on site, family and TTL only (its owner is the question's name),
//            so services that share a TTL share their sets.
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

  struct Routed {
    std::uint32_t ttl = 0;
    routing::SiteMask sites = 0;           // of the service
    routing::SiteMask with_addresses = 0;  // of these, the ones with addresses of the family
    routing::OnAllDown on_all_down = routing::OnAllDown::all;
  };
  Routed routed(routing::ServiceId service, Family family) const noexcept;
  // All addresses of the family that the site has; the site must be in with_addresses.
  Rrset addresses(routing::ServiceId service, Family family, routing::SiteId site) const noexcept;

  const std::vector<Zone>& zones() const noexcept { return zones_; }
  std::size_t sites() const noexcept { return sites_; }  // of the topology
  // Of exactly this apex; null when there is none.
  const Zone* zone_of(Bytes apex) const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  struct ServiceSets {
    std::uint32_t ttl = 0;
    std::uint32_t first = 0;  // in sets_: v4 and v6 of site 0, then of site 1, ...
    routing::SiteMask sites = 0;
    routing::OnAllDown on_all_down = routing::OnAllDown::all;
  };
  static Loaded build(std::span<const std::string> names,
                      const std::function<ZoneRecords(std::size_t)>& read,
                      const routing::Topology& topology);
  void compile_services(const routing::Topology& topology);
  std::uint32_t compile_sites(const routing::Topology& topology, std::uint32_t ttl);

  const Zone* find_apex(const Name& name, std::size_t skip) const noexcept;

  std::vector<Zone> zones_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_hash_;  // sorted: apex hash, zone
  std::vector<ServiceSets> services_;
  std::vector<RrsetArena::Handle> sets_;
  std::size_t sites_ = 0;
  routing::SiteMask with_v4_ = 0;
  routing::SiteMask with_v6_ = 0;
  RrsetArena arena_;
};

}  // namespace isochrone::dns
