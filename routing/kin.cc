// SPDX-License-Identifier: Apache-2.0
#include "routing/kin.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace isochrone::routing {
namespace {

// A group follows the last so many that joined it, about.
constexpr std::uint32_t kMemory = 64;
// What all groups of its kind were off by counts as much as so many of its own.
constexpr double kPriorAsked = 4;
// And before anything was seen: by a factor of two.
constexpr double kPriorVariance = 1;
// No group is believed to be surer than this, a twentieth of an octave (3.5 %): what is alike today moves apart.
constexpr double kLeastVariance = 1.0 / 400;

double octaves_of(Micros rtt) {
  return std::log2(static_cast<double>(std::max<Micros::rep>(rtt.count(), 1)));
}

std::uint64_t key_of(KinKind kind, std::uint64_t group, SiteId site) {
  return static_cast<std::uint64_t>(kind) << 62 | group << 16 | site.value();
}

// Rings around a site, each half an octave wider than the one inside it: 100 km are the innermost.
std::uint64_t ring_of(double km) {
  return static_cast<std::uint64_t>(2 * std::log2(std::max(km, 100.0)));
}

}  // namespace

KinGroups::KinGroups(std::shared_ptr<const RoutedNetworks> networks,
                     std::shared_ptr<const GeoPrior> map, const Topology& topology)
    : networks_(std::move(networks)), map_(std::move(map)) {
  for (const Site& site : topology.sites) sites_.push_back(site.location);
}

KinGroups::Place KinGroups::place_of(const Prefix& prefix) const {
  Place place{};
  const RoutedNetworks::Network* routed = networks_ ? networks_->around(prefix) : nullptr;
  if (routed != nullptr) {
    place.covering = static_cast<std::uint64_t>(routed - networks_->networks().data()) << 2 | 2;
    place.as = routed->as;
  } else {
    // The first bits of the address, which tell IPv6 as well as IPv4.
    const bool is_v4 = prefix.family() == Family::v4;
    const Prefix block(prefix.address(), std::min(prefix.length(), is_v4 ? 16 : 32));
    place.covering = block.address().high() >> 32 << 2 | (is_v4 ? 0U : 1U);
  }
  const GeoPrior::Network* on_map = map_ ? map_->find(prefix.address()) : nullptr;
  if (on_map != nullptr) place.location = map_->location(*on_map);
  return place;
}

KinGroups::Of KinGroups::groups_of(const Place& place, SiteId site) const {
  Of groups;
  groups[0] = key_of(KinKind::covering, place.covering, site);
  if (place.as != 0) groups[1] = key_of(KinKind::as, place.as, site);
  const auto& from = sites_[site.index()];
  if (place.location && from) {
    groups[2] = key_of(KinKind::distance, ring_of(distance_km(*place.location, *from)), site);
  }
  return groups;
}

void Kin::remember(Record& record, double off) {
  record.squares += off * off;
  if (++record.asked < kMemory) return;
  record.squares /= 2;
  record.asked /= 2;
}

double Kin::variance_of(const Record& record, std::size_t kind) const {
  const Record& all = kinds_[kind];
  const double of_kind = (all.squares + kPriorAsked * kPriorVariance) / (all.asked + kPriorAsked);
  const double own = (record.squares + kPriorAsked * of_kind) / (record.asked + kPriorAsked);
  return std::max(own * (1 + 1.0 / record.joined), kLeastVariance);
}

void Kin::learn(const KinGroups::Of& groups, Micros p50) {
  const double octaves = octaves_of(p50);
  for (std::size_t kind = 0; kind < groups.size(); ++kind) {
    if (!groups[kind]) continue;
    Record& record = groups_[*groups[kind]];
    const double off = octaves - record.mean;
    if (record.joined > 0) {
      remember(record, off);
      remember(kinds_[kind], off);
    }
    record.joined = std::min(record.joined + 1, kMemory);
    record.mean += off / record.joined;
  }
}

std::optional<Kin::Forecast> Kin::forecast(const KinGroups::Of& groups) const {
  std::optional<Forecast> best;
  for (std::size_t kind = 0; kind < groups.size(); ++kind) {
    if (!groups[kind]) continue;
    const auto found = groups_.find(*groups[kind]);
    if (found == groups_.end()) continue;
    const double variance = variance_of(found->second, kind);
    if (best && best->variance <= variance) continue;
    best = {found->second.mean, variance, static_cast<KinKind>(kind)};
  }
  return best;
}

Estimate lean(const Estimate& thin, const Kin::Forecast& kin) {
  const double seen = octaves_of(thin.p50);
  const auto error = static_cast<double>(standard_error(thin, thin.samples).count());
  // Of a logarithm, as far as errors are small.
  const double off =
      error / std::max(static_cast<double>(thin.p50.count()), 1.0) * std::numbers::log2e;
  const double share = off * off / (off * off + kin.variance);
  const double factor = std::exp2(share * (kin.octaves - seen));
  Estimate leaned = thin;
  for (Micros* time : {&leaned.min, &leaned.p50, &leaned.p90}) {
    *time = Micros(std::llround(static_cast<double>(time->count()) * factor));
  }
  return leaned;
}

bool lean_thin_paths(PrefixState& seen, const KinGroups& groups, const Kin& kin) {
  std::optional<KinGroups::Place> place;
  bool has_leaned = false;
  for (PathState& path : seen.paths) {
    if (path.estimate.samples == 0 || path.estimate.samples >= kThin) continue;
    if (!place) place = groups.place_of(seen.prefix);
    const auto forecast = kin.forecast(groups.groups_of(*place, path.site));
    if (!forecast) continue;
    path.estimate = lean(path.estimate, *forecast);
    has_leaned = true;
  }
  return has_leaned;
}

}  // namespace isochrone::routing
