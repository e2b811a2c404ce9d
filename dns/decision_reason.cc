// SPDX-License-Identifier: Apache-2.0
#include "dns/decision_reason.h"

#include "routing/explain.h"

namespace isochrone::dns {

event::DecisionSample decision_sample(const Snapshot& snapshot, const NodeState& state,
                                      const routing::GeoPrior* geo, const DecisionCount& decision) {
  const auto known = [&](const Prefix& prefix) { return state.performance.find(prefix); };
  const auto why = routing::explain(*snapshot.topology, *snapshot.table, known, geo, snapshot.sites,
                                    decision.service, decision.client);
  return {snapshot.topology->services[decision.service.index()].name,
          decision.network,
          snapshot.topology->sites[decision.choice.site.index()].name,
          std::string(routing::to_string(why.reason)),
          decision.choice.scope,
          snapshot.table->generation()};
}

}  // namespace isochrone::dns
