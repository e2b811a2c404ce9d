// SPDX-License-Identifier: Apache-2.0
//
// TableCompiler: routing tables of a state that changes, at the cost of what changed.
//
// Threads:    of one thread; the tables it gives are immutable and independent of what follows.
// Ownership:  shares topology and map; keeps the rows of every group beside their table.
// Cost:       update(): some 10 us per changed prefix and group. A changed
//             prefix of /16 (IPv4) or /32 (IPv6) and shorter, or very many at once, compile all anew.
// Invariant:  update() gives what compile_prefixes() gives for the same state, but for the numbers of
//             rankings.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "routing/compile.h"
#include "routing/geo.h"
#include "routing/group_rows.h"
#include "routing/packed_state.h"
#include "routing/prefix_editor.h"
#include "routing/topology.h"

namespace isochrone::routing {

// A state, wherever it is kept.
struct StateView {
  PrefixSource all;
  // Those inside a prefix, itself included, in order.
  std::function<void(const Prefix&, const std::function<void(const PrefixState&)>&)> inside;
  std::function<std::optional<PrefixState>(const Prefix&)> find;
};

StateView view_of(const PackedState& state);

class TableCompiler {
 public:
  TableCompiler(std::shared_ptr<const Topology> topology, std::shared_ptr<const GeoPrior> geo);

  // From scratch.
  std::shared_ptr<const RoutingTable> compile(const StateView& state, std::uint64_t generation);
  // After these prefixes came, changed or went; of each, whether it had answers before.
  std::shared_ptr<const RoutingTable> update(const std::map<Prefix, bool>& changed,
                                             const StateView& state, std::uint64_t generation);

 private:
  struct Group {
    GroupRows rows;
    PrefixEditor editor;
  };

  bool is_worth_it(const std::map<Prefix, bool>& changed) const;
  void update(Group& group, const Prefix& block, const StateView& state);
  std::shared_ptr<const RoutingTable> table(std::uint64_t generation);

  std::shared_ptr<const Topology> topology_;
  std::shared_ptr<const GeoPrior> geo_;
  RoutingTable latest_;  // but for its tables
  std::vector<std::unique_ptr<Group>> groups_;
  std::size_t rankings_at_first_ = 0;  // orders given up stay among them until all is compiled anew
};

}  // namespace isochrone::routing
