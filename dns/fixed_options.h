// SPDX-License-Identifier: Apache-2.0
//
// fixed_changes: what a running server cannot change, by the name the configuration has for it.
#pragma once

#include <vector>

#include "base/result.h"
#include "dns/options.h"

namespace isochrone::dns {

// One Error for each option that differs and needs a restart.
std::vector<Error> fixed_changes(const Options& before, const Options& after);

}  // namespace isochrone::dns
