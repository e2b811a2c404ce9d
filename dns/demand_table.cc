// SPDX-License-Identifier: Apache-2.0
#include "dns/demand_table.h"

namespace isochrone::dns {

namespace {

std::uint64_t hash_of(routing::ServiceId service, const Prefix& network,
                      const Address& resolver) noexcept {
  const std::uint64_t kind = std::uint64_t{service.value()} << 8 |
                             static_cast<unsigned>(network.length()) << 1 |
                             (network.family() == Family::v4 ? 0U : 1U);
  const Address& client = network.address();
  return hash_bits(hash_bits(client.high() ^ kind << 8, client.low()) ^ resolver.high(),
                   resolver.low());
}

}  // namespace

bool DemandTable::count(routing::ServiceId service, const Prefix& network,
                        const Address& resolver) noexcept {
  const std::uint64_t hash = hash_of(service, network, resolver);
  const auto tag = static_cast<std::uint32_t>(hash >> 32) | 1U;
  const std::size_t bucket = hash % tags_.size();
  auto& tags = tags_[bucket].of;
  for (std::size_t way = 0; way < kWays; ++way) {
    if (tags[way] != 0 && tags[way] != tag) continue;
    DemandCount& slot = slots_[bucket * kWays + way];
    if (tags[way] == 0) {
      tags[way] = tag;
      slot = {service, network, resolver, 1};
      ++used_;
      return true;
    }
    if (slot.service == service && slot.network == network && slot.resolver == resolver) {
      ++slot.queries;
      return true;
    }
  }
  return false;
}

std::vector<DemandCount> DemandTable::take() {
  std::vector<DemandCount> taken;
  if (used_ == 0) return taken;
  taken.reserve(used_);
  for (std::size_t bucket = 0; bucket < tags_.size(); ++bucket) {
    // Slots of a bucket are taken from its first on.
    for (std::size_t way = 0; way < kWays && tags_[bucket].of[way] != 0; ++way) {
      taken.push_back(slots_[bucket * kWays + way]);
    }
    tags_[bucket] = {};
  }
  used_ = 0;
  return taken;
}

}  // namespace isochrone::dns
