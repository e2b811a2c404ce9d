// SPDX-License-Identifier: Apache-2.0
//
// Plan: which paths are measured when not all can be: so many per client network and round.
//
// A round of a network begins with demand and lasts a target lifetime. First the path that answers
// use now is measured; then, each time the paths named so far have reported, the one the predictor
// holds for the most promising. Sites also measure each other, with or without a bound: that is what the
// predictor starts from, and what probers are judged by (reciprocity.h).
//
// Threads:  one thread, the core's.
// Cost:     take() decides for at most kAtOnce networks, 0.1 to 0.3 ms each; the others wait.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "collector/options.h"
#include "collector/targets.h"
#include "event/event.h"
#include "routing/geo.h"
#include "routing/predict.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::collector {

class Plan {
 public:
  // A tenth of a second of one core between two steps of the collector.
  static constexpr std::size_t kAtOnce = 256;

  Plan(const Options& options, const routing::Topology& topology);
  void set_map(std::shared_ptr<const routing::GeoPrior> map) { map_ = std::move(map); }
  bool is_limited() const noexcept { return budget_ > 0; }

  void asked(const event::Demand& demand, Targets::Known& known, Instant now);
  // Nothing was before `now`: the clock was set back.
  void forget_the_future(Instant now);
  // A window of this prefix has closed.
  void reported(const Prefix& prefix, Targets& targets);
  // What is to be measured from now on.
  std::vector<event::Target> take(Targets& targets, const routing::PerformanceState& state,
                                  const routing::PersistenceOf& persistence, routing::SiteMask up,
                                  Instant now);
  // Networks about which a decision is due.
  std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  void enqueue(Targets::Known& known);
  std::vector<event::Target> mesh_targets() const;
  void look_at_mesh(const routing::PerformanceState& state, Instant now);
  // What is known of a network, by site, as it is expected to be now.
  using Paths = std::vector<routing::Seen>;
  std::optional<event::Target> step(Targets::Known& known, const routing::PrefixState* state,
                                    const Paths& seen, routing::SiteMask up, Instant now);
  std::optional<routing::SiteId> choose(const Targets::Known& known,
                                        const routing::PrefixState* state, const Paths& seen,
                                        routing::SiteMask candidates) const;
  routing::ClientView view(const Prefix& prefix, const Paths& seen) const;

  unsigned budget_;
  Seconds lifetime_;
  routing::Topology topology_;
  std::vector<std::optional<Prefix>> homes_;  // by SiteId: the address other sites measure
  std::shared_ptr<const routing::GeoPrior> map_;
  routing::Mesh mesh_;
  routing::Predictor predictor_;
  bool is_mesh_new_ = false;
  Instant next_look_{};
  Instant next_mesh_{};
  std::deque<Prefix> waiting_;
};

}  // namespace isochrone::collector
