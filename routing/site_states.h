// SPDX-License-Identifier: Apache-2.0
//
// SiteStates: which sites live, and which of a service's sites may therefore be named.
//
// Order:   sites that are up; else sites that are draining, which still serve; else what the service
//          says for when all are down. A dead site is named only under `all` and `last_good`.
// Cost:    nameable_sites() is a few bit operations; nothing allocates but remember_good().
#pragma once

#include <vector>

#include "routing/decision.h"
#include "routing/topology.h"

namespace isochrone::routing {

struct SiteStates {
  SiteMask up = kAllSites;
  SiteMask draining = 0;  // alive, but asked to be left
  // By service: its sites that were up when any was last. Empty: not known of any service.
  std::vector<SiteMask> last_good;
};

struct Nameable {
  SiteMask sites = 0;  // none: the service wants no answer, by Override::withheld
  Override why = Override::none;
};

// `sites` are those of the service.
Nameable nameable_sites(const SiteStates& states, ServiceId service, SiteMask sites,
                        OnAllDown on_all_down) noexcept;

// Notes for each service the sites that are up, unless none is.
void remember_good(const Topology& topology, SiteStates& states);

SiteMask sites_of(const Service& service) noexcept;

}  // namespace isochrone::routing
