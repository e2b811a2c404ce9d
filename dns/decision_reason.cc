// SPDX-License-Identifier: Apache-2.0
#include "dns/decision_reason.h"

#include "routing/explain.h"

namespace isochrone::dns {

std::optional<event::DecisionSample> decision_sample(const Snapshot& current,
                                                     const NodeState& state,
                                                     const routing::GeoPrior* geo,
                                                     const DecisionCount& decision,
                                                     const AnsweredWith::Snapshot& by) {
  const auto known = [&](const Prefix& prefix) { return state.performance.find(prefix); };
  const auto why = routing::explain(*current.topology, *current.table, known, geo, current.sites,
                                    decision.service, decision.client);
  event::DecisionSample sample{current.topology->services[decision.service.index()].name,
                               decision.network,
                               current.topology->sites[decision.choice.site.index()].name,
                               std::string(routing::to_string(why.reason)),
                               decision.choice.scope,
                               by.table_generation};
  sample.state_position = by.state_position;
  sample.health_position = by.health_position;
  // Whoever is in the network gets this answer, unless the table tells its parts apart.
  const int length = decision.network.length();
  const bool is_split =
      decision.choice.scope > length || (why.basis && why.basis->length() > length);
  const bool stands_for_all = decision.network.contains(decision.client) && !is_split;
  if (decision.client == decision.network.address() || stands_for_all) return sample;
  if (!decision.is_resolver) return std::nullopt;
  sample.resolver = decision.client;
  return sample;
}

}  // namespace isochrone::dns
