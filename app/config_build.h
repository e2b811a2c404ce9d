// SPDX-License-Identifier: Apache-2.0
//
// build_config: a configuration tree in, typed values out, every complaint gathered on the way.
#pragma once

#include "app/config.h"

namespace isochrone::app {

// Usable only when nothing was added to `complaints`.
Config build_config(const ConfigNode& tree, Complaints& complaints);

}  // namespace isochrone::app
