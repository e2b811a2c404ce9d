// SPDX-License-Identifier: Apache-2.0
//
// Finding what a choice rests on.
#include "routing/explain.h"

#include <algorithm>
#include <utility>

#include "routing/hold_out.h"
#include "routing/policy.h"

namespace isochrone::routing {
namespace {

// The longest prefix around a client that speaks for the service: the one compile_table() used.
struct Basis {
  std::optional<PrefixState> measured;
  bool is_held_out = false;
};
Basis basis_of(const PrefixFinder& find, const Service& service, const Address& client) {
  for (int length = client.width(); length >= 0; --length) {
    auto known = find(Prefix(client, length));
    if (!known || !is_measured(service, *known)) continue;
    if (is_held_out(service, known->prefix)) return {std::nullopt, true};
    return {std::move(known), false};
  }
  return {};
}

// Whether a map can order the sites at all.
bool has_locations(const Topology& topology, const Service& service) {
  return std::any_of(service.sites.begin(), service.sites.end(), [&](SiteId site) {
    return topology.sites[site.index()].location.has_value();
  });
}

void set_reason(Decision& decision, const PrefixState* measured, const GeoPrior::Network* network) {
  if (measured != nullptr) {
    const bool is_own = measured->prefix.length() >= client_network(decision.client).length();
    decision.reason = is_own ? Reason::measured : Reason::covering_prefix;
    decision.basis = measured->prefix;
  } else if (network != nullptr) {
    decision.reason = Reason::geography;
    decision.basis = network->prefix;
  }
}

// What sets and weights rest on.
void set_marks(Decision& decision, const Marks& marks) {
  const auto is_best = [&](const Candidate& one) { return one.site == decision.choice.site; };
  const auto best = std::find_if(decision.candidates.begin(), decision.candidates.end(), is_best);
  const auto place = static_cast<std::size_t>(best - decision.candidates.begin());
  unsigned group = 0;
  for (std::size_t i = 0; i < decision.candidates.size(); ++i) {
    Candidate& candidate = decision.candidates[i];
    if ((marks.group_starts >> i & 1) != 0) ++group;
    if (marks.group_starts != 0) candidate.group = group;
    if (!marks.near.empty()) {
      candidate.is_near = (marks.near[place] & site_bit(candidate.site)) != 0;
    }
  }
}

// What fences and pins made of the ranking.
void set_terms(Decision& decision, const Service& service, const RoutingTable& table) {
  const auto ranking = table.ranking(decision.choice.ranking);
  for (const SiteId site : service.sites) {
    if (std::find(ranking.begin(), ranking.end(), site) == ranking.end()) {
      decision.fenced.push_back(site);
    }
  }
  const Address& client = decision.client;
  const Term* term =
      service.terms ? service.terms->around(Prefix(client, client.width())) : nullptr;
  decision.is_pinned = term != nullptr && term->pin.has_value();
}

Candidate candidate_of(const Site& site, const Estimate* estimate, Objective objective,
                       const Location* from) {
  Candidate candidate;
  if (estimate != nullptr) candidate.estimate = *estimate;
  if (estimate != nullptr && estimate->samples > 0) candidate.score = score(*estimate, objective);
  if (site.location && from != nullptr) candidate.distance_km = distance_km(*site.location, *from);
  return candidate;
}

// Against the strongest rival; without any there is no doubt.
std::optional<double> confidence_of(const Decision& decision, Objective objective) {
  const auto has_answers = [](const Candidate& one) {
    return one.estimate && one.estimate->samples > 0;
  };
  const auto chosen =
      std::find_if(decision.candidates.begin(), decision.candidates.end(),
                   [&](const Candidate& one) { return one.site == decision.choice.site; });
  if (chosen == decision.candidates.end() || !has_answers(*chosen)) return std::nullopt;
  double least = 1;
  for (const Candidate& rival : decision.candidates) {
    if (&rival == &*chosen || !rival.is_up || !has_answers(rival)) continue;
    least = std::min(least, chance_better(*chosen->estimate, *rival.estimate, objective));
  }
  return least;
}

}  // namespace

Decision explain(const Topology& topology, const RoutingTable& table, const PerformanceState& state,
                 const GeoPrior* geo, const SiteStates& sites, ServiceId service,
                 const Address& client) {
  const auto find = [&state](const Prefix& prefix) -> std::optional<PrefixState> {
    const PrefixState* known = state.find(prefix);
    return known != nullptr ? std::optional(*known) : std::nullopt;
  };
  return explain(topology, table, find, geo, sites, service, client);
}

Decision explain(const Topology& topology, const RoutingTable& table, const PrefixFinder& find,
                 const GeoPrior* geo, const SiteStates& sites, ServiceId service,
                 const Address& client) {
  const Service& asked = topology.services[service.index()];
  const Basis basis = basis_of(find, asked, client);
  const PrefixState* measured = basis.measured ? &*basis.measured : nullptr;
  const GeoPrior::Network* network = geo != nullptr ? geo->find(client) : nullptr;
  const Location* from = network != nullptr ? &geo->location(*network) : nullptr;

  Decision decision;
  decision.client = client;
  decision.service = service;
  const Nameable nameable = nameable_sites(sites, service, sites_of(asked), asked.on_all_down);
  NamedSites named;
  decision.choice = choose(table, service, client, nameable.sites, named);
  if (nameable.why != Override::withheld) {
    decision.named.assign(named.all().begin(), named.all().end());
  }
  if (nameable.why != Override::none) decision.choice.override = nameable.why;
  decision.ttl = asked.ttl;
  decision.is_held_out = basis.is_held_out;
  set_terms(decision, asked, table);
  decision.generation = table.generation();
  set_reason(decision, measured, has_locations(topology, asked) ? network : nullptr);
  for (const SiteId site : table.ranking(decision.choice.ranking)) {
    const Estimate* estimate = measured != nullptr ? measured->find(site) : nullptr;
    decision.candidates.push_back(
        candidate_of(topology.sites[site.index()], estimate, asked.objective, from));
    decision.candidates.back().site = site;
    decision.candidates.back().is_up = (sites.up & site_bit(site)) != 0;
    decision.candidates.back().is_named =
        std::find(decision.named.begin(), decision.named.end(), site) != decision.named.end();
  }
  decision.confidence = confidence_of(decision, asked.objective);
  set_marks(decision, table.rankings().marks(decision.choice.ranking));
  return decision;
}

}  // namespace isochrone::routing
