// SPDX-License-Identifier: Apache-2.0
//
// What the core believes of paths, and when it decides anew: by a window, by silence, by a full site.
#include <algorithm>
#include <optional>
#include <utility>

#include "collector/core.h"
#include "collector/fusion.h"
#include "routing/kin.h"
#include "routing/policy.h"

namespace isochrone::collector {
namespace {

// Paths that are silent are looked for this often: what follows a minute late costs nothing.
constexpr Seconds kSweep{60};

// When other things than at `since` are next expected of a path that stays silent; at the end of its
// lifetime, nothing.
Instant next_turn(const routing::PathState& path, Seconds lifetime, Instant since) {
  for (const Seconds span : routing::Persistence::kSpans) {
    const Instant turn = path.estimate.at + span;
    if (path.usual.is_known() && span < lifetime && turn > since) return turn;
  }
  return path.estimate.at + lifetime;
}

}  // namespace

// A window into what is known of its path, and into what the path usually is.
void Core::fold(routing::PrefixState& known, routing::SiteId site,
                const routing::WindowSummary& seen) {
  const routing::Estimate* found = known.find(site);
  const routing::Estimate before = found != nullptr ? *found : routing::Estimate{};
  OpenWindows& open = windows_.at(windows_.of(known.prefix));
  fuse(known, site, seen, open.bias(), juries_.is_believed(site));
  const auto path = std::find_if(known.paths.begin(), known.paths.end(),
                                 [&](const auto& each) { return each.site == site; });
  const routing::Estimate& after = path->estimate;
  if (before.samples < routing::kThin && after.samples >= routing::kThin) {
    const auto place = kin_groups_.place_of(known.prefix);
    open.kin().learn(kin_groups_.groups_of(place, site), after.p50);
  }
  if (seen.answered == 0 || after.method != seen.method) return;
  const Nanos pause = before.samples > 0 ? after.at - before.at : Nanos(0);
  if (path->usual.is_known()) {
    open.persistence().observe(pause, before.p50, path->usual.level(), seen.p50);
  }
  path->usual.hold(before.p50, after.p50, pause);
}

// A closed window: what probers saw counts, what browsers say counts once a jury of them agrees, and where
// they see nothing.
bool Core::weigh(routing::PrefixState& known, const ClosedWindow& window) {
  const routing::SiteId site = window.path.site;
  const routing::Estimate* before = known.find(site);
  // A network that answers no prober while its browsers are served tells nothing of the path.
  const bool is_by_browsers =
      before != nullptr && before->samples > 0 && before->method == routing::Method::beacon;
  bool has_news = false;
  for (const routing::WindowSummary& seen : window.summaries) {
    if (seen.answered > 0) juries_.claim(window.path, seen);
    if (!juries_.is_believed(site) || (seen.answered == 0 && is_by_browsers)) continue;
    fold(known, site, seen);
    has_news = true;
  }
  if (window.votes.empty()) return has_news;
  const auto verdict = juries_.hear(window.path, window.votes, window.end);
  if (!verdict) return has_news;
  fold(known, site, *verdict);
  return true;
}

// What probers claimed that are not believed any more; of one that has just turned, since then.
void Core::drop_claims(Instant now) {
  for (const auto [site, has_turned] : juries_.take_fallen()) {
    const auto forget = [&, site = site, has_turned = has_turned](routing::PrefixState& known) {
      if (has_turned) {
        const auto* before = juries_.before_it_turned({known.prefix, site}, now);
        return before != nullptr && set_back(known, site, *before);
      }
      return forget_probes(known, site, windows_.at(windows_.of(known.prefix)).bias());
    };
    if (rows_.is_adaptive()) {
      drop_paths([site = site](const auto& path) { return path.site == site; }, forget, now);
      continue;
    }
    std::vector<Prefix> all;
    for (const auto& [prefix, known] : state_.prefixes()) {
      if (windows_.is_mine(prefix) && known.find(site) != nullptr) all.push_back(prefix);
    }
    std::sort(all.begin(), all.end());
    for (const Prefix& prefix : all) {
      routing::PrefixState& known = state_.at(prefix);
      if (!forget(known)) continue;
      decide(known, now);
      ++known.version;
      say_state(known, now);
      if (known.paths.empty()) state_.erase(prefix);
    }
  }
}

bool Core::decide(routing::PrefixState& known, Instant now) {
  const std::vector<routing::Preference> before = known.preferences;
  const OpenWindows& learnt = windows_.at(windows_.of(known.prefix));
  std::optional<routing::PrefixState> seen = routing::as_expected(known, now, learnt.persistence());
  const bool has_thin = std::any_of(known.paths.begin(), known.paths.end(), [](const auto& path) {
    return path.estimate.samples > 0 && path.estimate.samples < routing::kThin;
  });
  if (has_thin) {
    if (!seen) seen = known;
    routing::lean_thin_paths(*seen, kin_groups_, learnt.kin());
  }
  const bool has_changed =
      routing::decide_preferences(known, seen ? *seen : known, topology_, health_.up(), now);
  if (has_changed) ++counts_.preferences_changed;
  if (known.preferences != before) catchments_.change(before, known.preferences);
  return has_changed;
}

// What is known already tells what paths of its kind take; in order, so that a restart learns the same.
void Core::learn_kin(const Parts& parts) {
  std::vector<const routing::PrefixState*> all;
  for (const auto& [prefix, known] : blocks().prefixes()) {
    if (parts[windows_.of(prefix)]) all.push_back(&known);
  }
  std::sort(all.begin(), all.end(),
            [](const auto* a, const auto* b) { return a->prefix < b->prefix; });
  for (Partition i = 0; i < kPartitions; ++i) {
    if (parts[i] && (i == 0 || windows_.is_divided())) windows_.at(i).kin() = {};
  }
  for (const routing::PrefixState* known : all) {
    const auto place = kin_groups_.place_of(known->prefix);
    routing::Kin& kin = windows_.at(windows_.of(known->prefix)).kin();
    for (const routing::PathState& path : known->paths) {
      if (path.estimate.samples < routing::kThin) continue;
      kin.learn(kin_groups_.groups_of(place, path.site), path.estimate.p50);
    }
  }
}

// Forgets paths nobody measured for long, and decides again where a path was silent for so long that
// other things are expected of it than before. Not when this looks, but at the times of events when it
// became so, and once all that may still come is later: a replay of the log decides the same.
bool Core::age(routing::PrefixState& known, Instant until) {
  bool has_changed = false;
  while (true) {
    Instant next = Instant::max();
    for (const routing::PathState& path : known.paths) {
      next = std::min(next, next_turn(path, options_.path_lifetime, known.aged));
    }
    if (next > until) break;
    known.aged = std::max(known.aged, next);
    const bool has_forgotten = known.forget([&](const routing::PathState& path) {
      return path.estimate.at + options_.path_lifetime <= known.aged;
    }) > 0;
    if (!decide(known, known.aged) && !has_forgotten) continue;
    known.changed(known.aged);
    has_changed = true;
  }
  known.aged = std::max(known.aged, until);
  return has_changed;
}

void Core::sweep(Instant now) {
  if (now < last_sweep_ + kSweep) return;
  if (rows_.is_adaptive()) sweep_blocks(now);
  last_sweep_ = now;
  juries_.forget_old(now);
  const auto is_due = [&](const routing::PrefixState& known) {
    const Instant until = windows_.at(windows_.of(known.prefix)).closed_until();
    return std::any_of(known.paths.begin(), known.paths.end(), [&](const auto& path) {
      return next_turn(path, options_.path_lifetime, known.aged) <= until;
    });
  };
  std::vector<Prefix> due;
  for (const auto& [prefix, known] : state_.prefixes()) {
    if (windows_.is_mine(prefix) && is_due(known)) due.push_back(prefix);
  }
  std::sort(due.begin(), due.end());
  bool has_changed = false;
  for (const Prefix& prefix : due) {
    routing::PrefixState& known = state_.at(prefix);
    if (!age(known, windows_.at(windows_.of(prefix)).closed_until())) continue;
    has_changed = true;
    say_state(known, now);
    if (!known.paths.empty()) continue;
    rows_.withdrawn(prefix);
    state_.erase(prefix);
  }
  if (has_changed) touch(now);
}

// Moves who has to make room, and back who no longer has to.
void Core::balance(Instant now) {
  bool has_changed = false;
  for (const Balance::Move& move :
       balance_.plan(state_, windows_.persistence(), health_.up(), now)) {
    if (!windows_.is_mine(move.prefix)) continue;
    routing::PrefixState& known = state_.at(move.prefix);
    routing::Preference* held = known.find_preference(move.service);
    if (held == nullptr || held->placed == move.site) continue;
    held->placed = move.site;
    if (!decide(known, now)) continue;
    ++known.version;
    has_changed = true;
    say_state(known, now);
  }
  if (has_changed) touch(now);
}

}  // namespace isochrone::collector
