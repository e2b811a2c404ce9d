// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a configuration: errors that name their place, or a configuration that holds together.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "app/config.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace isochrone;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = app::parse_config(text, "f.yaml");
  if (!config) {
    require(!config.error().empty());
    for (const Error& error : config.error()) require(error.text().starts_with("f.yaml:"));
    return 0;
  }
  require(config->topology.sites.size() <= routing::kMaxSites);
  for (const routing::Service& service : config->topology.services) {
    require(!service.sites.empty() && service.ttl.count() > 0);
    for (const routing::SiteId site : service.sites) {
      require(site.index() < config->topology.sites.size());
    }
  }
  return 0;
}
