// SPDX-License-Identifier: Apache-2.0
#include "collector/targets.h"

#include <algorithm>
#include <array>

namespace isochrone::collector {
namespace {

// The first host of a network: a router more often than not, and where an answer is likeliest when
// nothing else is known.
Address first_host(const Prefix& prefix) {
  const Address& network = prefix.address();
  const bool is_v4 = network.is_v4();
  return Address::from_bits(network.family(), network.high() | (is_v4 ? std::uint64_t{1} << 32 : 0),
                            network.low() | (is_v4 ? 0 : 1));
}

std::uint32_t per_minute(const event::Demand& demand) {
  const auto interval = std::max<std::int64_t>(1, demand.interval.count());
  const auto rate = std::uint64_t{demand.queries} * 60'000 / static_cast<std::uint64_t>(interval);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(rate, 1, 0xffff'ffff));
}

}  // namespace

Targets::Known& Targets::note(const event::Demand& demand, Instant now) {
  auto found = by_prefix_.find(demand.prefix);
  if (found == by_prefix_.end()) {
    if (order_.size() >= kMaxTargets) {
      by_prefix_.erase(order_.back().prefix);
      order_.pop_back();
    }
    order_.emplace_front();
    order_.front().prefix = demand.prefix;
    order_.front().first_asked = now;
    found = by_prefix_.emplace(demand.prefix, order_.begin()).first;
  } else {
    order_.splice(order_.begin(), order_, found->second);
  }
  Known& known = *found->second;
  known.last_asked = std::max(known.last_asked, now);
  known.queries += demand.queries;
  known.per_minute = per_minute(demand);
  // A resolver inside the network is known to be alive.
  if (known.addresses.empty()) {
    if (demand.prefix.contains(demand.resolver)) known.addresses.push_back(demand.resolver);
    const Address host = first_host(demand.prefix);
    if (known.addresses.empty() || known.addresses.front() != host) known.addresses.push_back(host);
  }
  return known;
}

Targets::Known* Targets::find(const Prefix& prefix) {
  const auto found = by_prefix_.find(prefix);
  return found == by_prefix_.end() ? nullptr : &*found->second;
}

const Targets::Known* Targets::find(const Prefix& prefix) const {
  const auto found = by_prefix_.find(prefix);
  return found == by_prefix_.end() ? nullptr : &*found->second;
}

void Targets::forget_rounds() {
  for (Known& known : order_) {
    known.wanted = known.probed = 0;
    known.round = Instant{};
    known.is_waiting = false;
  }
}

void Targets::forget_the_future(Instant now) {
  for (Known& known : order_) {
    for (Instant* at :
         {&known.first_asked, &known.last_asked, &known.announced, &known.round, &known.named}) {
      *at = std::min(*at, now);
    }
  }
}

std::optional<event::Target> Targets::ask(const event::Demand& demand, Instant now) {
  Known& known = note(demand, now);
  if (known.announced != Instant{} && known.announced + Nanos(lifetime_) / 2 > now) {
    return std::nullopt;
  }
  known.announced = now;
  return event::Target{demand.prefix, known.addresses, {}, lifetime_, known.per_minute};
}

}  // namespace isochrone::collector
