// SPDX-License-Identifier: Apache-2.0
#include "prober/icmp_error.h"

#include <algorithm>

namespace isochrone::prober {
namespace {

constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kUdpBytes = 8;

std::optional<IcmpErrorKind> kind_of(Family family, std::uint8_t type, std::uint8_t code) noexcept {
  const bool is_v4 = family == Family::v4;
  if (type == (is_v4 ? 11 : 3)) {
    // Code 1 tells of reassembly at the destination, which says nothing about hops.
    return code == 0 ? std::optional(IcmpErrorKind::time_exceeded) : std::nullopt;
  }
  if (type != (is_v4 ? 3 : 1)) return std::nullopt;
  return code == (is_v4 ? 3 : 4) ? IcmpErrorKind::port_unreachable : IcmpErrorKind::unreachable;
}

// The quoted IP header; the reader is left at the UDP header.
bool read_quoted_ip(Family family, ByteReader& reader, IcmpError& error) noexcept {
  const std::uint8_t first = reader.u8();
  if (family == Family::v4) {
    const std::size_t header_bytes = std::size_t{first & 0x0fU} * 4;  // IHL counts words
    reader.skip(3);
    error.identification = reader.u16();
    reader.skip(3);
    const std::uint8_t protocol = reader.u8();
    reader.skip(6);
    const auto destination = Address::from_bytes(Family::v4, reader.take(4));
    if (first >> 4 != 4 || header_bytes < 20 || protocol != kProtocolUdp) return false;
    reader.skip(header_bytes - 20);
    if (destination) error.destination = *destination;
  } else {
    reader.skip(5);
    const std::uint8_t next_header = reader.u8();
    reader.skip(17);
    const auto destination = Address::from_bytes(Family::v6, reader.take(16));
    if (first >> 4 != 6 || next_header != kProtocolUdp) return false;
    if (destination) error.destination = *destination;
  }
  return reader.ok();
}

}  // namespace

std::optional<IcmpError> parse_icmp_error(Family family, Bytes message) noexcept {
  ByteReader reader(message);
  const std::uint8_t type = reader.u8();
  const std::uint8_t code = reader.u8();
  reader.skip(6);  // checksum, and what is unused or an extension's length
  const auto kind = kind_of(family, type, code);
  IcmpError error;
  if (!kind || !read_quoted_ip(family, reader, error)) return std::nullopt;
  error.kind = *kind;
  error.source_port = reader.u16();
  error.destination_port = reader.u16();
  const std::uint16_t length = reader.u16();
  error.checksum = reader.u16();
  if (!reader.ok() || length < kUdpBytes) return std::nullopt;
  error.payload = reader.take(std::min<std::size_t>(reader.remaining(), length - kUdpBytes));
  return error;
}

}  // namespace isochrone::prober
