// SPDX-License-Identifier: Apache-2.0
//
// The choice a query makes, and the words for why.
#include "routing/decision.h"

#include <algorithm>

namespace isochrone::routing {

namespace {

// Scopes of answers by weight are those of the network that they are for.
std::uint8_t scope_of(const Leaf& leaf, const NamedSites& named, const Address& client) noexcept {
  if (!named.is_by_network) return leaf.block_length;
  return std::max(leaf.block_length, static_cast<std::uint8_t>(client_network(client).length()));
}

Choice choose_set(const RoutingTable& table, ServiceId service, const Address& client,
                  const Leaf& leaf, SiteMask up, NamedSites& named) noexcept {
  const std::span<const SiteId> sites = table.ranking(leaf.ranking);
  const bool is_any_up = std::any_of(sites.begin(), sites.end(),
                                     [up](SiteId site) { return (up & site_bit(site)) != 0; });
  named = pick(table.set_policy(service), sites, table.rankings().marks(leaf.ranking),
               is_any_up ? up : kAllSites, client);
  const auto override = is_any_up ? passed_over(table, leaf.ranking, up) : Override::all_down;
  return {named.sites[0], scope_of(leaf, named, client), leaf.ranking, override};
}

}  // namespace

Choice choose(const RoutingTable& table, ServiceId service, const Address& client, SiteMask up,
              NamedSites& named) noexcept {
  const Leaf leaf = table.find(service, client);
  if (table.names_sets(service)) return choose_set(table, service, client, leaf, up, named);
  const std::span<const SiteId> sites = table.ranking(leaf.ranking);
  const auto first = std::find_if(sites.begin(), sites.end(),
                                  [up](SiteId site) { return (up & site_bit(site)) != 0; });
  named.size = 1;
  named.sites[0] = first == sites.end() ? sites.front() : *first;
  const auto override = first == sites.end()     ? Override::all_down
                        : first == sites.begin() ? Override::none
                                                 : Override::site_down;
  return {named.sites[0], leaf.block_length, leaf.ranking, override};
}

Override passed_over(const RoutingTable& table, RankingId ranking, SiteMask up) noexcept {
  const std::span<const SiteId> sites = table.ranking(ranking);
  const std::size_t end = table.rankings().marks(ranking).group_end(0, sites.size());
  for (const SiteId site : sites.first(end)) {
    if ((up & site_bit(site)) != 0) return Override::none;
  }
  return Override::site_down;
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
