// SPDX-License-Identifier: Apache-2.0
//
// The section beacon: what browsers measure, and by which secret its tasks are signed.
#pragma once

#include "app/config_section.h"
#include "collector/beacon_options.h"
#include "routing/topology.h"

namespace isochrone::app {

// Off when the section is absent or does not listen. What is wrong goes to its complaints.
collector::BeaconOptions read_beacon(const Section& root, const routing::Topology& topology);

}  // namespace isochrone::app
