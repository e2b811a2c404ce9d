// SPDX-License-Identifier: Apache-2.0
//
// kBeaconScript: web/beacon/beacon.js as it was when this was built; "@RATE@" is for who serves it.
#pragma once

#include <string_view>

namespace isochrone::collector {

extern const std::string_view kBeaconScript;

}  // namespace isochrone::collector
