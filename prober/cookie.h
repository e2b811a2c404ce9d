// SPDX-License-Identifier: Apache-2.0
//
// Cookie: what a probe says of itself in its packet, and the keyed hash that proves it ours.
//
// State (network byte order): 0 send time, Unix ns i64 · 8 sequence u64 · 16 round u32 · 20 slot of the
// target u32 · 24 index u16. The cookie is SipHash-2-4 over method, destination and state, under a key
// that no other process knows: an answer that brings both back unchanged needs no memory to be believed.
// Cost: no allocation; about 60 ns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/siphash.h"
#include "prober/probe.h"

namespace isochrone::prober {

constexpr std::size_t kStateBytes = 26;
using ProbeState = std::array<std::uint8_t, kStateBytes>;

ProbeState state_of(const Probe& probe) noexcept;
std::uint64_t sequence_in(const ProbeState& state) noexcept;

std::uint64_t cookie_of(const SipKey& key, Method method, const Address& destination,
                        const ProbeState& state) noexcept;

// 32 bits that stay the same for one method and destination and look random without the key.
std::uint32_t mask_of(const SipKey& key, Method method, const Address& destination,
                      std::uint16_t salt = 0) noexcept;

// What fits into fields too small for the cookie: over all of the state but the send time, which the
// kernel's replaces once the packet has left.
std::uint32_t check_of(const SipKey& key, const Probe& probe) noexcept;

// Cookie and state as they stand in packets, 34 bytes; writes nothing it has no room for.
void write_proof(ByteWriter& writer, const SipKey& key, const Probe& probe) noexcept;
// Reads them back. Forged when the cookie is not that of this method and destination.
Arrival read_proof(ByteReader& reader, const SipKey& key, Method method,
                   const Address& destination) noexcept;
constexpr std::size_t kProofBytes = 8 + kStateBytes;

}  // namespace isochrone::prober
