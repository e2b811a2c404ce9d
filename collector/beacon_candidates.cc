// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_candidates.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "routing/policy.h"

namespace isochrone::collector {
namespace {

using routing::SiteId;

constexpr std::size_t kMaxReporters = 3;

// Lower is earlier: measured paths by their score, then the rest by distance, then by chance.
using Place = std::tuple<int, double, std::uint64_t>;

}  // namespace

std::vector<SiteId> beacon_candidates(const routing::Topology& topology,
                                      std::span<const BeaconSite> sites, routing::SiteMask up,
                                      const routing::PrefixState* known,
                                      const std::optional<routing::Location>& client,
                                      unsigned count, Random& dice) {
  std::vector<std::pair<Place, SiteId>> placed;
  for (const BeaconSite& each : sites) {
    const auto site = topology.find_site(each.site);
    if (!site || (up & routing::site_bit(*site)) == 0) continue;
    const auto& location = topology.sites[site->index()].location;
    const routing::Estimate* estimate = known != nullptr ? known->find(*site) : nullptr;
    Place place{2, 0, dice()};
    if (client && location) place = {1, routing::distance_km(*client, *location), dice()};
    if (estimate != nullptr && estimate->samples > 0) {
      place = {0, static_cast<double>(routing::score(*estimate).count()), dice()};
    }
    placed.emplace_back(place, *site);
  }
  std::sort(placed.begin(), placed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  if (count > 0 && placed.size() > count) {
    const std::size_t last = count - 1;
    std::swap(placed[last], placed[last + dice.below(placed.size() - last)]);
    placed.resize(count);
  }
  std::vector<SiteId> candidates;
  for (const auto& [place, site] : placed) candidates.push_back(site);
  return candidates;
}

std::vector<const BeaconSite*> beacon_reporters(std::span<const BeaconSite> sites,
                                                std::span<const std::string> measured,
                                                Random& dice) {
  std::vector<std::pair<Place, const BeaconSite*>> placed;
  for (const BeaconSite& site : sites) {
    if (site.report.empty()) continue;
    const bool is_measured =
        std::find(measured.begin(), measured.end(), site.site) != measured.end();
    placed.push_back({{is_measured ? 1 : 0, 0, dice()}, &site});
  }
  std::sort(placed.begin(), placed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const BeaconSite*> reporters;
  for (const auto& [place, site] : placed) {
    if (reporters.size() < kMaxReporters) reporters.push_back(site);
  }
  return reporters;
}

}  // namespace isochrone::collector
