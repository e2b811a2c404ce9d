// SPDX-License-Identifier: Apache-2.0
#include "dns/routed_sets.h"

#include <algorithm>

#include "routing/site_states.h"

namespace isochrone::dns {
namespace {

// The data of a site's records of one type.
std::vector<std::vector<std::uint8_t>> data_at(const routing::Site& site, RoutedType type) {
  const Family family = type == RoutedType::a ? Family::v4 : Family::v6;
  std::vector<std::vector<std::uint8_t>> data;
  for (const Address& address : site.addresses) {
    if (address.family() != family) continue;
    const auto octets = address.bytes();
    data.emplace_back(octets.begin(), octets.begin() + address.width() / 8);
  }
  return data;
}

}  // namespace

RoutedSets::RoutedSets(const routing::Topology& topology) : sites_(topology.sites.size()) {
  for (const routing::Service& configured : topology.services) {
    Service service;
    service.ttl = static_cast<std::uint32_t>(configured.ttl.count());
    service.sites = routing::sites_of(configured);
    service.on_all_down = configured.on_all_down;
    const auto same = std::find_if(services_.begin(), services_.end(),
                                   [&](const Service& other) { return other.ttl == service.ttl; });
    service.first = same != services_.end() ? same->first : compile_sites(topology, service.ttl);
    for (const routing::SiteId site : configured.sites) {
      const std::size_t first = service.first + kRoutedTypes.size() * site.index();
      for (const RoutedType type : kRoutedTypes) {
        if (sets_[first + index(type)].records == 0) continue;
        service.with[index(type)] |= routing::site_bit(site);
      }
    }
    services_.push_back(service);
  }
}

std::uint32_t RoutedSets::compile_sites(const routing::Topology& topology, std::uint32_t ttl) {
  const auto first = static_cast<std::uint32_t>(sets_.size());
  for (const routing::Site& site : topology.sites) {
    for (const RoutedType type : kRoutedTypes) {
      const auto data = data_at(site, type);
      const std::vector<Bytes> records(data.begin(), data.end());
      sets_.push_back(
          arena_.add(record_type(type), ttl, records, {}).value_or(RrsetArena::Handle{}));
    }
  }
  return first;
}

std::size_t RoutedSets::memory_bytes() const noexcept {
  return arena_.memory_bytes() + sets_.capacity() * sizeof(RrsetArena::Handle) +
         services_.capacity() * sizeof(Service);
}

}  // namespace isochrone::dns
