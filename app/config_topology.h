// SPDX-License-Identifier: Apache-2.0
//
// Zones, sites and services of a configuration: the names that have to agree with each other.
#pragma once

#include <vector>

#include "app/config_section.h"
#include "dns/options.h"
#include "routing/topology.h"

namespace isochrone::app {

// `root` is the whole configuration. What is wrong goes to its complaints.
std::vector<dns::TsigKeySource> read_keys(const Section& root);
std::vector<dns::ZoneSource> read_zones(const Section& root,
                                        const std::vector<dns::TsigKeySource>& keys);
routing::Topology read_topology(const Section& root, const std::vector<dns::ZoneSource>& zones);

}  // namespace isochrone::app
