// SPDX-License-Identifier: Apache-2.0
//
// Tcp: a SYN whose sequence number is a cookie, and the SYN-ACK or RST that must acknowledge it.
//
// Either answer gives the RTT of the path: a closed port costs the host as little as an open one.
// No half-open connection stays behind: no socket of ours owns the source port, so the kernel answers
// a SYN-ACK with RST by itself (RFC 9293 section 3.10.7.1).
// Layout: source port carries the low 12 bits of the probe's sequence (kSourcePorts ports); the
//         sequence number is (low 20 bits of the sequence, 12 bits of cookie) under a mask keyed
//         with destination and port, so that 32 bits look random and must be guessed together.
// Cost:   no allocation; about 150 ns either way.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/siphash.h"
#include "prober/probe.h"

namespace isochrone::prober {

constexpr std::uint16_t kSourcePorts = 4096;
constexpr std::size_t kSynBytes = 24;                 // header and one option: maximum segment size
constexpr std::size_t kMaxSynBytes = 20 + kSynBytes;  // with an IPv4 header
constexpr std::uint64_t kSequenceMask = 0xf'ffff;     // the bits of Probe::sequence a SYN carries

struct TcpPorts {
  std::uint16_t source_base = 61'440;  // kSourcePorts from here on
  std::uint16_t destination = 80;
};

// The 4096 ports of a block outside the kernel's ephemeral range (low to high, both in it), so that
// no connection of this host can be mistaken for a probe; nothing when there is no such block.
std::optional<std::uint16_t> choose_source_base(std::uint16_t low, std::uint16_t high) noexcept;

std::uint16_t source_port(const TcpPorts& ports, const Probe& probe) noexcept;
std::uint32_t sequence_number(const SipKey& key, const TcpPorts& ports,
                              const Probe& probe) noexcept;

// Writes the segment, for IPv4 with an IP header before it, with its checksum over the pseudo header (RFC 9293 section 3.1, RFC 8200 8.1).
Bytes encode_syn(const SipKey& key, const TcpPorts& ports, const Address& source,
                 const Probe& probe, MutableBytes buffer) noexcept;

// A segment that answers some SYN of ours; the low bits of the sequence tell which it claims. The
// caller has the probe and asks acknowledges() before it believes that.
struct SynAnswer {
  std::uint32_t claimed = 0;  // the low 20 bits of a Probe::sequence
  std::uint32_t acknowledged = 0;
  std::uint16_t port = 0;  // our source port
};
std::optional<SynAnswer> decode_syn_answer(const SipKey& key, const TcpPorts& ports,
                                           const Address& from, Bytes segment) noexcept;
bool acknowledges(const SipKey& key, const TcpPorts& ports, const Probe& probe,
                  const SynAnswer& answer) noexcept;

}  // namespace isochrone::prober
