// SPDX-License-Identifier: Apache-2.0
//
// Sorted small vectors of paths and preferences, and the map of prefixes around them.
#include "routing/state.h"

#include <algorithm>
#include <utility>

namespace isochrone::routing {
namespace {

// The element with this key, or where it would be inserted.
template <class Vector, class Key, class Field>
auto place_of(Vector& sorted, Key key, Field field) {
  return std::lower_bound(sorted.begin(), sorted.end(), key,
                          [&](const auto& element, Key wanted) { return element.*field < wanted; });
}

}  // namespace

const Estimate* PrefixState::find(SiteId site) const {
  const auto at = place_of(paths, site, &PathState::site);
  return at != paths.end() && at->site == site ? &at->estimate : nullptr;
}

PathState& PrefixState::set(SiteId site, const Estimate& estimate) {
  const auto at = place_of(paths, site, &PathState::site);
  if (at != paths.end() && at->site == site) {
    at->estimate = estimate;
    return *at;
  }
  // Grown by one: paths are many and seldom added, so room to spare would be most of the memory.
  const auto index = at - paths.begin();
  paths.reserve(paths.size() + 1);
  return *paths.insert(paths.begin() + index, {site, {}, estimate});
}

std::size_t PrefixState::forget(const std::function<bool(const PathState&)>& is_gone) {
  const std::size_t gone = std::erase_if(paths, is_gone);
  if (gone > 0) {
    std::erase_if(views, [&](const View& view) { return find(view.site) == nullptr; });
  }
  return gone;
}

const SiteId* PrefixState::preferred(ServiceId service) const {
  const auto at = place_of(preferences, service, &Preference::service);
  return at != preferences.end() && at->service == service ? &at->site : nullptr;
}

Preference* PrefixState::find_preference(ServiceId service) {
  const auto at = place_of(preferences, service, &Preference::service);
  return at != preferences.end() && at->service == service ? &*at : nullptr;
}

void PrefixState::prefer(ServiceId service, SiteId site) {
  const auto at = place_of(preferences, service, &Preference::service);
  if (at != preferences.end() && at->service == service) {
    at->site = site;
  } else {
    preferences.insert(at, {service, site, {}, {}, {}, 0, {}});
  }
}

bool PrefixState::forget_preference(ServiceId service) {
  const auto at = place_of(preferences, service, &Preference::service);
  if (at == preferences.end() || at->service != service) return false;
  preferences.erase(at);
  return true;
}

void PrefixState::changed(Instant at) {
  version = std::max(version + 1, static_cast<std::uint64_t>(unix_nanos(at) / 1'000));
}

void PrefixState::forget_the_future(Instant now) {
  aged = std::min(aged, now);
  for (Preference& preference : preferences) {
    for (Instant* at : {&preference.chosen, &preference.beaten, &preference.hour}) {
      *at = std::min(*at, now);
    }
  }
}

bool PerformanceState::apply(PrefixState next) {
  const auto [known, inserted] = prefixes_.try_emplace(next.prefix);
  if (!inserted && next.version <= known->second.version) return false;
  known->second = std::move(next);
  return true;
}

bool PerformanceState::erase(const Prefix& prefix) { return prefixes_.erase(prefix) > 0; }

const PrefixState* PerformanceState::find(const Prefix& prefix) const {
  const auto known = prefixes_.find(prefix);
  return known == prefixes_.end() ? nullptr : &known->second;
}

void PerformanceState::forget_the_future(Instant now) {
  for (auto& [prefix, known] : prefixes_) known.forget_the_future(now);
}

PrefixState& PerformanceState::at(const Prefix& prefix) {
  const auto [known, inserted] = prefixes_.try_emplace(prefix);
  if (inserted) known->second.prefix = prefix;
  return known->second;
}

}  // namespace isochrone::routing
