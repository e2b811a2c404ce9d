// SPDX-License-Identifier: Apache-2.0
//
// Frame: a UDP datagram in an Ethernet frame, checked as the kernel would, and the way back.
//
// Taken:   IPv4 without options or fragments, IPv6 without extension headers, no VLAN tag: what
//          xdp_program lets through. Anything else, and whatever a kernel would drop (lengths,
//          checksums, senders that cannot be), is refused.
// Cost:    one pass over the payload for its checksum; nothing is copied or allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace isochrone::dns {

constexpr std::size_t kEthernetOctets = 14;
constexpr std::size_t kUdpOctets = 8;
constexpr std::size_t kIpv4Octets = 20;
constexpr std::size_t kIpv6Octets = 40;
constexpr std::size_t kFrameHeadersV4 = kEthernetOctets + kIpv4Octets + kUdpOctets;
constexpr std::size_t kFrameHeadersV6 = kEthernetOctets + kIpv6Octets + kUdpOctets;

struct UdpFrame {
  Address sender;
  Bytes payload;
  std::size_t headers = 0;  // octets before the payload; a reply has as many
};

// Who asked whom, of a frame that was parsed.
struct FrameEnds {
  Endpoint sender;
  Endpoint receiver;
};
FrameEnds ends_of(Bytes frame) noexcept;

std::optional<UdpFrame> parse_udp_frame(Bytes frame) noexcept;

// Makes the frame that returns `payload` octets, which lie in `reply` after the headers, to where
// `query` came from: neighbour, address and port mirrored. `query` was parsed, `reply` has room;
// `id` is the IPv4 identification. Returns the length of the frame.
std::size_t seal_reply(Bytes query, std::size_t payload, std::uint16_t id,
                       MutableBytes reply) noexcept;

}  // namespace isochrone::dns
