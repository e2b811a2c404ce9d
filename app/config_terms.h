// SPDX-License-Identifier: Apache-2.0
//
// Fences, pins and hold-outs of services, with the countries and networks that they name.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "app/config_section.h"
#include "collector/options.h"
#include "routing/geo.h"
#include "routing/routed_networks.h"
#include "routing/terms.h"
#include "routing/topology.h"

namespace isochrone::app {

// Where countries and ASes are; empty: nowhere.
struct MapFiles {
  std::filesystem::path countries;
  std::filesystem::path networks;
};

// Of the section collector: the routed networks, and whether rows start there.
void read_routed(const Section& section, const MapFiles& files, collector::Options& options);

class TermsReader {
 public:
  explicit TermsReader(MapFiles files) : files_(std::move(files)) {}

  // The service's sites are known already.
  void read(const Section& section, const std::vector<routing::Site>& sites,
            routing::Service& service);

 private:
  routing::Fence read_fence(const Section& section, const std::vector<routing::Site>& sites,
                            const routing::Service& service);
  std::optional<routing::Region> region_of(const Section& section, const std::string& text,
                                           Mark mark);
  routing::Region country(const Section& section, std::string_view code, Mark mark);
  routing::Region network_of_as(const Section& section, std::uint32_t as, Mark mark);

  MapFiles files_;
  // Read when the first fence needs them; empty when they could not be.
  std::optional<std::vector<routing::CountryNetwork>> countries_;
  std::optional<routing::RoutedNetworks> networks_;
};

}  // namespace isochrone::app
