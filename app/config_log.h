// SPDX-License-Identifier: Apache-2.0
//
// The section collector.log: where the event log is when collectors share it.
#pragma once

#include "app/config_section.h"
#include "collector/nats.h"

namespace isochrone::app {

// Without servers when the section is absent. What is wrong goes to its complaints.
collector::NatsOptions read_log(const Section& section);

}  // namespace isochrone::app
