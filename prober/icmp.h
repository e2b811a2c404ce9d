// SPDX-License-Identifier: Apache-2.0
//
// Icmp: an echo request that carries its own state, and the reply that must bring it back unchanged.
//
// Layout (network byte order; docs/measurement.md has the table):
//   0 type 8|128 · 1 code 0 · 2 checksum · 4 identifier (one per process) · 6 sequence, low 16 bits
//   8 cookie and state (prober/cookie.h) · 42 text: who probes, and where to complain
// The cookie covers destination, method and state, so nothing of it can be changed.
// Raw IPv4 packets are written with their IP header: that saves the kernel a tenth of its way out (no
// fragments to plan, no identification to draw).
// Cost: no allocation; about 100 ns either way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/siphash.h"
#include "prober/ip_header.h"
#include "prober/probe.h"

namespace isochrone::prober {

// 42 bytes of state and at most 128 of text stay far below every MTU.
constexpr std::size_t kMaxContact = 80;
constexpr std::size_t kMaxEchoBytes = kIpv4HeaderBytes + 42 + 128;

// "isochrone latency probe", and how to reach who sends it when that is configured.
std::string probe_text(std::string_view contact);

struct Echo {
  const SipKey& key;
  std::uint16_t identifier;
  std::string_view text;
  bool has_ip_header = false;  // before an IPv4 message; the kernel's pings write their own
};

// Writes the ICMP message for `probe` and returns it, with an IP header before it when that is asked for. ICMPv6 is left without its checksum: that
// covers the source address, which the kernel chooses and sums (RFC 3542 section 3.1).
Bytes encode_echo(const Echo& echo, const Probe& probe, MutableBytes buffer) noexcept;

// Nothing when the message is not an echo reply to this process; an Arrival, perhaps forged, when it
// claims to be. `received` stays unset.
std::optional<Arrival> decode_echo_reply(const Echo& echo, const Address& from,
                                         Bytes message) noexcept;

// The ones' complement sum of RFC 1071 over `bytes`, started with `sum`, not yet folded.
std::uint32_t checksum_add(std::uint32_t sum, Bytes bytes) noexcept;
std::uint16_t checksum_finish(std::uint32_t sum) noexcept;

}  // namespace isochrone::prober
