// SPDX-License-Identifier: Apache-2.0
#include "dns/edns.h"

#include <algorithm>

#include "dns/wire.h"

namespace isochrone::dns {

void ClientSubnet::write(ByteWriter& writer, std::uint8_t scope) const noexcept {
  const auto octets = address.bytes();
  writer.u16(kOptionClientSubnet);
  writer.u16(static_cast<std::uint16_t>(size() - 4));
  writer.u16(address.is_v4() ? 1 : 2);
  writer.u8(source);
  writer.u8(scope);
  writer.put(Bytes(octets).first((source + std::size_t{7}) / 8));
}

Edns parse_opt(std::uint16_t klass, std::uint32_t ttl) noexcept {
  Edns edns;
  edns.udp_payload = std::max(klass, static_cast<std::uint16_t>(kMinUdpPayload));
  edns.version = static_cast<std::uint8_t>(ttl >> 16);
  edns.dnssec_ok = (ttl & 0x8000) != 0;
  edns.compact_ok = (ttl & 0x4000) != 0;
  return edns;
}

bool parse_options(Bytes rdata, KnownOptions known, Edns& edns) noexcept {
  ByteReader reader(rdata);
  while (reader.remaining() > 0) {
    const std::uint16_t code = reader.u16();
    const Bytes data = reader.take(reader.u16());
    if (!reader.ok()) return false;
    if (code == kOptionClientSubnet && known.client_subnet) {
      const auto subnet = parse_client_subnet(data);
      if (!subnet) return false;
      if (!edns.client_subnet) edns.client_subnet = subnet;
    } else if (code == kOptionCookie && known.cookie) {
      const auto cookie = parse_cookie(data);
      if (!cookie) return false;
      if (!edns.cookie) edns.cookie = cookie;
    } else if (code == kOptionNsid) {
      edns.wants_nsid = true;
    } else if (code == kOptionKeepalive) {
      edns.wants_keepalive = true;
    } else if (code == kOptionPadding) {
      edns.wants_padding = true;
    }
  }
  return true;
}

std::optional<ClientSubnet> parse_client_subnet(Bytes data) noexcept {
  ByteReader reader(data);
  const std::uint16_t family_number = reader.u16();
  ClientSubnet subnet;
  subnet.source = reader.u8();
  const std::uint8_t scope = reader.u8();
  const Bytes octets = reader.take(reader.remaining());
  if (!reader.ok() || (family_number != 1 && family_number != 2) || scope != 0) return std::nullopt;
  const Family family = family_number == 1 ? Family::v4 : Family::v6;
  if (octets.size() != (subnet.source + std::size_t{7}) / 8) return std::nullopt;
  const auto address = Address::from_bytes(family, octets);
  if (!address || subnet.source > address->width()) return std::nullopt;
  if (address->masked(subnet.source) != *address) return std::nullopt;
  subnet.address = *address;
  return subnet;
}

}  // namespace isochrone::dns
