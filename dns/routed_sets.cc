// SPDX-License-Identifier: Apache-2.0
#include "dns/routed_sets.h"

#include "dns/name.h"
#include "routing/site_states.h"

namespace isochrone::dns {
namespace {

using Data = std::vector<std::uint8_t>;

// SvcParamKeys (RFC 9460 section 14.3.2), which stand in rising order.
enum class Parameter : std::uint16_t {
  alpn = 1,
  no_default_alpn = 2,
  port = 3,
  ipv4_hint = 4,
  ipv6_hint = 6,
  doh_path = 7,
};

void put_u16(Data& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put(Data& out, Parameter key, const Data& value) {
  put_u16(out, static_cast<std::uint16_t>(key));
  put_u16(out, value.size());
  out.insert(out.end(), value.begin(), value.end());
}

Data octets_of(const routing::Site& site, Family family) {
  Data octets;
  for (const Address& address : site.addresses) {
    if (address.family() != family) continue;
    const auto bytes = address.bytes();
    octets.insert(octets.end(), bytes.begin(), bytes.begin() + address.width() / 8);
  }
  return octets;
}

// One record in ServiceMode for the name itself (RFC 9460 section 2.2), with the site's addresses as
// hints and the priority of an answer's first site.
Data binding_of(const routing::Binding& binding, const routing::Site& site) {
  Data data{0, 1, 0};
  Data alpn;
  for (const std::string& protocol : binding.alpn) {
    alpn.push_back(static_cast<std::uint8_t>(protocol.size()));
    alpn.insert(alpn.end(), protocol.begin(), protocol.end());
  }
  if (!alpn.empty()) put(data, Parameter::alpn, alpn);
  if (!binding.has_default_alpn) put(data, Parameter::no_default_alpn, {});
  if (binding.port) {
    Data port;
    put_u16(port, *binding.port);
    put(data, Parameter::port, port);
  }
  const Data v4 = octets_of(site, Family::v4);
  const Data v6 = octets_of(site, Family::v6);
  if (!v4.empty()) put(data, Parameter::ipv4_hint, v4);
  if (!v6.empty()) put(data, Parameter::ipv6_hint, v6);
  if (!binding.doh_path.empty()) {
    put(data, Parameter::doh_path, {binding.doh_path.begin(), binding.doh_path.end()});
  }
  return data;
}

// The data of the records that a service has at a site; none when the site lacks what they name.
std::vector<Data> data_at(const routing::Service& service, const routing::Site& site,
                          RoutedType type) {
  if ((types_of(service) & type_bit(type)) == 0) return {};
  std::vector<Data> data;
  if (type == RoutedType::cname) {
    if (!site.host_name.empty()) data.push_back(name_from_text(site.host_name).value_or(Data{0}));
  } else if (is_binding(type)) {
    const auto& binding = type == RoutedType::svcb ? service.svcb : service.https;
    if (!site.addresses.empty()) data.push_back(binding_of(*binding, site));
  } else {
    const Data all = octets_of(site, type == RoutedType::a ? Family::v4 : Family::v6);
    const std::size_t size = type == RoutedType::a ? 4 : 16;
    for (auto at = all.begin(); at != all.end(); at += static_cast<std::ptrdiff_t>(size)) {
      data.emplace_back(at, at + static_cast<std::ptrdiff_t>(size));
    }
  }
  return data;
}

bool says_the_same(const routing::Service& a, const routing::Service& b) {
  return a.ttl == b.ttl && a.answer == b.answer && a.https == b.https && a.svcb == b.svcb;
}

}  // namespace

RoutedTypeMask types_of(const routing::Service& service) noexcept {
  if (service.answer == routing::AnswerWith::host_name) return type_bit(RoutedType::cname);
  unsigned types = type_bit(RoutedType::a) | type_bit(RoutedType::aaaa);
  if (service.svcb) types |= type_bit(RoutedType::svcb);
  if (service.https) types |= type_bit(RoutedType::https);
  return static_cast<RoutedTypeMask>(types);
}

RoutedSets::RoutedSets(const routing::Topology& topology) : sites_(topology.sites.size()) {
  for (const routing::Service& configured : topology.services) {
    Service service;
    service.ttl = static_cast<std::uint32_t>(configured.ttl.count());
    service.sites = routing::sites_of(configured);
    service.on_all_down = configured.on_all_down;
    service.types = types_of(configured);
    service.count = static_cast<std::uint8_t>(configured.count);
    std::size_t same = 0;
    while (!says_the_same(topology.services[same], configured)) ++same;
    service.first =
        same < services_.size() ? services_[same].first : compile_sites(topology, configured);
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

std::uint32_t RoutedSets::compile_sites(const routing::Topology& topology,
                                        const routing::Service& service) {
  const auto ttl = static_cast<std::uint32_t>(service.ttl.count());
  const auto first = static_cast<std::uint32_t>(sets_.size());
  for (const routing::Site& site : topology.sites) {
    for (const RoutedType type : kRoutedTypes) {
      const auto data = data_at(service, site, type);
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
