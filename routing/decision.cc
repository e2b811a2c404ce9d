// SPDX-License-Identifier: Apache-2.0
//
// The choice a query makes, and the words for why.
#include "routing/decision.h"

namespace isochrone::routing {

Choice choose(const RoutingTable& table, ServiceId service, const Address& client,
              SiteMask up) noexcept {
  const Leaf leaf = table.find(service, client);
  const std::span<const SiteId> sites = table.ranking(leaf.ranking);
  for (const SiteId site : sites) {
    if ((up & site_bit(site)) == 0) continue;
    const auto override = site == sites.front() ? Override::none : Override::site_down;
    return {site, leaf.block_length, leaf.ranking, override};
  }
  return {sites.front(), leaf.block_length, leaf.ranking, Override::all_down};
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::measured:
      return "measured";
    case Reason::covering_prefix:
      return "covering-prefix";
    case Reason::geography:
      return "geography";
    case Reason::default_order:
      return "default-order";
  }
  return "default-order";
}

std::string_view to_string(Override override) {
  switch (override) {
    case Override::none:
      return "none";
    case Override::site_down:
      return "site-down";
    case Override::draining:
      return "draining";
    case Override::all_down:
      return "all-down";
    case Override::withheld:
      return "withheld";
  }
  return "none";
}

}  // namespace isochrone::routing
