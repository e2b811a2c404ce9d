// SPDX-License-Identifier: Apache-2.0
//
// Status: what the dns role counts and knows, as metrics and as the facts behind `show status`.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/metrics.h"
#include "dns/counters.h"
#include "dns/follower.h"
#include "dns/resigner.h"
#include "dns/tap.h"
#include "dns/zone_set.h"

namespace isochrone::dns {

void measure_workers(Metrics& metrics, const std::deque<WorkerCounters>& workers);
void measure_state(Metrics& metrics, const StateFollower::Status& status, const ZoneSet& zones);
void measure_signing(Metrics& metrics, const Resigner::Status& status,
                     const SignedZones* signatures);
void measure_tap(Metrics& metrics, const Tap::Status& status);

// Instants as RFC 3339, null for never. `signatures` may be null.
std::string describe_status(const StateFollower::Status& status, const ZoneSet& zones,
                            const SignedZones* signatures, const std::vector<Endpoint>& listening,
                            const std::string& collector_url);

}  // namespace isochrone::dns
