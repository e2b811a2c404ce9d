// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dns/carried_signatures.h"
#include "dns/master_file.h"
#include "dns/wire.h"
#include "dns/zone_builder.h"
#include "dns/zone_store.h"

namespace isochrone::dns {
namespace {

using Origin = std::vector<std::uint8_t>;  // folded wire name; empty: not a name

std::vector<Origin> origins_of(std::span<const std::string> names) {
  std::vector<Origin> origins;
  for (const std::string& name : names) origins.push_back(name_from_text(name).value_or(Origin()));
  return origins;
}

// The zone with the longest apex around `name`.
std::optional<std::size_t> zone_around(const std::vector<Origin>& origins, const Name& name) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < origins.size(); ++i) {
    if (origins[i].empty() || !name.is_within(origins[i])) continue;
    if (!best || origins[i].size() > origins[*best].size()) best = i;
  }
  return best;
}

// Each service under the zone it lies in, or an error.
std::vector<std::vector<ServiceName>> place_services(const std::vector<Origin>& origins,
                                                     const routing::Topology& topology,
                                                     std::vector<Error>& errors) {
  std::vector<std::vector<ServiceName>> placed(origins.size());
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    const std::string& text = topology.services[i].name;
    auto wire = name_from_text(text);
    Name name;
    if (!wire || !name.assign(*wire)) {
      errors.emplace_back(Errc::invalid, fmt::format("service '{}' is not a domain name", text));
      continue;
    }
    const auto zone = zone_around(origins, name);
    if (!zone) {
      errors.emplace_back(Errc::invalid,
                          fmt::format("service {} lies in none of the zones; add its zone", text));
      continue;
    }
    placed[*zone].push_back({std::move(*wire), routing::ServiceId(static_cast<std::uint16_t>(i)),
                             types_of(topology.services[i])});
  }
  return placed;
}

std::optional<Zone> build_zone(ZoneRecords& records, const std::vector<ServiceName>& services) {
  ZoneBuilder builder(records);
  if (records.is_unavailable) return builder.build_unavailable();
  auto zone = builder.build(services);
  if (zone) zone->carry(CarriedSignatures(records, *zone).read());
  return zone;
}

void check_twins(const std::vector<Origin>& origins, std::vector<Error>& errors) {
  for (std::size_t i = 0; i < origins.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (origins[i] == origins[j] && !origins[i].empty()) {
        errors.emplace_back(Errc::invalid, fmt::format("zone {} is configured twice; remove one",
                                                       name_to_text(origins[i])));
      }
    }
  }
}

}  // namespace

ZoneSet::Loaded ZoneSet::load(const std::vector<ZoneSource>& sources,
                              const routing::Topology& topology) {
  std::vector<std::string> names;
  for (const ZoneSource& source : sources) names.push_back(source.name);
  return build(
      names,
      [&](std::size_t i) {
        const ZoneSource& source = sources[i];
        return source.is_secondary ? read_stored_zone(source.file, source.name)
                                   : read_master_file(source.file, source.name);
      },
      topology);
}

ZoneSet::Loaded ZoneSet::parse(const std::vector<Text>& texts, const routing::Topology& topology) {
  std::vector<std::string> names;
  for (const Text& text : texts) names.push_back(text.name);
  return build(
      names, [&](std::size_t i) { return read_master_text(texts[i].text, texts[i].name); },
      topology);
}

// Zone by zone, so that only one is in memory twice.
ZoneSet::Loaded ZoneSet::build(std::span<const std::string> names,
                               const std::function<ZoneRecords(std::size_t)>& read,
                               const routing::Topology& topology) {
  Loaded loaded;
  auto set = std::make_shared<ZoneSet>();
  const std::vector<Origin> origins = origins_of(names);
  check_twins(origins, loaded.errors);
  const auto services = place_services(origins, topology, loaded.errors);
  set->zones_.reserve(origins.size());
  for (std::size_t i = 0; i < origins.size(); ++i) {
    ZoneRecords records = read(i);
    if (!records.origin.empty()) {
      if (auto zone = build_zone(records, services[i])) set->zones_.push_back(std::move(*zone));
    }
    std::move(records.errors.begin(), records.errors.end(), std::back_inserter(loaded.errors));
    std::move(records.warnings.begin(), records.warnings.end(),
              std::back_inserter(loaded.warnings));
  }
  for (std::uint32_t i = 0; i < set->zones_.size(); ++i) {
    Name origin;
    origin.assign(set->zones_[i].origin());
    set->by_hash_.emplace_back(origin.hash(), i);
  }
  std::sort(set->by_hash_.begin(), set->by_hash_.end());
  set->routed_ = RoutedSets(topology);
  if (loaded.errors.empty()) loaded.zones = std::move(set);
  return loaded;
}

ZoneSet::Loaded ZoneSet::replaced(const ZoneSet& before, ZoneRecords records,
                                  const routing::Topology& topology) {
  Loaded loaded;
  std::vector<Origin> origins;
  for (const Zone& zone : before.zones_) {
    origins.emplace_back(zone.origin().begin(), zone.origin().end());
  }
  const auto at = static_cast<std::size_t>(
      std::find(origins.begin(), origins.end(), records.origin) - origins.begin());
  if (at == origins.size()) {
    loaded.errors.emplace_back(Errc::not_found, "the zone is not served any more");
    return loaded;
  }
  const auto services = place_services(origins, topology, loaded.errors);
  auto zone = build_zone(records, services[at]);
  loaded.errors = std::move(records.errors);
  loaded.warnings = std::move(records.warnings);
  if (!zone || !loaded.errors.empty()) return loaded;
  auto set = std::make_shared<ZoneSet>(before);
  set->zones_[at] = std::move(*zone);
  loaded.zones = std::move(set);
  return loaded;
}

const Zone* ZoneSet::zone_of(Bytes apex) const noexcept {
  for (const Zone& zone : zones_) {
    if (std::equal(apex.begin(), apex.end(), zone.origin().begin(), zone.origin().end())) {
      return &zone;
    }
  }
  return nullptr;
}

const Zone* ZoneSet::find_apex(const Name& name, std::size_t skip) const noexcept {
  const std::pair<std::uint32_t, std::uint32_t> first{name.suffix_hash(skip), 0};
  const Bytes suffix = name.suffix(skip);
  for (auto at = std::lower_bound(by_hash_.begin(), by_hash_.end(), first);
       at != by_hash_.end() && at->first == first.first; ++at) {
    const Bytes origin = zones_[at->second].origin();
    if (std::equal(origin.begin(), origin.end(), suffix.begin(), suffix.end())) {
      return &zones_[at->second];
    }
  }
  return nullptr;
}

const Zone* ZoneSet::find(const Name& name, std::uint16_t qtype) const noexcept {
  const Zone* apex_itself = nullptr;
  for (std::size_t skip = 0; skip <= name.labels(); ++skip) {
    const Zone* zone = find_apex(name, skip);
    if (zone == nullptr) continue;
    if (skip > 0 || qtype != type::ds) return zone;
    apex_itself = zone;
  }
  return apex_itself;
}

std::size_t ZoneSet::memory_bytes() const noexcept {
  std::size_t total = routed_.memory_bytes();
  for (const Zone& zone : zones_) total += zone.memory_bytes();
  return total;
}

}  // namespace isochrone::dns
