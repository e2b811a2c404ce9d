// SPDX-License-Identifier: Apache-2.0
#include "routing/group_rows.h"

#include <algorithm>
#include <utility>

#include "routing/policy.h"

namespace isochrone::routing {

GroupRows::GroupRows(const Topology& topology, ServiceId id, const GeoPrior* geo,
                     RankingSet& rankings)
    : topology_(topology),
      id_(id),
      service_(topology.services[id.index()]),
      geo_(geo),
      rankings_(rankings),
      arranger_(topology, service_) {
  default_order_ = intern(service_.sites, nullptr);
  if (geo_ != nullptr) by_location_.resize(geo_->locations().size());
}

void GroupRows::all(const PrefixSource& prefixes,
                    const std::function<void(const PrefixRow&)>& take) {
  open_.clear();
  networks_ = geo_ != nullptr ? std::span(geo_->networks()) : std::span<const GeoPrior::Network>();
  lay(prefixes, take);
}

std::vector<PrefixRow> GroupRows::inside(const Prefix& block,
                                         const std::optional<PrefixRow>& around,
                                         const PrefixSource& prefixes) {
  open_.clear();
  if (around) open_.push_back(*around);
  networks_ = {};
  if (geo_ != nullptr) {
    const auto& networks = geo_->networks();
    const auto begin = std::partition_point(networks.begin(), networks.end(),
                                            [&](const auto& one) { return one.prefix < block; });
    const auto end = std::partition_point(
        begin, networks.end(), [&](const auto& one) { return block.contains(one.prefix); });
    networks_ = {begin, end};
  }
  std::vector<PrefixRow> rows;
  lay(prefixes, [&rows](const PrefixRow& row) { rows.push_back(row); });
  return rows;
}

void GroupRows::lay(const PrefixSource& prefixes,
                    const std::function<void(const PrefixRow&)>& take) {
  const auto take_network = [&] {
    if (const auto row = lay_network()) take(*row);
  };
  prefixes([&](const PrefixState& known) {
    if (!is_measured(service_, known)) return;
    while (!networks_.empty() && networks_.front().prefix < known.prefix) take_network();
    take(lay_measured(known));
  });
  while (!networks_.empty()) take_network();
}

// A measurement of the whole speaks before a map of the part.
std::optional<PrefixRow> GroupRows::lay_network() {
  const GeoPrior::Network& network = networks_.front();
  networks_ = networks_.subspan(1);
  if (measured_around(network.prefix) != nullptr) return std::nullopt;
  return PrefixRow{network.prefix, order_at(network)};
}

PrefixRow GroupRows::lay_measured(const PrefixState& known) {
  const PrefixRow row{known.prefix, order_of(known, order_around(known.prefix))};
  open_.push_back(row);
  return row;
}

RankingId GroupRows::order_of(const PrefixState& known, RankingId around) {
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

RankingId GroupRows::rank(const PrefixState& known, RankingId around) {
  const std::span<const SiteId> next_best = rankings_.get(around);
  const std::vector<SiteId> fallback(next_best.begin(), next_best.end());
  return intern(rank_sites(service_, id_, known, fallback), &known);
}

// What would speak for the prefix if it were not measured.
RankingId GroupRows::order_around(const Prefix& prefix) {
  if (const PrefixRow* covering = measured_around(prefix)) return covering->ranking;
  const GeoPrior::Network* network = geo_ != nullptr ? geo_->find(prefix.address()) : nullptr;
  return network != nullptr ? order_at(*network) : default_order_;
}

const PrefixRow* GroupRows::measured_around(const Prefix& prefix) {
  while (!open_.empty() && !open_.back().prefix.contains(prefix)) open_.pop_back();
  return open_.empty() ? nullptr : &open_.back();
}

RankingId GroupRows::order_at(const GeoPrior::Network& network) {
  auto& known = by_location_[network.location];
  if (!known) {
    known = intern(by_distance(service_, topology_, geo_->location(network)), nullptr);
  }
  return *known;
}

RankingId GroupRows::intern(std::vector<SiteId> ranked, const PrefixState* measured) {
  const Order order = arranger_.arrange(std::move(ranked), measured);
  return rankings_.intern(order.sites, order.marks(), default_order_);
}

}  // namespace isochrone::routing
