// SPDX-License-Identifier: Apache-2.0
//
// Distances and names of a Topology.
#include "routing/topology.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace isochrone::routing {
namespace {

template <class Id, class Named>
std::optional<Id> find_named(const std::vector<Named>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Named& one) { return one.name == name; });
  if (found == all.end()) return std::nullopt;
  return Id(static_cast<std::uint16_t>(found - all.begin()));
}

}  // namespace

double distance_km(const Location& a, const Location& b) {
  constexpr double kMeanRadiusKm = 6371.0088;  // of the WGS 84 ellipsoid (IUGG)
  constexpr double kRadians = std::numbers::pi / 180;
  const double half_north = std::sin((b.latitude - a.latitude) * kRadians / 2);
  const double half_east = std::sin((b.longitude - a.longitude) * kRadians / 2);
  const double h = half_north * half_north + std::cos(a.latitude * kRadians) *
                                                 std::cos(b.latitude * kRadians) * half_east *
                                                 half_east;
  return 2 * kMeanRadiusKm * std::asin(std::sqrt(std::min(1.0, h)));
}

std::string_view to_string(Objective objective) {
  switch (objective) {
    case Objective::p50:
      return "p50";
    case Objective::min:
      return "min";
    case Objective::p90:
      return "p90";
    case Objective::throughput:
      return "throughput";
  }
  return "";
}

std::optional<SiteId> Topology::find_site(std::string_view name) const {
  return find_named<SiteId>(sites, name);
}

std::optional<ServiceId> Topology::find_service(std::string_view name) const {
  return find_named<ServiceId>(services, name);
}

}  // namespace isochrone::routing
