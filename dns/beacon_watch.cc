// SPDX-License-Identifier: Apache-2.0
#include "dns/beacon_watch.h"

#include <algorithm>

#include "base/endian.h"
#include "base/text.h"
#include "dns/name.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kHeader = 12;  // RFC 1035 section 4.1.1
constexpr std::size_t kCountAt = 4;
// Clocks of a collector and a DNS node may be so far apart.
constexpr std::int64_t kMostAhead = 60;

}  // namespace

BeaconWatch BeaconWatch::make(const std::string& zone, const std::vector<std::string>& secrets,
                              Seconds lifetime) {
  BeaconWatch watch;
  if (zone.empty() || secrets.empty()) return watch;
  watch.zone = zone;
  watch.lifetime = lifetime;
  for (const std::string_view label : split(zone, '.')) {
    watch.wire.push_back(static_cast<std::uint8_t>(label.size()));
    watch.wire.insert(watch.wire.end(), label.begin(), label.end());
  }
  watch.wire.push_back(0);
  for (const std::string& secret : secrets) watch.keys.push_back(event::beacon_label_key(secret));
  return watch;
}

std::optional<event::BeaconNumber> BeaconWatch::task_of(Bytes query,
                                                        std::uint32_t now) const noexcept {
  constexpr std::size_t kZoneAt = kHeader + 1 + event::kBeaconLabelOctets;
  if (wire.empty() || query.size() < kZoneAt + wire.size()) return std::nullopt;
  if (query[kHeader] != event::kBeaconLabelOctets) return std::nullopt;
  if (load_be<std::uint16_t>(query.data() + kCountAt) != 1) return std::nullopt;
  const bool is_below = std::equal(wire.begin(), wire.end(), query.begin() + kZoneAt,
                                   [](auto ours, auto asked) { return ours == fold(asked); });
  if (!is_below) return std::nullopt;
  const Bytes label = query.subspan(kHeader + 1, event::kBeaconLabelOctets);
  for (const SipKey& key : keys) {
    const auto task = event::parse_beacon_label(key, label);
    if (!task) continue;
    const std::int64_t age = std::int64_t{now} - static_cast<std::int64_t>(*task >> 32);
    if (age < -kMostAhead || age > lifetime.count()) return std::nullopt;
    return task;
  }
  return std::nullopt;
}

}  // namespace isochrone::dns
