// SPDX-License-Identifier: Apache-2.0
//
// Packet: what a host of a client network answers to an IP packet, without being there.
//
// Pure:    bytes in, bytes out, in place; no state per address, so one function is every host of
//          every network. A TCP answer's sequence number is a hash of the flow, for the same
//          reason.
// Limits:  no IPv4 fragments and no IPv6 extension headers: those stay unanswered.
// Cost:    no allocation; checksums are computed over the whole answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace isochrone::lab {

// The MTU of a TUN device as the kernel makes it; the lab never raises it.
constexpr std::size_t kMaxPacketBytes = 1500;

struct IpHeader {
  Address source;
  Address destination;
  std::uint8_t protocol = 0;       // of the payload; an IPv6 extension header counts as one
  std::size_t payload_offset = 0;  // bytes from the start of the packet
  std::size_t length = 0;          // of the whole packet, as its header says
  bool is_fragment = false;
};

// Empty for anything that is not one complete IPv4 or IPv6 packet.
std::optional<IpHeader> parse_ip(Bytes packet);

// RFC 1071 over `bytes`, continuing `sum`; the result is ready to be stored.
std::uint16_t internet_checksum(Bytes bytes, std::uint64_t sum = 0);

struct HostBehaviour {
  std::uint16_t open_tcp_port = 80;  // answers SYN with SYN-ACK; every other port with RST-ACK
  bool hears_icmp = true;
  bool hears_tcp = true;
};

// Turns the packet of `header` at the start of `buffer` into the host's answer and returns its
// length, or 0 when the host stays silent (wrong checksums, protocols it has not). The buffer must
// hold kMaxPacketBytes.
//   ICMP echo -> echo reply; TCP SYN -> SYN-ACK or RST-ACK; UDP port 53 -> DNS REFUSED;
//   other UDP -> ICMP port unreachable.
std::size_t answer_as_host(MutableBytes buffer, const IpHeader& header,
                           const HostBehaviour& behaviour);

// Sends a UDP packet back to where it came from, payload unchanged (RFC 862).
std::size_t echo_udp(MutableBytes buffer, const IpHeader& header);

}  // namespace isochrone::lab
