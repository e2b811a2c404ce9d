// SPDX-License-Identifier: Apache-2.0
#include "routing/group_rows.h"

#include <algorithm>
#include <utility>

#include "routing/hold_out.h"
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
  if (!service_.terms) return;
  // While there is room: what the full set would give instead of them could break a fence.
  for (const Term& term : service_.terms->rows()) within(term, default_order_, nullptr);
}

void GroupRows::all(const PrefixSource& prefixes,
                    const std::function<void(const PrefixRow&)>& take) {
  open_.clear();
  networks_ = geo_ != nullptr ? std::span(geo_->networks()) : std::span<const GeoPrior::Network>();
  terms_ = service_.terms ? service_.terms->rows() : std::span<const Term>();
  walk(prefixes, take);
}

std::vector<PrefixRow> GroupRows::inside(const Prefix& block,
                                         const std::vector<PrefixState>& around,
                                         const PrefixSource& prefixes) {
  open_.clear();
  for (const PrefixState& known : around) open(known);
  networks_ = {};
  terms_ = service_.terms ? service_.terms->inside(block) : std::span<const Term>();
  if (geo_ != nullptr) {
    const auto& networks = geo_->networks();
    const auto begin = std::partition_point(networks.begin(), networks.end(),
                                            [&](const auto& one) { return one.prefix < block; });
    const auto end = std::partition_point(
        begin, networks.end(), [&](const auto& one) { return block.contains(one.prefix); });
    networks_ = {begin, end};
  }
  std::vector<PrefixRow> rows;
  walk(prefixes, [&rows](const PrefixRow& row) { rows.push_back(row); });
  return rows;
}

void GroupRows::walk(const PrefixSource& prefixes,
                     const std::function<void(const PrefixRow&)>& take) {
  take_ = &take;
  last_.reset();
  prefixes([&](const PrefixState& known) {
    if (!is_measured(service_, known)) return;
    lay_before(&known.prefix);
    if (is_held_out(service_, known.prefix)) {
      lay_held_out(known.prefix);
    } else {
      lay_measured(known);
    }
  });
  lay_before(nullptr);
  take_ = nullptr;
}

// The map's networks and the terms that come before the next measured prefix, in order.
void GroupRows::lay_before(const Prefix* next) {
  while (true) {
    const bool has_network =
        !networks_.empty() && (next == nullptr || networks_.front().prefix < *next);
    const bool has_term = !terms_.empty() && (next == nullptr || terms_.front().prefix < *next);
    if (has_network && (!has_term || networks_.front().prefix <= terms_.front().prefix)) {
      lay_network();
    } else if (has_term) {
      lay_term();
    } else {
      return;
    }
  }
}

// A measurement of the whole speaks before a map of the part.
void GroupRows::lay_network() {
  const GeoPrior::Network& network = networks_.front();
  networks_ = networks_.subspan(1);
  if (measured_around(network.prefix) != nullptr) return;
  if (last_ == network.prefix) return;  // held out: the same order
  lay(network.prefix, order_at(network), nullptr);
}

// What speaks there but for the terms around it goes on.
void GroupRows::lay_term() {
  const Prefix& prefix = terms_.front().prefix;
  terms_ = terms_.subspan(1);
  if (last_ == prefix) return;
  if (const Open* covering = measured_around(prefix)) {
    lay(prefix, covering->row.ranking, covering->known ? &*covering->known : nullptr);
  } else {
    lay(prefix, mapped_order(prefix), nullptr);
  }
}

void GroupRows::lay_measured(const PrefixState& known) {
  open(known);
  lay(known.prefix, open_.back().row.ranking, &known);
}

void GroupRows::lay_held_out(const Prefix& prefix) {
  const GeoPrior::Network* network = geo_ != nullptr ? geo_->find(prefix.address()) : nullptr;
  lay(prefix, network != nullptr ? order_at(*network) : default_order_, nullptr);
}

void GroupRows::lay(const Prefix& prefix, RankingId order, const PrefixState* measured) {
  const Term* term = service_.terms ? service_.terms->around(prefix) : nullptr;
  (*take_)({prefix, term != nullptr ? within(*term, order, measured) : order});
  last_ = prefix;
}

void GroupRows::open(const PrefixState& known) {
  const RankingId order = order_of(known, order_around(known.prefix));
  const bool is_needed = service_.terms && service_.names_sets();
  open_.push_back({{known.prefix, order}, is_needed ? std::optional(known) : std::nullopt});
}

// An order without what its fences shut out, a pinned site first.
RankingId GroupRows::within(const Term& term, RankingId order, const PrefixState* measured) {
  const auto place = static_cast<std::uint64_t>(&term - service_.terms->rows().data());
  const std::uint64_t key = std::uint64_t{order.value()} << 32 | place;
  // Of services that name sets the marks depend on the scores besides.
  const bool is_known_by_order = measured == nullptr || !service_.names_sets();
  if (const auto known = by_term_.find(key); is_known_by_order && known != by_term_.end()) {
    return known->second;
  }
  std::vector<SiteId> sites;
  if (term.pin) sites.push_back(*term.pin);
  for (const SiteId site : rankings_.get(order)) {
    if ((term.allowed & site_bit(site)) != 0 && site != term.pin) sites.push_back(site);
  }
  const auto fallback = by_term_.find(std::uint64_t{default_order_.value()} << 32 | place);
  const RankingId otherwise = fallback != by_term_.end() ? fallback->second : default_order_;
  const Order arranged = arranger_.arrange(std::move(sites), measured, term.pin.has_value());
  const RankingId id = rankings_.intern(arranged.sites, arranged.marks(), otherwise);
  if (is_known_by_order) by_term_.emplace(key, id);
  return id;
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
  if (const Open* covering = measured_around(prefix)) return covering->row.ranking;
  const GeoPrior::Network* network = geo_ != nullptr ? geo_->find(prefix.address()) : nullptr;
  return network != nullptr ? order_at(*network) : default_order_;
}

// What the map says of all of the prefix: networks inside it have rows of their own.
RankingId GroupRows::mapped_order(const Prefix& prefix) {
  const GeoPrior::Network* network = geo_ != nullptr ? geo_->find(prefix.address()) : nullptr;
  while (network != nullptr && !network->prefix.contains(prefix)) {
    network = network->around == GeoPrior::kNone ? nullptr : &geo_->networks()[network->around];
  }
  return network != nullptr ? order_at(*network) : default_order_;
}

const GroupRows::Open* GroupRows::measured_around(const Prefix& prefix) {
  while (!open_.empty() && !open_.back().row.prefix.contains(prefix)) open_.pop_back();
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
