// SPDX-License-Identifier: Apache-2.0
//
// The words routing tests speak: addresses, sites, estimates and states from short texts.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/random.h"
#include "routing/estimate.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing::testing {

inline Address address(std::string_view text) { return Address::parse(text).value(); }
inline Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

inline constexpr SiteId kFra{0};
inline constexpr SiteId kIad{1};
inline constexpr SiteId kSin{2};
inline constexpr ServiceId kWww{0};

// fra, iad and sin, where they are, and one service over all of them in this order.
inline Topology three_sites() {
  Topology topology;
  topology.sites = {{"fra", Location{50.11, 8.68}, {}},
                    {"iad", Location{38.95, -77.45}, {}},
                    {"sin", Location{1.35, 103.99}, {}}};
  topology.services = {{"www.example.com", {kFra, kIad, kSin}}};
  topology.services[0].dwell = Seconds(0);  // what a gain is worth first; how long it lasts apart
  return topology;
}

// A quiet path that answered often.
inline Estimate rtt(double milliseconds, double jitter_milliseconds = 0.1) {
  Estimate estimate;
  estimate.p50 = Micros(static_cast<Micros::rep>(milliseconds * 1000));
  estimate.min = estimate.p50;
  estimate.p90 = estimate.p50;
  estimate.jitter = Micros(static_cast<Micros::rep>(jitter_milliseconds * 1000));
  estimate.samples = 100;
  return estimate;
}
inline Estimate never_answered() {
  Estimate estimate;
  estimate.loss_permille = 1000;
  return estimate;
}

inline PrefixState measured(std::string_view text,
                            std::initializer_list<std::pair<SiteId, Estimate>> paths) {
  PrefixState state;
  state.prefix = prefix(text);
  for (const auto& [site, estimate] : paths) state.set(site, estimate);
  return state;
}

inline PerformanceState state_of(std::initializer_list<PrefixState> prefixes) {
  PerformanceState state;
  for (const PrefixState& one : prefixes) state.apply(one);
  return state;
}

// An address of the prefix, its other bits at random.
inline Address random_address(Random& random, const Prefix& inside) {
  const Prefix mask(Address::from_bits(inside.family(), ~0ULL, ~0ULL), inside.length());
  const Address& fixed = inside.address();
  return Address::from_bits(inside.family(), fixed.high() | (random() & ~mask.address().high()),
                            fixed.low() | (random() & ~mask.address().low()));
}
inline Prefix everything(Family family) { return {Address::from_bits(family, 0, 0), 0}; }
// The last address of a prefix.
inline Address last_address(const Prefix& inside) {
  const Prefix mask(Address::from_bits(inside.family(), ~0ULL, ~0ULL), inside.length());
  return Address::from_bits(inside.family(), inside.address().high() | ~mask.address().high(),
                            inside.address().low() | ~mask.address().low());
}
// The block of the same length beside this one: they share all bits but the last.
inline Prefix sibling(const Prefix& block) {
  const int last = block.length() - 1;
  const std::uint64_t high = last < 64 ? 1ULL << (63 - last) : 0;
  const std::uint64_t low = last < 64 ? 0 : 1ULL << (127 - last);
  return {Address::from_bits(block.family(), block.address().high() ^ high,
                             block.address().low() ^ low),
          block.length()};
}

}  // namespace isochrone::routing::testing
