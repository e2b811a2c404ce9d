// SPDX-License-Identifier: Apache-2.0
#include "dns/demand_table.h"

namespace isochrone::dns {

bool DemandTable::count(routing::ServiceId service, const Prefix& network,
                        const Address& resolver) noexcept {
  const std::size_t hash =
      hash_bits(std::hash<Prefix>{}(network) + service.value(), std::hash<Address>{}(resolver));
  for (std::size_t probe = 0; probe < kProbes; ++probe) {
    DemandCount& slot = slots_[(hash + probe) % kSlots];
    if (slot.queries == 0) {
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
  for (DemandCount& slot : slots_) {
    if (slot.queries > 0) taken.push_back(slot);
    slot.queries = 0;
  }
  used_ = 0;
  return taken;
}

}  // namespace isochrone::dns
