// SPDX-License-Identifier: Apache-2.0
//
// Sites and services of a configuration, held against each other and against the zones.
#pragma once

#include <vector>

#include "app/config_section.h"
#include "app/config_terms.h"
#include "dns/options.h"
#include "routing/topology.h"

namespace isochrone::app {

// `root` is the whole configuration. What is wrong goes to its complaints.
routing::Topology read_topology(const Section& root, const std::vector<dns::ZoneSource>& zones,
                                const MapFiles& maps);

}  // namespace isochrone::app
