// SPDX-License-Identifier: Apache-2.0
//
// RoutedSets: the RRsets that routed names can have, compiled ahead: by service, type and site.
//
// Threads:   immutable once made.
// Shape:     a routed RRset depends on type, site and what the service says besides (its owner is the
//            question's name), so services that say the same share their sets.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dns/rrset.h"
#include "dns/wire.h"
#include "routing/topology.h"

namespace isochrone::dns {

// What routing may decide the records of.
enum class RoutedType : std::uint8_t { a, aaaa, svcb, https, cname };
constexpr std::array kRoutedTypes{RoutedType::a, RoutedType::aaaa, RoutedType::svcb,
                                  RoutedType::https, RoutedType::cname};
constexpr std::size_t index(RoutedType type) noexcept { return static_cast<std::size_t>(type); }

constexpr std::uint16_t record_type(RoutedType routed) noexcept {
  constexpr std::array<std::uint16_t, kRoutedTypes.size()> kNumbers{type::a, type::aaaa, type::svcb,
                                                                    type::https, type::cname};
  return kNumbers[index(routed)];
}
constexpr std::optional<RoutedType> routed_type(std::uint16_t record_type) noexcept {
  switch (record_type) {
    case type::a:
      return RoutedType::a;
    case type::aaaa:
      return RoutedType::aaaa;
    case type::svcb:
      return RoutedType::svcb;
    case type::https:
      return RoutedType::https;
    case type::cname:
      return RoutedType::cname;
    default:
      return std::nullopt;
  }
}

// SVCB and HTTPS say which record comes first (RFC 9460 section 2.4.1); all others are sets.
constexpr bool is_binding(RoutedType type) noexcept {
  return type == RoutedType::svcb || type == RoutedType::https;
}

// A set of routed types: bit i is RoutedType(i).
using RoutedTypeMask = std::uint8_t;
constexpr RoutedTypeMask type_bit(RoutedType type) noexcept {
  return static_cast<RoutedTypeMask>(1U << index(type));
}
// What routing decides at the name of a service.
RoutedTypeMask types_of(const routing::Service& service) noexcept;

class RoutedSets {
 public:
  struct Service {
    std::uint32_t ttl = 0;
    std::uint32_t first = 0;      // in sets_: all types of site 0, then of site 1, ...
    routing::SiteMask sites = 0;  // of the service
    // Of these, the ones that have records of the type. Where none has, the name has no such type.
    std::array<routing::SiteMask, kRoutedTypes.size()> with{};
    routing::OnAllDown on_all_down = routing::OnAllDown::all;
    std::uint8_t count = 1;    // sites that one answer names at most
    RoutedTypeMask types = 0;  // what routing alone decides: a zone's own records of it are ignored

    bool is_alias() const noexcept { return (types & type_bit(RoutedType::cname)) != 0; }
    bool decides(RoutedType type) const noexcept { return (types & type_bit(type)) != 0; }
    routing::SiteMask sites_with(RoutedType type) const noexcept { return with[index(type)]; }
    // What stands for all types (RFC 8482 section 4.1).
    RoutedType first_type() const noexcept {
      for (const RoutedType type : kRoutedTypes) {
        if (sites_with(type) != 0) return type;
      }
      return RoutedType::a;
    }
  };

  RoutedSets() = default;
  explicit RoutedSets(const routing::Topology& topology);

  const Service& service(routing::ServiceId service) const noexcept {
    return services_[service.index()];
  }
  // All records of the type that the site has; it must be among sites_with() the type. Bindings are those
  // of the first site of an answer: of the n-th they have the priority n.
  Rrset get(routing::ServiceId service, RoutedType type, routing::SiteId site) const noexcept {
    const std::size_t first = services_[service.index()].first;
    return arena_.get(sets_[first + kRoutedTypes.size() * site.index() + index(type)]);
  }
  std::size_t sites() const noexcept { return sites_; }  // of the topology
  std::size_t memory_bytes() const noexcept;

 private:
  std::uint32_t compile_sites(const routing::Topology& topology, const routing::Service& service);

  std::vector<Service> services_;
  std::vector<RrsetArena::Handle> sets_;
  std::size_t sites_ = 0;
  RrsetArena arena_;
};

}  // namespace isochrone::dns
