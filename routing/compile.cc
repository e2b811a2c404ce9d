// SPDX-License-Identifier: Apache-2.0
//
// Layering state and geography into rows, one prefix table per group of services that rank alike.
#include "routing/compile.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "routing/arrange.h"
#include "routing/prefix_tree.h"
#include "routing/prefix_writer.h"

namespace isochrone::routing {
namespace {

std::vector<const PrefixState*> in_order(const PerformanceState& state) {
  std::vector<const PrefixState*> sorted;
  sorted.reserve(state.size());
  for (const auto& [prefix, known] : state.prefixes()) sorted.push_back(&known);
  std::sort(sorted.begin(), sorted.end(),
            [](const PrefixState* a, const PrefixState* b) { return a->prefix < b->prefix; });
  return sorted;
}

// Which networks a service holds out depends on its name; of most it holds out none.
std::string held_out_by(const Service& service) {
  return service.hold_out > 0 ? service.name : std::string();
}

}  // namespace

bool has_answers(const PrefixState& prefix) {
  return std::any_of(prefix.paths.begin(), prefix.paths.end(),
                     [](const PathState& path) { return path.estimate.samples > 0; });
}

// Which table it will be is not known yet. Nearly all nodes have one; with many, most of it would be in vain.
void RoutingTable::warm(std::span<const Address> clients) const noexcept {
  constexpr std::size_t kMostTables = 2;
  if (tables_.size() > kMostTables) return;
  std::array<Leaf, kMostWarmed> leaves;  // not wanted, but the reads for them are
  for (const PrefixTable& table : tables_) {
    table.find_each(clients.first(std::min(clients.size(), kMostWarmed)), leaves);
  }
}

std::vector<ServiceId> RoutingTable::begin(const Topology& topology) {
  // The orders of last resort come first: there is room for them, whatever the map makes of the rest.
  for (const Service& service : topology.services) {
    const Order order = Arranger(topology, service).arrange(service.sites, nullptr);
    rankings_.intern(order.sites, order.marks(), RankingId(0));
    policies_.push_back(SetPolicy::of(topology, service));
  }
  // Of services that rank alike the first speaks for all: their preferences were decided by the same
  // rule from the same estimates.
  std::map<std::tuple<std::vector<SiteId>, Micros, double, Seconds, Objective, bool,
                      std::optional<Micros>, bool, Micros, const Terms*, std::string>,
           std::uint32_t>
      groups;
  std::vector<ServiceId> first;
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    const Service& service = topology.services[i];
    const auto next = static_cast<std::uint32_t>(first.size());
    const auto [group, is_new] = groups.try_emplace(
        {service.sites, service.min_gain, service.min_gain_share, service.dwell, service.objective,
         service.names_sets(), service.spread, service.weights.empty(), service.merge_within,
         service.terms.get(), held_out_by(service)},
        next);
    if (is_new) first.push_back(ServiceId(static_cast<std::uint16_t>(i)));
    services_.push_back({group->second, service.names_sets()});
  }
  return first;
}

std::size_t RoutingTable::memory_bytes() const noexcept {
  std::size_t bytes = sizeof(*this) + services_.capacity() * sizeof(OfService) +
                      policies_.capacity() * sizeof(SetPolicy);
  for (const SetPolicy& policy : policies_) {
    bytes += policy.weights.capacity() * sizeof(SetPolicy::Weight);
  }
  for (const PrefixTable& table : tables_) bytes += table.memory_bytes();
  return bytes + rankings_.memory_bytes();
}

std::shared_ptr<const RoutingTable> compile_table(const Topology& topology,
                                                  const PerformanceState& state,
                                                  const GeoPrior* geo, std::uint64_t generation) {
  const auto sorted = in_order(state);
  return compile_prefixes(
      topology,
      [&sorted](const std::function<void(const PrefixState&)>& visit) {
        for (const PrefixState* known : sorted) visit(*known);
      },
      geo, generation);
}

std::shared_ptr<const RoutingTable> compile_prefixes(const Topology& topology,
                                                     const PrefixSource& prefixes,
                                                     const GeoPrior* geo,
                                                     std::uint64_t generation) {
  auto table = std::make_shared<RoutingTable>();
  prefixes([&](const PrefixState& known) { table->measured_prefixes_ += has_answers(known); });
  for (const ServiceId first : table->begin(topology)) {
    GroupRows rows(topology, first, geo, table->rankings_);
    PrefixTree tree;
    PrefixWriter writer(tree, rows.default_order());
    rows.all(prefixes, [&writer](const PrefixRow& row) { writer.add(row); });
    writer.finish();
    tree.shrink(0);
    table->tables_.push_back(tree.table());
  }
  table->generation_ = generation;
  return table;
}

}  // namespace isochrone::routing
