// SPDX-License-Identifier: Apache-2.0
//
// Policies of a configuration: each names who and what it is about, and has what its effect needs.
#pragma once

#include <vector>

#include "app/config.h"
#include "app/config_section.h"

namespace isochrone::app {

// `collector` is the section. What is wrong goes to its complaints.
std::vector<collector::Policy> read_policies(const Section& collector, const ApiOptions& api);

}  // namespace isochrone::app
