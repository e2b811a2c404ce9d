// SPDX-License-Identifier: Apache-2.0
//
// GeoPrior: where networks are registered, read once from a MaxMind database.
//
// Threads:    immutable once loaded.
// Cost:       load() walks the whole database; nothing of it is opened again. One entry of 40 bytes
//             per network; find() is a binary search.
// Errors:     a missing, broken or location-less database is an Error; single records without a
//             usable location are skipped and counted.
// Invariant:  networks are sorted and unique; one may lie inside another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "routing/topology.h"

namespace isochrone::routing {

struct GeoNetwork {
  Prefix prefix;
  Location location;
};

class GeoPrior {
 public:
  struct Network {
    Prefix prefix;
    std::uint32_t location;  // index into locations()
    std::uint32_t around;    // index of the network this one lies in, kNone when there is none
  };
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // MaxMind's City layout (location.latitude and location.longitude), or both at the top level.
  static Result<GeoPrior> load(const std::filesystem::path& file);
  // For tests and for maps from elsewhere. Of equal prefixes the last counts.
  static GeoPrior from(std::vector<GeoNetwork> networks);

  const std::vector<Network>& networks() const noexcept { return networks_; }
  // Each distinct location once: databases have far fewer of them than of networks.
  const std::vector<Location>& locations() const noexcept { return locations_; }
  const Location& location(const Network& network) const { return locations_[network.location]; }
  // The longest network that contains the address; null when there is none.
  const Network* find(const Address& address) const noexcept;
  std::size_t skipped() const noexcept { return skipped_; }

 private:
  std::vector<Network> networks_;
  std::vector<Location> locations_;
  std::size_t skipped_ = 0;
};

struct CountryNetwork {
  Prefix prefix;
  std::array<char, 2> country;  // ISO 3166-1 alpha-2
};
// From MaxMind's Country and City layouts (country.iso_code), or with country_code at the top level. No
// network lies in another. Cost and errors as for load().
Result<std::vector<CountryNetwork>> load_countries(const std::filesystem::path& file);

}  // namespace isochrone::routing
