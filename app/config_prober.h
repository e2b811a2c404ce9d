// SPDX-License-Identifier: Apache-2.0
//
// The section prober of a configuration.
#pragma once

#include "app/config_section.h"
#include "prober/options.h"
#include "routing/topology.h"

namespace isochrone::app {

// What is wrong goes to the section's complaints. Whom it reports to is read elsewhere.
prober::Options read_prober(const Section& section);

// What only matters where the role runs: its site has to be one of those listed, if any are.
void check_prober(const Section& section, const prober::Options& options,
                  const routing::Topology& topology);

}  // namespace isochrone::app
