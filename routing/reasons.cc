// SPDX-License-Identifier: Apache-2.0
#include "routing/reasons.h"

#include <algorithm>
#include <string>
#include <utility>

#include "routing/hold_out.h"
#include "routing/policy.h"
#include "routing/site_states.h"

namespace isochrone::routing {
namespace {

// What stands in the place of a ranking.
constexpr RankingId kNothing{0};
constexpr RankingId kOwn{1};       // the client's network or a part of it was measured
constexpr RankingId kCovering{2};  // something around it was
constexpr RankingId kMapped{1};

bool has_locations(const Topology& topology, const Service& service) {
  return std::any_of(service.sites.begin(), service.sites.end(), [&](SiteId site) {
    return topology.sites[site.index()].location.has_value();
  });
}

RankingId layer_of(const Service& service, const Prefix& prefix) {
  if (is_held_out(service, prefix)) return kNothing;
  return prefix.length() >= client_network(prefix.address()).length() ? kOwn : kCovering;
}

PrefixTable table_of(const GeoPrior& geo) {
  std::vector<PrefixRow> rows;
  rows.reserve(geo.networks().size());
  for (const GeoPrior::Network& network : geo.networks()) rows.push_back({network.prefix, kMapped});
  return PrefixTable::build(std::move(rows), kNothing);
}

}  // namespace

Reason Reasons::find(ServiceId service, const Address& client) const noexcept {
  const OfService& asked = services_[service.index()];
  const RankingId layer = measured_[asked.table].find(client).ranking;
  if (layer == kOwn) return Reason::measured;
  if (layer == kCovering) return Reason::covering_prefix;
  const bool is_mapped =
      asked.has_map && mapped_ != nullptr && mapped_->find(client).ranking == kMapped;
  return is_mapped ? Reason::geography : Reason::default_order;
}

std::size_t Reasons::memory_bytes() const noexcept {
  std::size_t bytes = sizeof(*this) + services_.capacity() * sizeof(OfService);
  for (const PrefixTable& table : measured_) bytes += table.memory_bytes();
  return bytes + (mapped_ ? mapped_->memory_bytes() : 0);
}

ReasonCompiler::ReasonCompiler(std::shared_ptr<const Topology> topology, const GeoPrior* geo)
    : topology_(std::move(topology)) {
  std::map<std::pair<SiteMask, std::string>, std::uint32_t> tables;
  for (std::size_t i = 0; i < topology_->services.size(); ++i) {
    const Service& service = topology_->services[i];
    const auto next = static_cast<std::uint32_t>(groups_.size());
    const auto [table, is_new] = tables.try_emplace(
        {sites_of(service), service.hold_out > 0 ? service.name : std::string()}, next);
    if (is_new) groups_.push_back({ServiceId(static_cast<std::uint16_t>(i)), std::nullopt});
    latest_.services_.push_back({table->second, has_locations(*topology_, service)});
  }
  if (geo != nullptr) latest_.mapped_ = std::make_shared<const PrefixTable>(table_of(*geo));
}

std::shared_ptr<const Reasons> ReasonCompiler::compile(const StateView& state) {
  for (Group& group : groups_) {
    const Service& service = topology_->services[group.first.index()];
    std::vector<PrefixRow> rows;
    state.all([&](const PrefixState& known) {
      if (!is_measured(service, known)) return;
      rows.push_back({known.prefix, layer_of(service, known.prefix)});
    });
    group.editor.emplace(std::move(rows), kNothing);
  }
  return reasons();
}

std::shared_ptr<const Reasons> ReasonCompiler::update(const std::map<Prefix, bool>& changed,
                                                      const StateView& state) {
  for (const auto& [prefix, had_answers] : changed) {
    const auto known = state.find(prefix);
    for (Group& group : groups_) {
      const Service& service = topology_->services[group.first.index()];
      const bool is_there = known && is_measured(service, *known);
      if (is_there) {
        group.editor->set(prefix, layer_of(service, prefix));
      } else {
        group.editor->erase(prefix);
      }
    }
  }
  return reasons();
}

std::shared_ptr<const Reasons> ReasonCompiler::reasons() {
  auto next = std::make_shared<Reasons>(latest_);
  for (Group& group : groups_) next->measured_.push_back(group.editor->table());
  return next;
}

}  // namespace isochrone::routing
