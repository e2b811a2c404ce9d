// SPDX-License-Identifier: Apache-2.0
#include "routing/table_compiler.h"

#include <algorithm>
#include <utility>

#include "routing/hold_out.h"

namespace isochrone::routing {
namespace {

// A changed prefix costs about as much as twenty in a walk over all.
constexpr std::size_t kWalkShare = 20;
// What is compiled at once costs less than a millisecond up to here.
constexpr std::size_t kFewRankings = 4'096;

}  // namespace

StateView view_of(const PackedState& state) {
  using Visit = std::function<void(const PrefixState&)>;
  return {
      [&state](const Visit& visit) { state.for_each(visit); },
      [&state](const Prefix& around, const Visit& visit) { state.for_each_inside(around, visit); },
      [&state](const Prefix& prefix) { return state.find(prefix); }};
}

TableCompiler::TableCompiler(std::shared_ptr<const Topology> topology,
                             std::shared_ptr<const GeoPrior> geo)
    : topology_(std::move(topology)), geo_(std::move(geo)) {}

std::shared_ptr<const RoutingTable> TableCompiler::compile(const StateView& state,
                                                           std::uint64_t generation) {
  groups_.clear();
  latest_ = RoutingTable();
  state.all([&](const PrefixState& known) { latest_.measured_prefixes_ += has_answers(known); });
  for (const ServiceId first : latest_.begin(*topology_)) {
    GroupRows rows(*topology_, first, geo_.get(), latest_.rankings_);
    PrefixEditor editor([&](const auto& take) { rows.all(state.all, take); }, rows.default_order());
    groups_.push_back(std::make_unique<Group>(Group{std::move(rows), std::move(editor)}));
  }
  rankings_at_first_ = latest_.rankings_.size();
  return table(generation);
}

std::shared_ptr<const RoutingTable> TableCompiler::update(const std::map<Prefix, bool>& changed,
                                                          const StateView& state,
                                                          std::uint64_t generation) {
  if (!is_worth_it(changed)) return compile(state, generation);
  const Prefix* last = nullptr;
  for (const auto& [prefix, had_answers] : changed) {
    const auto known = state.find(prefix);
    latest_.measured_prefixes_ += known && has_answers(*known) ? 1U : 0U;
    latest_.measured_prefixes_ -= had_answers ? 1U : 0U;
    if (last != nullptr && last->contains(prefix)) continue;
    last = &prefix;
    for (const auto& group : groups_) update(*group, prefix, state);
  }
  return table(generation);
}

bool TableCompiler::is_worth_it(const std::map<Prefix, bool>& changed) const {
  const bool has_wide = std::any_of(changed.begin(), changed.end(), [](const auto& one) {
    return one.first.length() <= PrefixTree::whole_bits(one.first.family());
  });
  std::size_t rows = 0;
  for (const auto& group : groups_) rows += group->editor.size();
  return !groups_.empty() && !has_wide && changed.size() * groups_.size() * kWalkShare <= rows &&
         latest_.rankings_.size() <= 2 * rankings_at_first_ + kFewRankings;
}

// Lays the block's rows anew: the orders of prefixes inside rest on those around them.
void TableCompiler::update(Group& group, const Prefix& block, const StateView& state) {
  std::vector<PrefixState> around;
  for (int length = 0; length < block.length(); ++length) {
    const Prefix prefix(block.address(), length);
    if (!group.editor.find(prefix)) continue;
    auto known = state.find(prefix);
    if (known && speaks(group.rows.service(), *known)) around.push_back(std::move(*known));
  }
  const auto rows =
      group.rows.inside(block, around, [&](const auto& visit) { state.inside(block, visit); });
  group.editor.replace(block, rows);
}

std::shared_ptr<const RoutingTable> TableCompiler::table(std::uint64_t generation) {
  latest_.generation_ = generation;
  auto next = std::make_shared<RoutingTable>();
  next->services_ = latest_.services_;
  next->policies_ = latest_.policies_;
  next->rankings_ = latest_.rankings_.without_index();
  next->generation_ = generation;
  next->measured_prefixes_ = latest_.measured_prefixes_;
  for (const auto& group : groups_) next->tables_.push_back(group->editor.table());
  return next;
}

}  // namespace isochrone::routing
