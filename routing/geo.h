// SPDX-License-Identifier: Apache-2.0
//
// GeoPrior: where networks are registered, read once from a MaxMind database.
//
// Threads:    immutable once loaded.
// Cost:       load() walks the whole database; nothing of it is opened again. One entry per network.
// Errors:     a missing, broken or location-less database is an Error; single records without a
//             usable location are skipped and counted.
#pragma once

#include <cstddef>
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
  static Result<GeoPrior> load(const std::filesystem::path& file);
  // For tests and for maps from elsewhere.
  static GeoPrior from(std::vector<GeoNetwork> networks);

  const std::vector<GeoNetwork>& networks() const noexcept { return networks_; }
  std::size_t skipped() const noexcept { return skipped_; }

 private:
  std::vector<GeoNetwork> networks_;
  std::size_t skipped_ = 0;
};

}  // namespace isochrone::routing
