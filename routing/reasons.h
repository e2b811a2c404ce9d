// SPDX-License-Identifier: Apache-2.0
//
// Reasons: which layer of a routing table speaks for a client, for a log of every answer.
//
// explain() finds the same from the state, for people; here it is one look-up, or two where the map speaks.
//
// Threads:    Reasons are immutable, any number of readers; their compiler is of one thread.
// Ownership:  the compiler shares topology and map and keeps the rows; Reasons are independent of it.
// Cost:       find() as PrefixTable::find(), no allocation. compile() walks the measured prefixes, for each
//             distinct set of sites; update() costs what changed. Neighbours of one layer are one block, so
//             the tables are smaller than those that route.
// Invariant:  find() gives what explain() gives with the state it was compiled from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "routing/decision.h"
#include "routing/geo.h"
#include "routing/prefix_editor.h"
#include "routing/prefix_table.h"
#include "routing/table_compiler.h"

namespace isochrone::routing {

class Reasons {
 public:
  Reason find(ServiceId service, const Address& client) const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  friend class ReasonCompiler;
  struct OfService {
    std::uint32_t table = 0;
    bool has_map = false;  // which can order the service's sites
  };

  std::vector<OfService> services_;  // by ServiceId
  std::vector<PrefixTable> measured_;
  std::shared_ptr<const PrefixTable> mapped_;  // null without a map
};

class ReasonCompiler {
 public:
  ReasonCompiler(std::shared_ptr<const Topology> topology, const GeoPrior* geo);

  // From scratch.
  std::shared_ptr<const Reasons> compile(const StateView& state);
  // After these prefixes came, changed or went.
  std::shared_ptr<const Reasons> update(const std::map<Prefix, bool>& changed,
                                        const StateView& state);

 private:
  // Services of the same sites are measured by the same prefixes.
  struct Group {
    ServiceId first;
    std::optional<PrefixEditor> editor;
  };
  std::shared_ptr<const Reasons> reasons();

  std::shared_ptr<const Topology> topology_;
  Reasons latest_;  // but for what is measured
  std::vector<Group> groups_;
};

}  // namespace isochrone::routing
