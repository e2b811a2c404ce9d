// SPDX-License-Identifier: Apache-2.0
//
// beacon_candidates: which sites a browser is to measure, and which of them hear about it.
//
// Threads:  pure functions; the dice are the caller's.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "collector/beacon_options.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::collector {

// At most `count` of the sites that have an object and are up. The best known of the network come first,
// then the nearest on the map; the last place goes to any other, so that what is not known comes to be.
// `known` may be null.
std::vector<routing::SiteId> beacon_candidates(const routing::Topology& topology,
                                               std::span<const BeaconSite> sites,
                                               routing::SiteMask up,
                                               const routing::PrefixState* known,
                                               const std::optional<routing::Location>& client,
                                               unsigned count, Random& dice);

// At most three sites that take reports, those first that are not measured: a report goes through another
// site than the one that it tells of.
std::vector<const BeaconSite*> beacon_reporters(std::span<const BeaconSite> sites,
                                                std::span<const std::string> measured,
                                                Random& dice);

}  // namespace isochrone::collector
