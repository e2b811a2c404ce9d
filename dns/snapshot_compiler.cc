// SPDX-License-Identifier: Apache-2.0
#include "dns/snapshot_compiler.h"

#include <utility>

namespace isochrone::dns {
namespace {

std::shared_ptr<Snapshot> make_snapshot(const BuildInputs& inputs, const NodeState& state,
                                        std::uint64_t generation) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->zones = inputs.zones;
  snapshot->signatures = inputs.signatures;
  snapshot->topology = inputs.topology;
  snapshot->sites = state.site_states(*inputs.topology);
  snapshot->transfers = inputs.transfers;
  snapshot->tls = inputs.tls;
  snapshot->generation = generation;
  snapshot->state_position = state.state_position.position;
  snapshot->health_position = state.health_position.position;
  snapshot->options = inputs.options;
  return snapshot;
}

}  // namespace

std::shared_ptr<Snapshot> build_snapshot(const BuildInputs& inputs, const NodeState& state,
                                         std::uint64_t generation) {
  auto snapshot = make_snapshot(inputs, state, generation);
  const routing::StateView view = view_of(state.performance);
  snapshot->table =
      routing::compile_prefixes(*inputs.topology, view.all, inputs.geo.get(), generation);
  snapshot->measured_private = state.measured_private();
  if (inputs.wants_reasons) {
    snapshot->reasons = routing::ReasonCompiler(inputs.topology, inputs.geo.get()).compile(view);
  }
  return snapshot;
}

std::shared_ptr<Snapshot> SnapshotCompiler::with_same_table(const BuildInputs& inputs,
                                                            const NodeState& state,
                                                            const Snapshot& current) {
  auto next = make_snapshot(inputs, state, current.generation + 1);
  next->table = current.table;
  next->state_position = current.state_position;
  next->reasons = current.reasons;
  next->measured_private = current.measured_private;
  return next;
}

std::shared_ptr<Snapshot> SnapshotCompiler::compile(const BuildInputs& inputs, NodeState& state,
                                                    const Snapshot& current) {
  auto next = make_snapshot(inputs, state, current.generation + 1);
  const auto changed = std::exchange(state.changed, {});
  const routing::StateView view = view_of(state.performance);
  if (table_) {
    next->table = table_->update(changed, view, next->generation);
    next->measured_private = state.measured_private(current.measured_private, changed);
    if (reasons_) next->reasons = reasons_->update(changed, view);
    return next;
  }
  table_.emplace(inputs.topology, inputs.geo);
  next->table = table_->compile(view, next->generation);
  next->measured_private = state.measured_private();
  if (inputs.wants_reasons) {
    reasons_.emplace(inputs.topology, inputs.geo.get());
    next->reasons = reasons_->compile(view);
  }
  return next;
}

void SnapshotCompiler::forget() {
  table_.reset();
  reasons_.reset();
}

}  // namespace isochrone::dns
