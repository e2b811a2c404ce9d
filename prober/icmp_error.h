// SPDX-License-Identifier: Apache-2.0
//
// IcmpError: a router's or host's word that a datagram of ours went no further, and what it quotes.
//
// Only UDP datagrams matter here. Formats: RFC 792 and RFC 4443 sections 3.1 and 3.3, with or without
// the extensions of RFC 4884, which lie behind what is read.
// Cost: no allocation; borrows the message.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace isochrone::prober {

enum class IcmpErrorKind : std::uint8_t {
  time_exceeded,     // in transit: this router counted the last hop
  port_unreachable,  // the destination itself has nobody on that port
  unreachable,       // any other reason: nothing behind this router will answer
};

struct IcmpError {
  IcmpErrorKind kind = IcmpErrorKind::time_exceeded;
  Address destination;               // of the quoted datagram
  std::uint16_t identification = 0;  // IPv4
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t checksum = 0;
  Bytes payload;  // as much of it as was quoted
};

// `message` begins with the ICMP header. Nothing when it is not such an error about a UDP datagram.
std::optional<IcmpError> parse_icmp_error(Family family, Bytes message) noexcept;

}  // namespace isochrone::prober
