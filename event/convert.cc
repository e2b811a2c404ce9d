// SPDX-License-Identifier: Apache-2.0
#include "event/convert.h"

#include <algorithm>

namespace isochrone::event {

State to_event(const routing::PrefixState& prefix, const routing::Topology& topology) {
  const auto site_name = [&](routing::SiteId site) { return topology.sites[site.index()].name; };
  State state{prefix.prefix, prefix.version, {}, {}};
  state.paths.reserve(prefix.paths.size());
  for (const auto& path : prefix.paths) {
    state.paths.push_back({site_name(path.site), path.estimate, {}});
  }
  for (const auto& view : prefix.views) {
    state.views.push_back({site_name(view.site), view.estimate, view.more});
  }
  state.preferences.reserve(prefix.preferences.size());
  for (const auto& preference : prefix.preferences) {
    state.preferences.push_back(
        {topology.services[preference.service.index()].name, site_name(preference.site)});
  }
  return state;
}

routing::PrefixState from_event(const State& state, const routing::Topology& topology) {
  routing::PrefixState prefix{state.prefix, state.version, {}, {}};
  for (const auto& path : state.paths) {
    if (const auto site = topology.find_site(path.site)) prefix.set(*site, path.estimate);
  }
  for (const auto& view : state.views) {
    const auto site = topology.find_site(view.site);
    if (site && prefix.find(*site) != nullptr) {
      prefix.views.push_back({*site, view.more, view.estimate});
    }
  }
  // Sites may have other numbers here than where it was said.
  std::sort(prefix.views.begin(), prefix.views.end(), [](const auto& a, const auto& b) {
    return std::pair(a.site, a.estimate.method) < std::pair(b.site, b.estimate.method);
  });
  for (const auto& preference : state.preferences) {
    const auto service = topology.find_service(preference.service);
    const auto site = topology.find_site(preference.site);
    if (service && site) prefix.prefer(*service, *site);
  }
  return prefix;
}

}  // namespace isochrone::event
