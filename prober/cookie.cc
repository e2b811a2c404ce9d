// SPDX-License-Identifier: Apache-2.0
#include "prober/cookie.h"

#include <algorithm>

namespace isochrone::prober {

ProbeState state_of(const Probe& probe) noexcept {
  ProbeState state{};
  ByteWriter writer(state);
  writer.u64(static_cast<std::uint64_t>(unix_nanos(probe.sent)));
  writer.u64(probe.sequence);
  writer.u32(probe.round);
  writer.u32(probe.target.slot);
  writer.u16(probe.index);
  return state;
}

std::uint64_t sequence_in(const ProbeState& state) noexcept {
  ByteReader reader(state);
  reader.skip(8);  // the send time is kept in flight as well, closer to the wire
  return reader.u64();
}

std::uint64_t cookie_of(const SipKey& key, Method method, const Address& destination,
                        const ProbeState& state) noexcept {
  std::array<std::uint8_t, 17 + kStateBytes> message{};
  ByteWriter writer(message);
  writer.u8(static_cast<std::uint8_t>(method));
  writer.put(destination.bytes());
  writer.put(state);
  return siphash(key, writer.written());
}

std::uint32_t mask_of(const SipKey& key, Method method, const Address& destination,
                      std::uint16_t salt) noexcept {
  std::array<std::uint8_t, 19> message{};
  ByteWriter writer(message);
  writer.u8(static_cast<std::uint8_t>(method));
  writer.put(destination.bytes());
  writer.u16(salt);
  return static_cast<std::uint32_t>(siphash(key, writer.written()));
}

std::uint32_t check_of(const SipKey& key, const Probe& probe) noexcept {
  std::array<std::uint8_t, 35> message{};
  ByteWriter writer(message);
  writer.u8(static_cast<std::uint8_t>(probe.method));
  writer.put(probe.destination.bytes());
  writer.u64(probe.sequence);
  writer.u32(probe.round);
  writer.u32(probe.target.slot);
  writer.u16(probe.index);
  return static_cast<std::uint32_t>(siphash(key, writer.written()));
}

void write_proof(ByteWriter& writer, const SipKey& key, const Probe& probe) noexcept {
  const ProbeState state = state_of(probe);
  writer.u64(cookie_of(key, probe.method, probe.destination, state));
  writer.put(state);
}

Arrival read_proof(ByteReader& reader, const SipKey& key, Method method,
                   const Address& destination) noexcept {
  const std::uint64_t cookie = reader.u64();
  const Bytes bytes = reader.take(kStateBytes);
  ProbeState state{};
  std::copy(bytes.begin(), bytes.end(), state.begin());
  Arrival arrival;
  arrival.sequence = sequence_in(state);
  arrival.from = destination;
  arrival.method = method;
  arrival.is_forged = !reader.ok() || cookie != cookie_of(key, method, destination, state);
  return arrival;
}

}  // namespace isochrone::prober
