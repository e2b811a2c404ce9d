// SPDX-License-Identifier: Apache-2.0
#include "collector/catchment.h"

#include <algorithm>

namespace isochrone::collector {

void Catchments::count(const routing::PerformanceState& state, std::size_t sites) {
  sites_.resize(sites);
  for (Site& site : sites_) site.size = 0;
  for (const auto& [prefix, known] : state.prefixes()) {
    for (const routing::Preference& each : known.preferences) ++sites_[each.site.index()].size;
  }
}

void Catchments::change(const std::vector<routing::Preference>& before,
                        const std::vector<routing::Preference>& after) {
  for (const routing::Preference& old : before) {
    const auto now = std::find_if(after.begin(), after.end(), [&](const auto& preference) {
      return preference.service == old.service;
    });
    const bool has_left = now != after.end() && now->site != old.site;
    sites_[old.site.index()].size -= 1;
    sites_[old.site.index()].left += has_left ? 1 : 0;
  }
  for (const routing::Preference& each : after) ++sites_[each.site.index()].size;
}

}  // namespace isochrone::collector
