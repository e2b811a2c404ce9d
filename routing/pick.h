// SPDX-License-Identifier: Apache-2.0
//
// pick: the sites that one answer names, from an order and the sites that may be named.
//
// Order:    groups of equally good sites one after the other; inside a group, by weight, each client
//           network has an order of its own that depends on the network and the sites' names alone: not on
//           the generation, and when a site leaves, only its clients move (rendezvous hashing).
// Sets:     the first, the best; then sites near it, in order; `others` of the count are the first sites
//           that are not near it. Where there are too few of those, near ones take their places; where too
//           few are near, the set is smaller.
// Purity:   no allocation; the same inputs give the same sites on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ip.h"
#include "routing/ranking.h"
#include "routing/topology.h"

namespace isochrone::routing {

// What a service says about its answers, ready for a query.
struct SetPolicy {
  struct Weight {
    std::uint64_t key = 0;  // of the site's name
    std::uint32_t weight = 0;
  };
  unsigned count = 1;
  unsigned others = 0;
  std::vector<Weight> weights;  // by SiteId; none: the first of equally good sites has all

  static SetPolicy of(const Topology& topology, const Service& service);
};

struct NamedSites {
  std::array<SiteId, kMaxNamedSites> sites;  // the best first
  std::size_t size = 0;
  // Whether another client network might be given others, or another order.
  bool is_by_network = false;

  std::span<const SiteId> all() const noexcept { return std::span(sites).first(size); }
  SiteMask mask() const noexcept;
};

// At least one of the order is in `usable`, and so is every site named.
NamedSites pick(const SetPolicy& policy, std::span<const SiteId> order, const Marks& marks,
                SiteMask usable, const Address& client) noexcept;

// What the order of last resort gives to everyone, of the sites in `usable`, and without weights: what
// those are told who cannot be told by network. Empty when the service has none of them.
std::vector<SiteId> last_resort(const Topology& topology, const Service& service, SiteMask usable);

}  // namespace isochrone::routing
