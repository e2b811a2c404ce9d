// SPDX-License-Identifier: Apache-2.0
//
// SnapshotCompiler: snapshots of inputs that are replaced as a whole and of a state that changes.
//
// Threads:  of one thread; the snapshots it gives are immutable and independent of what follows.
// Cost:     that of routing/table_compiler.h, and of routing/reasons.h where reasons are wanted.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "dns/answer_options.h"
#include "dns/node_state.h"
#include "dns/snapshot.h"
#include "routing/geo.h"
#include "routing/reasons.h"
#include "routing/table_compiler.h"

namespace isochrone::dns {

// What snapshots are made from, besides state; replaced as a whole by a reload.
struct BuildInputs {
  std::shared_ptr<const ZoneSet> zones;
  std::shared_ptr<const SignedZones> signatures;  // of the zones; null: none is signed
  std::shared_ptr<const routing::Topology> topology;
  std::shared_ptr<const routing::GeoPrior> geo;  // may be null
  std::shared_ptr<const TransferPolicy> transfers;
  std::shared_ptr<const TlsContext> tls;
  AnswerOptions options;
  bool wants_reasons = false;           // the snapshot tells why, of every answer
  HttpAccess collector;                 // empty: nothing is followed
  std::string source;                   // of the events posted
  std::filesystem::path snapshot_file;  // empty: none is written
};

// Compiles the table and makes the snapshot that goes with it.
std::shared_ptr<Snapshot> build_snapshot(const BuildInputs& inputs, const NodeState& state,
                                         std::uint64_t generation);

class SnapshotCompiler {
 public:
  // Everything that is compiled from the state stays as it is in `current`.
  static std::shared_ptr<Snapshot> with_same_table(const BuildInputs& inputs,
                                                   const NodeState& state, const Snapshot& current);
  // What follows `current` after the changes that `state` tells, which it tells no more.
  std::shared_ptr<Snapshot> compile(const BuildInputs& inputs, NodeState& state,
                                    const Snapshot& current);
  // The next one is compiled from scratch: for other inputs.
  void forget();

 private:
  std::optional<routing::TableCompiler> table_;  // none before the first change
  std::optional<routing::ReasonCompiler> reasons_;
};

}  // namespace isochrone::dns
