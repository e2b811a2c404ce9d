// SPDX-License-Identifier: Apache-2.0
//
// Snapshot: everything an answer is made from, at one moment.
//
// Threads:  immutable; published as one object, so that no worker ever sees a zone of one generation
//           with a routing table of another.
#pragma once

#include <cstdint>
#include <memory>

#include "base/ip.h"
#include "dns/answer_options.h"
#include "dns/signed_zones.h"
#include "dns/zone_set.h"
#include "routing/compile.h"
#include "routing/site_states.h"
#include "routing/topology.h"

namespace isochrone::routing {
class Reasons;
}

namespace isochrone::dns {

// Address blocks that mean nothing outside the network that uses them (RFC 1918, 4193, 3927, 4291,
// 1122): bit i of a PrivateMask stands for block i.
using PrivateMask = std::uint8_t;
inline constexpr Prefix kPrivateBlocks[] = {
    {Address::v4(10, 0, 0, 0), 8},
    {Address::v4(172, 16, 0, 0), 12},
    {Address::v4(192, 168, 0, 0), 16},
    {Address::v4(127, 0, 0, 0), 8},
    {Address::v4(169, 254, 0, 0), 16},
    {Address::from_bits(Family::v6, 0xfc00'0000'0000'0000, 0), 7},
    {Address::from_bits(Family::v6, 0xfe80'0000'0000'0000, 0), 10},
    {Address::from_bits(Family::v6, 0, 1), 128},
};
constexpr PrivateMask private_bit(const Address& address) noexcept {
  // Nearly every client address is public, and its first octet says so.
  switch (address.high() >> 56) {
    case 0:
    case 10:
    case 127:
    case 169:
    case 172:
    case 192:
    case 0xfc:
    case 0xfd:
    case 0xfe:
      break;
    default:
      return 0;
  }
  PrivateMask bit = 1;
  for (const Prefix& block : kPrivateBlocks) {
    if (block.contains(address)) return bit;
    bit = static_cast<PrivateMask>(bit << 1);
  }
  return 0;
}

struct TransferPolicy;
class TlsContext;

struct Snapshot {
  std::shared_ptr<const ZoneSet> zones;
  std::shared_ptr<const SignedZones> signatures;  // of these zones; null: none is signed
  std::shared_ptr<const routing::Topology> topology;
  std::shared_ptr<const routing::RoutingTable> table;
  std::shared_ptr<const routing::Reasons> reasons;  // of the table; null: nobody asks for them
  routing::SiteStates sites;
  std::shared_ptr<const TransferPolicy> transfers;  // null: nobody may have a zone
  std::shared_ptr<const TlsContext> tls;            // null: no TLS
  std::uint64_t generation = 0;                     // raised with every publication
  std::uint64_t state_position = 0;   // the last event of that channel that the table knows
  std::uint64_t health_position = 0;  // and that the states of the sites know
  AnswerOptions options;
  // Private blocks of which the performance state knows a prefix: someone measures them, so a client
  // address in them means something here. In the others RFC 7871 section 10 applies.
  PrivateMask measured_private = 0;
};

}  // namespace isochrone::dns
