// SPDX-License-Identifier: Apache-2.0
//
// The section dns.dnstap of a configuration.
#pragma once

#include "app/config_section.h"
#include "dns/tap_options.h"

namespace isochrone::app {

// What is wrong goes to the section's complaints. Without the section nothing is logged.
dns::TapOptions read_dnstap(const Section& section);

}  // namespace isochrone::app
