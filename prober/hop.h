// SPDX-License-Identifier: Apache-2.0
//
// Hop: a datagram that expires on its way, and the router's word about it.
//
// For networks whose hosts answer nothing: the RTT to the last router before them that answers. All
// probes of a destination are one flow to every router that shares load by addresses, ports or flow
// label, as Paris traceroute has them (Augustin and others, IMC 2006), so that they take one path:
// what tells them apart lies in the IPv4 identification, the UDP checksum and the payload.
// Layout: IPv4: 30 bits in identification (15) and UDP checksum (15): low 20 bits of the sequence and
//         10 of cookie under a mask keyed with the destination; neither field is ever 0. IPv6: the
//         checksum alone. Payload: cookie and state (prober/cookie.h), 2 bytes that make the checksum
//         what it has to be, then the text.
// Errors quote at least 8 bytes of the datagram (RFC 792) and mostly all of it (RFC 1812 section
// 4.3.2.3, RFC 4443 section 3.3): what is quoted of the payload must be true, IPv6 must have it.
// Cost: no allocation; about 200 ns either way.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/siphash.h"
#include "prober/icmp_error.h"
#include "prober/probe.h"

namespace isochrone::prober {

constexpr std::uint16_t kHopPort = 33'434;  // traceroute's, so that operators know it
constexpr std::uint64_t kHopSequenceMask =
    0xf'ffff;  // the bits of Probe::sequence outside the payload
constexpr std::size_t kMaxHopBytes = 40 + 8 + 34 + 2 + 128;

struct HopFlow {
  const SipKey& key;
  std::uint16_t source_base;  // a block of kSourcePorts; the destination chooses one of them
  std::string_view text;
};

// The whole packet, IP header included; the kernel sets length and header checksum of IPv4.
Bytes encode_hop(const HopFlow& flow, const Address& source, const Probe& probe,
                 MutableBytes buffer) noexcept;

std::uint16_t hop_source_port(const HopFlow& flow, const Address& destination) noexcept;

// What an error about one of our datagrams says; nothing when it is about something else.
struct HopAnswer {
  std::optional<Arrival> arrival;  // when the payload was quoted
  std::uint32_t claimed = 0;       // else: low 20 bits of a Probe::sequence
  std::uint32_t code = 0;          // and all 30 bits
};
std::optional<HopAnswer> decode_hop(const HopFlow& flow, const IcmpError& error) noexcept;
// Whether the short quotation of `answer` is of this probe.
bool is_quoted(const HopFlow& flow, const Probe& probe, const HopAnswer& answer) noexcept;

}  // namespace isochrone::prober
