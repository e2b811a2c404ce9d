// SPDX-License-Identifier: Apache-2.0
//
// A list of routed networks: any octets are refused or give networks that lie where they say.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "routing/routed_networks.h"

using isochrone::routing::RoutedNetworks;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed =
      RoutedNetworks::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed) return 0;
  const auto& networks = parsed->networks();
  for (std::size_t i = 0; i < networks.size(); ++i) {
    if (i > 0 && !(networks[i - 1].prefix < networks[i].prefix)) std::abort();
    if (parsed->around(networks[i].prefix) != &networks[i]) std::abort();
    if (networks[i].around < networks.size() &&
        !networks[networks[i].around].prefix.contains(networks[i].prefix)) {
      std::abort();
    }
  }
  return 0;
}
