// SPDX-License-Identifier: Apache-2.0
//
// client_of: whom a routed name is answered for, the network of Client Subnet or the resolver itself.
#pragma once

#include <algorithm>

#include "base/ip.h"
#include "dns/query.h"
#include "dns/snapshot.h"

namespace isochrone::dns {

// For whom a routed name is answered.
struct Client {
  Address address;
  Prefix network;
  bool is_from_subnet = false;
};

inline Client client_of(const Snapshot& snapshot, const Query& query,
                        const Address& sender) noexcept {
  const Client resolver{sender, client_network(sender), false};
  if (!query.edns || !query.edns->client_subnet) return resolver;
  const ClientSubnet& subnet = *query.edns->client_subnet;
  if (subnet.source == 0)
    return resolver;  // RFC 7871 section 7.1.2: the client wants no part of it
  const int longest = client_network(subnet.address).length();
  const Prefix network(subnet.address, std::min<int>(subnet.source, longest));
  const PrivateMask block = private_bit(subnet.address);
  // Demand still names the private network: that is how it can come to be measured.
  if (block != 0 && (block & snapshot.measured_private) == 0) return {sender, network, false};
  return {subnet.address, network, true};
}

}  // namespace isochrone::dns
