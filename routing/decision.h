// SPDX-License-Identifier: Apache-2.0
//
// Decision: the answer for one client of one service, and everything it rests on.
//
// A value: answers, `route`, the looking glass, metrics and tests use this one. The query path
// fills only Choice; explain() adds the rest from the state the table was compiled from.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "routing/compile.h"
#include "routing/estimate.h"
#include "routing/pick.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Which layer of the table spoke.
enum class Reason : std::uint8_t { measured, covering_prefix, geography, default_order };
// Why the first site of the ranking and its equals were passed over, or named although not up.
enum class Override : std::uint8_t { none, site_down, draining, all_down, withheld };

// What the query path needs: the best site that is up, and the scope.
struct Choice {
  SiteId site;
  std::uint8_t scope = 0;  // ECS scope prefix-length
  RankingId ranking;
  Override override = Override::none;
};

// `named` are all sites of the answer, the choice's first. Cost: one table look-up and a scan of the
// ranking. When every site of the service is down, all count as up (a checker that fails must not empty
// the answer), and `override` says so.
Choice choose(const RoutingTable& table, ServiceId service, const Address& client, SiteMask up,
              NamedSites& named) noexcept;
inline Choice choose(const RoutingTable& table, ServiceId service, const Address& client,
                     SiteMask up) noexcept {
  NamedSites named;
  return choose(table, service, client, up, named);
}

// Override::site_down when none of the ranking's best is in `up`.
Override passed_over(const RoutingTable& table, RankingId ranking, SiteMask up) noexcept;

struct Candidate {
  SiteId site;
  bool is_up = true;
  bool is_named = false;
  // Where the service shares clients by weight: which group of equally good sites, from 1.
  std::optional<unsigned> group;
  // Where it has a spread: whether the site is within it of the best of the answer.
  std::optional<bool> is_near;
  std::optional<Estimate> estimate;   // of the prefix that spoke
  std::optional<double> distance_km;  // from the geographic prior
  std::optional<Micros> score;
};

struct Decision {
  Address client;
  ServiceId service;
  Choice choice;
  Seconds ttl{0};
  Reason reason = Reason::default_order;
  // That the site is really the best of those that answered the basis and are up, as far as samples tell,
  // 0..1; none where it was not measured.
  std::optional<double> confidence;
  std::optional<Prefix> basis;        // the measured or geographic prefix it rests on
  std::vector<SiteId> named;          // all sites of the answer, the best first; none: withheld
  std::vector<Candidate> candidates;  // in ranking order
  std::vector<SiteId> fenced;         // sites of the service that may not serve this client
  bool is_pinned = false;             // the ranking begins with the site of a pin
  bool is_held_out = false;           // measured, and answered as if it were not
  std::uint64_t generation = 0;
};

std::string_view to_string(Reason reason);
std::string_view to_string(Override override);

}  // namespace isochrone::routing
