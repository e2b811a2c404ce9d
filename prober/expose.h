// SPDX-License-Identifier: Apache-2.0
//
// Expose: the prober's counters as metrics and as the facts behind `show status`.
#pragma once

#include <cstdint>
#include <string>

#include "base/metrics.h"
#include "event/client.h"
#include "prober/counters.h"

namespace isochrone::prober {

void measure_counters(const Counters& counters, Metrics& metrics);

// A JSON object.
std::string status_of(const Counters& counters, const event::Poster::Stats& posted,
                      const std::string& site, std::uint64_t epoch);

}  // namespace isochrone::prober
