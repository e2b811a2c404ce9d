// SPDX-License-Identifier: Apache-2.0
//
// compile_table: performance state in, routing table out.
//
// All fallbacks are layered here, none is looked up by a query: measured prefix over covering
// measured prefix over geography over the service's own order, in one longest-prefix-match table
// per distinct set of sites and policy.
//
// Threads:  pure; the table is immutable and shared by readers.
// Cost:     per group of services that rank alike, a sort of the measured prefixes and one walk over
//           them and the geographic networks (bench_compile has figures).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "routing/geo.h"
#include "routing/group_rows.h"
#include "routing/pick.h"
#include "routing/prefix_table.h"
#include "routing/ranking.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Whether any site ever had an answer from this prefix.
bool has_answers(const PrefixState& prefix);

class RoutingTable {
 public:
  // The leaf and order for a client of a service; never empty.
  Leaf find(ServiceId service, const Address& client) const noexcept {
    return tables_[services_[service.index()].table].find(client);
  }
  // Has what find() reads for the clients brought near: for those that are looked up a little later.
  // The first kMostWarmed of them.
  static constexpr std::size_t kMostWarmed = 64;
  void warm(std::span<const Address> clients) const noexcept;
  std::span<const SiteId> ranking(RankingId id) const noexcept { return rankings_.get(id); }
  // Whether an answer of the service is more than the first site that may be named.
  bool names_sets(ServiceId service) const noexcept {
    return services_[service.index()].names_sets;
  }
  const SetPolicy& set_policy(ServiceId service) const noexcept {
    return policies_[service.index()];
  }
  const RankingSet& rankings() const noexcept { return rankings_; }
  std::uint64_t generation() const noexcept { return generation_; }
  // Prefixes that any site ever had an answer from.
  std::size_t measured_prefixes() const noexcept { return measured_prefixes_; }
  std::size_t memory_bytes() const noexcept;

 private:
  friend std::shared_ptr<const RoutingTable> compile_prefixes(const Topology&, const PrefixSource&,
                                                              const GeoPrior*, std::uint64_t);
  friend class TableCompiler;
  struct OfService {
    std::uint32_t table = 0;
    bool names_sets = false;
  };
  // Fills in what the topology tells; gives the first service of each group, in their tables' order.
  std::vector<ServiceId> begin(const Topology& topology);

  std::vector<PrefixTable> tables_;
  std::vector<OfService> services_;  // by ServiceId
  std::vector<SetPolicy> policies_;  // by ServiceId
  RankingSet rankings_;
  std::uint64_t generation_ = 0;
  std::size_t measured_prefixes_ = 0;
};

// `geo` may be null: then what is not measured follows the service's order. Each service has sites.
std::shared_ptr<const RoutingTable> compile_table(const Topology& topology,
                                                  const PerformanceState& state,
                                                  const GeoPrior* geo, std::uint64_t generation);
// The same from wherever the prefixes are kept; they are asked for once for each group of services.
std::shared_ptr<const RoutingTable> compile_prefixes(const Topology& topology,
                                                     const PrefixSource& prefixes,
                                                     const GeoPrior* geo, std::uint64_t generation);

}  // namespace isochrone::routing
