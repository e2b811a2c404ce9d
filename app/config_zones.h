// SPDX-License-Identifier: Apache-2.0
//
// Zones of a configuration, and the keys of their transfers.
#pragma once

#include <vector>

#include "app/config_section.h"
#include "dns/options.h"

namespace isochrone::app {

// `root` is the whole configuration. What is wrong goes to its complaints.
std::vector<dns::TsigKeySource> read_keys(const Section& root);
std::vector<dns::ZoneSource> read_zones(const Section& root,
                                        const std::vector<dns::TsigKeySource>& keys);

}  // namespace isochrone::app
