// SPDX-License-Identifier: Apache-2.0
//
// Core, where rows are not blocks: what was measured of blocks, laid out as rows of the state.
#include <algorithm>
#include <utility>

#include "collector/core.h"
#include "event/convert.h"

namespace isochrone::collector {
namespace {

// The rows of resolvers are made apart, of the networks behind them.
bool is_host(const Prefix& prefix) { return prefix.length() == prefix.address().width(); }

}  // namespace

// What was measured, by block, whether rows are blocks or not.
const routing::PerformanceState& Core::blocks() const noexcept {
  return rows_.is_adaptive() ? rows_.blocks() : state_;
}

Ground Core::ground() const {
  return {topology_, state_, rows_.all(), targets_, health_.up(), rows_.price()};
}

// All paths of one window are folded before rows are laid: in whatever order they came, one state.
void Core::fold_blocks(const std::vector<ClosedWindow>& closed, Instant now) {
  for (auto it = closed.begin(); it != closed.end();) {
    const Instant end = it->end;
    std::set<Prefix> blocks;
    std::set<Prefix> starts;
    for (; it != closed.end() && it->end == end; ++it) {
      const Prefix& block = it->path.prefix;
      routing::PrefixState& known = rows_.block(block);
      const bool has_news = weigh(known, *it);
      ++counts_.windows_closed;
      counts_.samples_reduced += it->samples;
      if (has_news) {
        blocks.insert(block);
        starts.insert(rows_.start_of(block));
      } else if (known.paths.empty()) {
        rows_.forget(block);
      }
    }
    for (const Prefix& start : starts) lay_rows(start, end, now);
    for (const Prefix& row : rows_.too_many(ground())) withdraw_row(row, end, now);
    if (!plan_.is_limited()) continue;
    for (const Prefix& block : blocks) plan_.reported(block, targets_);
  }
}

void Core::lay_rows(const Prefix& start, Instant at, Instant now) {
  std::vector<routing::PrefixState> rows = divide(start, rows_.blocks_of(start), ground());
  for (const Prefix& row : rows_.rows_of(start)) {
    const bool is_left =
        std::any_of(rows.begin(), rows.end(), [&](const auto& next) { return next.prefix == row; });
    if (!is_left) withdraw_row(row, at, now);
  }
  for (routing::PrefixState& row : rows) lay_row(std::move(row), at, now);
  // The plan watches in each block what is answered there.
  for (const routing::PrefixState* block : rows_.blocks_of(start)) {
    const routing::PrefixState* row = state_.find(rows_.row_of(block->prefix));
    if (row != nullptr) rows_.block(block->prefix).preferences = row->preferences;
  }
}

void Core::lay_row(routing::PrefixState row, Instant at, Instant now) {
  routing::PrefixState& known = state_.at(row.prefix);
  const bool has_aged = age(known, at);
  for (routing::PathState& path : row.paths) {
    const auto before = std::find_if(known.paths.begin(), known.paths.end(),
                                     [&](const auto& one) { return one.site == path.site; });
    if (path.estimate.samples == 0) continue;
    if (before != known.paths.end() && before->usual.is_known()) {
      path.usual = before->usual;
      const Nanos held = std::max(Nanos(0), path.estimate.at - before->estimate.at);
      path.usual.hold(before->estimate.p50, path.estimate.p50, held);
    } else {
      path.usual.hold(path.estimate.p50, path.estimate.p50, Nanos(0));
    }
  }
  const bool is_other = known.paths != row.paths;
  known.paths = std::move(row.paths);
  rows_.laid(known.prefix);
  if (!decide(known, at) && !is_other && !has_aged) return;
  known.changed(at);
  say_state(known, now);
}

// What it knew its blocks know; whoever compiles a table forgets it.
void Core::withdraw_row(const Prefix& row, Instant at, Instant now) {
  rows_.withdrawn(row);
  if (state_.find(row) == nullptr) return;
  routing::PrefixState& known = state_.at(row);
  known.paths.clear();
  const std::vector<routing::Preference> before = std::exchange(known.preferences, {});
  catchments_.change(before, {});
  known.changed(at);
  say_state(known, now);
  state_.erase(row);
}

// Forgets something of the blocks that have such paths.
void Core::drop_paths(const std::function<bool(const routing::PathState&)>& is_such,
                      const std::function<bool(routing::PrefixState&)>& forget, Instant now) {
  std::set<Prefix> starts;
  std::vector<Prefix> touched;
  for (const auto& [prefix, known] : rows_.blocks().prefixes()) {
    if (std::any_of(known.paths.begin(), known.paths.end(), is_such)) touched.push_back(prefix);
  }
  for (const Prefix& prefix : touched) {
    routing::PrefixState& known = rows_.block(prefix);
    if (!forget(known)) continue;
    starts.insert(rows_.start_of(prefix));
    if (known.paths.empty()) rows_.forget(prefix);
  }
  for (const Prefix& start : starts) lay_rows(start, now, now);
  if (!starts.empty()) touch(now);
}

// What nobody measured for long.
void Core::sweep_blocks(Instant now) {
  const auto is_old = [&](const routing::PathState& path) {
    return path.estimate.at + options_.path_lifetime < now;
  };
  drop_paths(
      is_old, [&](auto& known) { return known.forget(is_old) > 0; }, now);
  rows_.ease();
}

// A row that somebody else laid, or an earlier life: all that is known of its blocks.
void Core::adopt_row(const Prefix& prefix) {
  if (!rows_.is_adaptive() || is_host(prefix)) return;
  const routing::PrefixState* known = state_.find(prefix);
  if (known == nullptr) {
    rows_.withdrawn(prefix);
  } else if (!rows_.all().contains(prefix)) {
    rows_.adopt(*known);
  }
}

// By name, as the state: sites may all have other numbers.
void Core::renumber_rows(const Options& options, const routing::Topology& before) {
  Rows next(options.networks, options.max_rows);
  std::swap(rows_, next);
  if (!next.is_adaptive()) {
    for (const auto& [prefix, known] : state_.prefixes()) adopt_row(prefix);
    return;
  }
  for (const auto& [prefix, known] : next.blocks().prefixes()) {
    rows_.block(prefix) = event::from_event(event::to_event(known, before), topology_);
  }
  for (const Prefix& row : next.all()) rows_.laid(row);
}

}  // namespace isochrone::collector
