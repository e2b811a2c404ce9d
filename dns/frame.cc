// SPDX-License-Identifier: Apache-2.0
#include "dns/frame.h"

#include "base/endian.h"
#include "base/internet_sum.h"

namespace isochrone::dns {
namespace {

constexpr std::uint16_t kEtherIpv4 = 0x0800;
constexpr std::uint16_t kEtherIpv6 = 0x86dd;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kHopLimit = 64;  // what hosts start with (RFC 1700)
constexpr std::size_t kMacOctets = 6;

std::uint16_t u16(Bytes bytes, std::size_t at) noexcept {
  return load_be<std::uint16_t>(bytes.data() + at);
}
void put_u16(MutableBytes bytes, std::size_t at, std::uint16_t value) noexcept {
  store_be(bytes.data() + at, value);
}

// Addresses that no reply can go to: a host drops what claims to come from them.
bool is_possible_sender_v4(std::uint32_t address) noexcept {
  const std::uint32_t first = address >> 24;
  return first != 0 && first != 127 && first >> 4 != 14 && address != 0xffff'ffff;
}
bool is_possible_sender_v6(std::uint64_t high, std::uint64_t low) noexcept {
  const bool is_multicast = high >> 56 == 0xff;
  const bool is_special = high == 0 && (low <= 1 || low >> 32 == 0xffff);  // ::, ::1, IPv4-mapped
  return !is_multicast && !is_special;
}

// `datagram` is what the IP header says it carries, `pseudo` the sum of its pseudo-header without the
// length. Returns the payload.
std::optional<Bytes> open_udp(Bytes datagram, InternetSum pseudo, bool may_lack_sum) noexcept {
  const std::uint16_t length = u16(datagram, 4);
  if (length < kUdpOctets || length > datagram.size() || u16(datagram, 0) == 0) return std::nullopt;
  const std::uint16_t sum = u16(datagram, 6);
  pseudo.add_u16(length).add_u16(kProtocolUdp);
  const Bytes payload = datagram.subspan(kUdpOctets, length - kUdpOctets);
  if (sum == 0) return may_lack_sum ? std::optional(payload) : std::nullopt;
  // A sender on this machine or a guest of it leaves the sum to a card that never sees the datagram:
  // the field then holds that of the pseudo-header alone.
  if (sum == pseudo.folded()) return payload;
  if (pseudo.add(datagram.first(length)).checksum() != 0) return std::nullopt;
  return payload;
}

std::optional<UdpFrame> parse_v4(Bytes frame) noexcept {
  if (frame.size() < kFrameHeadersV4) return std::nullopt;
  const Bytes ip = frame.subspan(kEthernetOctets);
  const std::uint16_t total = u16(ip, 2);
  const bool is_fragment = (u16(ip, 6) & 0x3fff) != 0;
  if (ip[0] != 0x45 || is_fragment || ip[9] != kProtocolUdp) return std::nullopt;
  if (total < kIpv4Octets + kUdpOctets || total > ip.size()) return std::nullopt;
  if (InternetSum().add(ip.first(kIpv4Octets)).checksum() != 0) return std::nullopt;
  const auto source = load_be<std::uint32_t>(ip.data() + 12);
  if (!is_possible_sender_v4(source)) return std::nullopt;
  const Bytes datagram = ip.subspan(kIpv4Octets, total - kIpv4Octets);
  const auto payload = open_udp(datagram, InternetSum().add(ip.subspan(12, 8)), true);
  if (!payload) return std::nullopt;
  const auto sender = Address::from_bits(Family::v4, std::uint64_t{source} << 32, 0);
  return UdpFrame{sender, *payload, kFrameHeadersV4};
}

std::optional<UdpFrame> parse_v6(Bytes frame) noexcept {
  if (frame.size() < kFrameHeadersV6) return std::nullopt;
  const Bytes ip = frame.subspan(kEthernetOctets);
  const std::uint16_t length = u16(ip, 4);
  if (ip[0] >> 4 != 6 || ip[6] != kProtocolUdp) return std::nullopt;
  if (length < kUdpOctets || length > ip.size() - kIpv6Octets) return std::nullopt;
  const auto high = load_be<std::uint64_t>(ip.data() + 8);
  const auto low = load_be<std::uint64_t>(ip.data() + 16);
  if (!is_possible_sender_v6(high, low)) return std::nullopt;
  // RFC 8200 section 8.1: IPv6 has no header checksum, so a datagram without its own is dropped.
  const Bytes datagram = ip.subspan(kIpv6Octets, length);
  const auto payload = open_udp(datagram, InternetSum().add(ip.subspan(8, 32)), false);
  if (!payload) return std::nullopt;
  return UdpFrame{Address::from_bits(Family::v6, high, low), *payload, kFrameHeadersV6};
}

void copy(Bytes from, std::size_t at, std::size_t count, MutableBytes to, std::size_t to_at) {
  std::memcpy(to.data() + to_at, from.data() + at, count);
}

// Ports, length and checksum; `pseudo` is the sum of both addresses.
void seal_udp(Bytes query, InternetSum pseudo, MutableBytes datagram) noexcept {
  const auto length = static_cast<std::uint16_t>(datagram.size());
  copy(query, 2, 2, datagram, 0);
  copy(query, 0, 2, datagram, 2);
  put_u16(datagram, 4, length);
  put_u16(datagram, 6, 0);
  pseudo.add_u16(length).add_u16(kProtocolUdp).add(datagram);
  const std::uint16_t sum = pseudo.checksum();
  put_u16(datagram, 6, sum == 0 ? 0xffff : sum);  // RFC 768: zero means none
}

// The reply may be fragmented on its way, as that of a socket may (RFC 9715), hence an id and no DF.
void seal_ipv4(Bytes query, std::uint16_t id, MutableBytes ip) noexcept {
  put_u16(ip, 0, 0x4500);
  put_u16(ip, 2, static_cast<std::uint16_t>(ip.size()));
  put_u16(ip, 4, id);
  put_u16(ip, 6, 0);
  put_u16(ip, 8, kHopLimit << 8 | kProtocolUdp);
  put_u16(ip, 10, 0);
  copy(query, 16, 4, ip, 12);
  copy(query, 12, 4, ip, 16);
  put_u16(ip, 10, InternetSum().add(ip.first(kIpv4Octets)).checksum());
  seal_udp(query.subspan(kIpv4Octets), InternetSum().add(ip.subspan(12, 8)),
           ip.subspan(kIpv4Octets));
}

void seal_ipv6(Bytes query, MutableBytes ip) noexcept {
  store_be(ip.data(), std::uint32_t{6} << 28);  // no traffic class, no flow label
  put_u16(ip, 4, static_cast<std::uint16_t>(ip.size() - kIpv6Octets));
  put_u16(ip, 6, kProtocolUdp << 8 | kHopLimit);
  copy(query, 24, 16, ip, 8);
  copy(query, 8, 16, ip, 24);
  seal_udp(query.subspan(kIpv6Octets), InternetSum().add(ip.subspan(8, 32)),
           ip.subspan(kIpv6Octets));
}

}  // namespace

std::optional<UdpFrame> parse_udp_frame(Bytes frame) noexcept {
  if (frame.size() < kEthernetOctets) return std::nullopt;
  // A group cannot have sent it.
  if ((frame[kMacOctets] & 1) != 0) return std::nullopt;
  switch (u16(frame, 2 * kMacOctets)) {
    case kEtherIpv4:
      return parse_v4(frame);
    case kEtherIpv6:
      return parse_v6(frame);
    default:
      return std::nullopt;
  }
}

FrameEnds ends_of(Bytes frame) noexcept {
  const bool is_v4 = u16(frame, 12) == kEtherIpv4;
  const Family family = is_v4 ? Family::v4 : Family::v6;
  const std::size_t octets = is_v4 ? 4 : 16;
  const std::size_t sender = kEthernetOctets + (is_v4 ? 12U : 8U);
  const std::size_t ports = kEthernetOctets + (is_v4 ? kIpv4Octets : kIpv6Octets);
  const auto end = [&](std::size_t address, std::size_t port) -> Endpoint {
    return {Address::from_bytes(family, frame.subspan(address, octets)).value_or(Address{}),
            u16(frame, port)};
  };
  return {end(sender, ports), end(sender + octets, ports + 2)};
}

std::size_t seal_reply(Bytes query, std::size_t payload, std::uint16_t id,
                       MutableBytes reply) noexcept {
  copy(query, kMacOctets, kMacOctets, reply, 0);
  copy(query, 0, kMacOctets, reply, kMacOctets);
  copy(query, 2 * kMacOctets, 2, reply, 2 * kMacOctets);
  const Bytes from = query.subspan(kEthernetOctets);
  if (u16(query, 2 * kMacOctets) == kEtherIpv4) {
    const std::size_t size = kFrameHeadersV4 + payload;
    seal_ipv4(from, id, reply.subspan(kEthernetOctets, size - kEthernetOctets));
    return size;
  }
  const std::size_t size = kFrameHeadersV6 + payload;
  seal_ipv6(from, reply.subspan(kEthernetOctets, size - kEthernetOctets));
  return size;
}

}  // namespace isochrone::dns
