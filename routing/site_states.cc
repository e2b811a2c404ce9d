// SPDX-License-Identifier: Apache-2.0
#include "routing/site_states.h"

namespace isochrone::routing {

Nameable nameable_sites(const SiteStates& states, ServiceId service, SiteMask sites,
                        OnAllDown on_all_down) noexcept {
  if ((states.up & sites) != 0) return {states.up & sites, Override::none};
  if ((states.draining & sites) != 0) return {states.draining & sites, Override::draining};
  switch (on_all_down) {
    case OnAllDown::nodata:
    case OnAllDown::servfail:
      return {0, Override::withheld};
    case OnAllDown::last_good:
      if (service.index() < states.last_good.size()) {
        const SiteMask known = states.last_good[service.index()] & sites;
        if (known != 0) return {known, Override::all_down};
      }
      break;
    case OnAllDown::all:
      break;
  }
  return {sites, Override::all_down};
}

void remember_good(const Topology& topology, SiteStates& states) {
  states.last_good.resize(topology.services.size());
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    const SiteMask up = states.up & sites_of(topology.services[i]);
    if (up != 0) states.last_good[i] = up;
  }
}

SiteMask sites_of(const Service& service) noexcept {
  SiteMask mask = 0;
  for (const SiteId site : service.sites) mask |= site_bit(site);
  return mask;
}

}  // namespace isochrone::routing
