// SPDX-License-Identifier: Apache-2.0
//
// Layering state and geography into rows, one prefix table per group of services that rank alike.
#include "routing/compile.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "routing/arrange.h"
#include "routing/policy.h"

namespace isochrone::routing {
namespace {

bool has_answers(const PrefixState& prefix) {
  return std::any_of(prefix.paths.begin(), prefix.paths.end(),
                     [](const PathState& path) { return path.estimate.samples > 0; });
}

std::vector<const PrefixState*> in_order(const PerformanceState& state) {
  std::vector<const PrefixState*> sorted;
  sorted.reserve(state.size());
  for (const auto& [prefix, known] : state.prefixes()) sorted.push_back(&known);
  std::sort(sorted.begin(), sorted.end(),
            [](const PrefixState* a, const PrefixState* b) { return a->prefix < b->prefix; });
  return sorted;
}

// Lays out the rows of one group, in prefix order.
class Group {
 public:
  Group(const Topology& topology, ServiceId id, const GeoPrior* geo, RankingSet& rankings)
      : topology_(topology),
        id_(id),
        service_(topology.services[id.index()]),
        geo_(geo),
        rankings_(rankings),
        arranger_(topology, service_) {
    default_order_ = intern(service_.sites, nullptr);
    if (geo_ == nullptr) return;
    by_location_.resize(geo_->locations().size());
    networks_ = geo_->networks();
  }

  PrefixTable compile(const PrefixSource& prefixes, std::size_t measured) {
    rows_.reserve(measured + networks_.size());
    prefixes([this](const PrefixState& known) {
      if (!is_measured(service_, known)) return;
      while (!networks_.empty() && networks_.front().prefix < known.prefix) lay_network();
      lay_measured(known);
    });
    while (!networks_.empty()) lay_network();
    return PrefixTable::build(std::move(rows_), default_order_);
  }

 private:
  // A measurement of the whole speaks before a map of the part.
  void lay_network() {
    const GeoPrior::Network& network = networks_.front();
    networks_ = networks_.subspan(1);
    if (measured_around(network.prefix) != nullptr) return;
    rows_.push_back({network.prefix, order_at(network)});
  }

  void lay_measured(const PrefixState& known) {
    const PrefixRow row{known.prefix, order_of(known, order_around(known.prefix))};
    rows_.push_back(row);
    open_.push_back(row);
  }

  RankingId order_of(const PrefixState& known, RankingId around) {
    const SiteId* preferred = known.preferred(id_);
    // Where nothing but the preferred site was measured, it alone is moved: the same for many networks.
    const bool is_alone =
        preferred != nullptr && known.paths.size() == 1 && known.paths.front().site == *preferred;
    // Which sites are as good depends on its score besides.
    if (!is_alone || service_.names_sets()) return rank(known, around);
    const std::uint64_t key = std::uint64_t{around.value()} << 16 | preferred->value();
    const auto [moved, is_new] = by_preferred_.try_emplace(key, around);
    if (is_new) moved->second = rank(known, around);
    return moved->second;
  }

  RankingId rank(const PrefixState& known, RankingId around) {
    const std::span<const SiteId> next_best = rankings_.get(around);
    const std::vector<SiteId> fallback(next_best.begin(), next_best.end());
    return intern(rank_sites(service_, id_, known, fallback), &known);
  }

  // What would speak for the prefix if it were not measured.
  RankingId order_around(const Prefix& prefix) {
    if (const PrefixRow* covering = measured_around(prefix)) return covering->ranking;
    const GeoPrior::Network* network = geo_ != nullptr ? geo_->find(prefix.address()) : nullptr;
    return network != nullptr ? order_at(*network) : default_order_;
  }

  const PrefixRow* measured_around(const Prefix& prefix) {
    while (!open_.empty() && !open_.back().prefix.contains(prefix)) open_.pop_back();
    return open_.empty() ? nullptr : &open_.back();
  }

  RankingId order_at(const GeoPrior::Network& network) {
    auto& known = by_location_[network.location];
    if (!known) {
      known = intern(by_distance(service_, topology_, geo_->location(network)), nullptr);
    }
    return *known;
  }

  RankingId intern(std::vector<SiteId> ranked, const PrefixState* measured) {
    const Order order = arranger_.arrange(std::move(ranked), measured);
    return rankings_.intern(order.sites, order.marks(), default_order_);
  }

  const Topology& topology_;
  ServiceId id_;
  const Service& service_;
  const GeoPrior* geo_;
  RankingSet& rankings_;
  Arranger arranger_;
  RankingId default_order_{0};
  std::span<const GeoPrior::Network> networks_;                // not yet laid out
  std::vector<std::optional<RankingId>> by_location_;          // filled as locations are met
  std::unordered_map<std::uint64_t, RankingId> by_preferred_;  // the order around it, and the site
  std::vector<PrefixRow> open_;  // measured rows around the current place
  std::vector<PrefixRow> rows_;
};

}  // namespace

// Which table it will be is not known yet. Nearly all nodes have one; with many, most of it would be in vain.
void RoutingTable::warm(const Address& client) const noexcept {
  constexpr std::size_t kMostTables = 2;
  if (tables_.size() > kMostTables) return;
  for (const PrefixTable& table : tables_) {
    const Leaf leaf = table.find(client);
    asm volatile("" : : "r"(leaf.ranking.value()));  // the result is not wanted, but the reads are
  }
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
  // The orders of last resort come first: there is room for them, whatever the map makes of the rest.
  for (const Service& service : topology.services) {
    const Order order = Arranger(topology, service).arrange(service.sites, nullptr);
    table->rankings_.intern(order.sites, order.marks(), RankingId(0));
    table->policies_.push_back(SetPolicy::of(topology, service));
  }
  // Of services that rank alike the first speaks for all: their preferences were decided by the same
  // rule from the same estimates.
  std::map<std::tuple<std::vector<SiteId>, Micros, double, Seconds, Objective, bool,
                      std::optional<Micros>, bool>,
           std::uint32_t>
      groups;
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    const Service& service = topology.services[i];
    const auto next = static_cast<std::uint32_t>(table->tables_.size());
    const auto [group, is_new] = groups.try_emplace(
        {service.sites, service.min_gain, service.min_gain_share, service.dwell, service.objective,
         service.names_sets(), service.spread, service.weights.empty()},
        next);
    if (is_new) {
      Group rows(topology, ServiceId(static_cast<std::uint16_t>(i)), geo, table->rankings_);
      table->tables_.push_back(rows.compile(prefixes, table->measured_prefixes_));
    }
    table->services_.push_back({group->second, service.names_sets()});
  }
  table->generation_ = generation;
  return table;
}

}  // namespace isochrone::routing
