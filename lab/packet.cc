// SPDX-License-Identifier: Apache-2.0
#include "lab/packet.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace isochrone::lab {
namespace {

constexpr std::size_t kHeaderBytesV4 = 20;
constexpr std::size_t kHeaderBytesV6 = 40;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpV6 = 58;
constexpr std::uint8_t kHopLimit = 64;  // what most hosts send (IANA's recommended default)

constexpr std::uint8_t kTcpFin = 1;
constexpr std::uint8_t kTcpSyn = 2;
constexpr std::uint8_t kTcpRst = 4;
constexpr std::uint8_t kTcpAck = 16;
constexpr std::size_t kTcpHeaderBytes = 20;
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::size_t kIcmpHeaderBytes = 8;
constexpr std::uint16_t kDnsPort = 53;
constexpr std::size_t kDnsHeaderBytes = 12;

std::uint16_t load_u16(Bytes from, std::size_t at) {
  return static_cast<std::uint16_t>((from[at] << 8) | from[at + 1]);
}
std::uint32_t load_u32(Bytes from, std::size_t at) {
  return (std::uint32_t{load_u16(from, at)} << 16) | load_u16(from, at + 2);
}
void store_u16(MutableBytes to, std::size_t at, std::uint16_t value) {
  to[at] = static_cast<std::uint8_t>(value >> 8);
  to[at + 1] = static_cast<std::uint8_t>(value);
}
void store_u32(MutableBytes to, std::size_t at, std::uint32_t value) {
  store_u16(to, at, static_cast<std::uint16_t>(value >> 16));
  store_u16(to, at + 2, static_cast<std::uint16_t>(value));
}

std::uint64_t sum_words(Bytes bytes, std::uint64_t sum) {
  std::size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) sum += load_u16(bytes, at);
  if (at < bytes.size()) sum += std::uint64_t{bytes[at]} << 8;
  return sum;
}

// The pseudo-header of RFC 793 and RFC 8200 section 8.1, whose sums have the same form.
std::uint64_t pseudo_header(Bytes packet, bool is_v4, std::uint8_t protocol, std::size_t length) {
  const Bytes addresses = is_v4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  return sum_words(addresses, std::uint64_t{protocol} + length);
}

// One packet being turned round; the header's payload offset stays what it is.
struct Turning {
  MutableBytes buffer;
  std::size_t offset;  // of the payload
  bool is_v4;

  MutableBytes payload() const { return buffer.subspan(offset); }

  void swap_addresses() const {
    const std::size_t width = is_v4 ? 4 : 16;
    const std::size_t source = is_v4 ? 12 : 8;
    const auto at = buffer.begin() + static_cast<std::ptrdiff_t>(source);
    std::swap_ranges(at, at + static_cast<std::ptrdiff_t>(width),
                     at + static_cast<std::ptrdiff_t>(width));
  }

  // Lengths, hop limit and checksums of an answer whose payload has `length` bytes.
  std::size_t seal(std::uint8_t protocol, std::size_t length, std::size_t checksum_at) const {
    const std::size_t total = offset + length;
    if (is_v4) {
      store_u16(buffer, 2, static_cast<std::uint16_t>(total));
      buffer[8] = kHopLimit;
      buffer[9] = protocol;
      store_u16(buffer, 10, 0);
      store_u16(buffer, 10, internet_checksum(buffer.first(offset)));
    } else {
      store_u16(buffer, 4, static_cast<std::uint16_t>(length));
      buffer[6] = protocol;
      buffer[7] = kHopLimit;
    }
    const MutableBytes body = payload().first(length);
    store_u16(body, checksum_at, 0);
    const std::uint64_t pseudo =
        protocol == kIcmp ? 0 : pseudo_header(buffer, is_v4, protocol, length);
    std::uint16_t checksum = internet_checksum(body, pseudo);
    if (protocol == kUdp && checksum == 0) checksum = 0xffff;  // RFC 768: zero means none
    store_u16(body, checksum_at, checksum);
    return total;
  }
};

// Whether the payload's checksum holds; a host drops what it does not.
bool is_intact(const Turning& turning, const IpHeader& header, std::size_t checksum_at) {
  const Bytes body =
      Bytes(turning.buffer).subspan(header.payload_offset, header.length - header.payload_offset);
  const bool may_lack = header.protocol == kUdp && turning.is_v4;
  if (may_lack && load_u16(body, checksum_at) == 0) return true;
  const std::uint64_t pseudo =
      header.protocol == kIcmp
          ? 0
          : pseudo_header(turning.buffer, turning.is_v4, header.protocol, body.size());
  return internet_checksum(body, pseudo) == 0;
}

std::size_t answer_echo(const Turning& turning, std::size_t length) {
  constexpr std::uint8_t kEchoV4 = 8;
  constexpr std::uint8_t kEchoReplyV4 = 0;
  constexpr std::uint8_t kEchoV6 = 128;
  constexpr std::uint8_t kEchoReplyV6 = 129;
  const MutableBytes icmp = turning.payload();
  if (icmp[0] != (turning.is_v4 ? kEchoV4 : kEchoV6) || icmp[1] != 0) return 0;
  icmp[0] = turning.is_v4 ? kEchoReplyV4 : kEchoReplyV6;
  turning.swap_addresses();
  return turning.seal(turning.is_v4 ? kIcmp : kIcmpV6, length, 2);
}

// Stateless and stable: a repeated SYN gets the same initial sequence number.
std::uint32_t initial_sequence(const IpHeader& header, std::uint32_t ports) {
  const std::uint64_t mixed = hash_bits(header.source.high() ^ header.destination.low() ^ ports,
                                        header.destination.high() ^ (header.source.low() << 1));
  return static_cast<std::uint32_t>(mixed);
}

struct TcpReply {
  std::uint8_t flags;
  std::uint32_t sequence;
};

// What a port answers to one segment, as RFC 9293 section 3.10.7 has it for LISTEN and CLOSED, and
// for the rest of a connection only what closes it: nothing is remembered.
std::optional<TcpReply> reply_to(Bytes tcp, const IpHeader& header, bool is_open, bool has_data) {
  const std::uint8_t flags = tcp[13];
  const std::uint32_t acknowledged = load_u32(tcp, 8);
  if ((flags & kTcpRst) != 0) return std::nullopt;
  if ((flags & (kTcpSyn | kTcpAck)) == kTcpSyn) {
    if (!is_open) return TcpReply{kTcpRst | kTcpAck, 0};
    return TcpReply{kTcpSyn | kTcpAck, initial_sequence(header, load_u32(tcp, 0))};
  }
  if (!is_open || has_data) return TcpReply{kTcpRst, acknowledged};
  if ((flags & kTcpFin) != 0) return TcpReply{kTcpFin | kTcpAck, acknowledged};
  return std::nullopt;  // the bare ACK that ends a handshake
}

std::size_t answer_tcp(const Turning& turning, const IpHeader& header, std::size_t length,
                       std::uint16_t open_port) {
  const MutableBytes tcp = turning.payload();
  const std::size_t data_offset = std::size_t{4} * (tcp[12] >> 4);
  if (data_offset < kTcpHeaderBytes || data_offset > length) return 0;
  const auto data_bytes = static_cast<std::uint32_t>(length - data_offset);
  const auto reply = reply_to(tcp, header, load_u16(tcp, 2) == open_port, data_bytes > 0);
  if (!reply) return 0;
  // SYN and FIN each take one sequence number, as a byte of data does (RFC 9293 section 3.4).
  const std::uint32_t consumed = data_bytes + ((tcp[13] & (kTcpSyn | kTcpFin)) != 0 ? 1 : 0);
  const bool is_acknowledging = (reply->flags & kTcpAck) != 0;
  const bool is_reset = (reply->flags & kTcpRst) != 0;
  std::swap_ranges(tcp.begin(), tcp.begin() + 2, tcp.begin() + 2);  // ports
  store_u32(tcp, 8, is_acknowledging ? load_u32(tcp, 4) + consumed : 0);
  store_u32(tcp, 4, reply->sequence);
  tcp[12] = (kTcpHeaderBytes / 4) << 4;
  tcp[13] = reply->flags;
  store_u16(tcp, 14, is_reset ? 0 : 0xffff);  // window
  store_u16(tcp, 18, 0);                      // urgent pointer
  turning.swap_addresses();
  return turning.seal(kTcp, kTcpHeaderBytes, 16);
}

std::size_t turn_udp(const Turning& turning, std::size_t length) {
  const MutableBytes udp = turning.payload();
  std::swap_ranges(udp.begin(), udp.begin() + 2, udp.begin() + 2);
  store_u16(udp, 4, static_cast<std::uint16_t>(length));
  turning.swap_addresses();
  return turning.seal(kUdp, length, 6);
}

// The query with QR set and RCODE REFUSED (RFC 1035 section 4.1.1): a host that is no resolver.
std::size_t refuse_query(const Turning& turning, std::size_t length) {
  const MutableBytes message = turning.payload().subspan(kUdpHeaderBytes);
  constexpr std::uint8_t kResponse = 0x80;
  constexpr std::uint8_t kKeptFlags = 0x79;  // opcode and RD are copied; AA and TC are clear
  constexpr std::uint8_t kRefused = 5;
  if ((message[2] & kResponse) != 0) return 0;
  message[2] = static_cast<std::uint8_t>(kResponse | (message[2] & kKeptFlags));
  message[3] = kRefused;
  return turn_udp(turning, length);
}

// RFC 792 and RFC 4443 section 3.1: the packet that met no listener, as much of it as a message may
// carry (RFC 1812 section 4.3.2.3: 576 bytes in all for IPv4; the minimum MTU for IPv6).
std::size_t port_unreachable(const Turning& turning, const IpHeader& header) {
  const std::size_t fixed = turning.is_v4 ? kHeaderBytesV4 : kHeaderBytesV6;
  const std::size_t limit = turning.is_v4 ? 576 : 1280;
  const std::size_t quoted = std::min(header.length, limit - fixed - kIcmpHeaderBytes);
  std::array<std::uint8_t, 1280> original{};
  std::copy_n(turning.buffer.begin(), quoted, original.begin());
  const Turning answer{turning.buffer, fixed, turning.is_v4};
  if (turning.is_v4) turning.buffer[0] = 0x45;  // without the options it may have had
  answer.swap_addresses();
  const MutableBytes icmp = answer.payload();
  std::fill_n(icmp.begin(), kIcmpHeaderBytes, std::uint8_t{0});
  icmp[0] = turning.is_v4 ? 3 : 1;  // destination unreachable
  icmp[1] = turning.is_v4 ? 3 : 4;  // port
  std::copy_n(original.begin(), quoted, icmp.begin() + kIcmpHeaderBytes);
  return answer.seal(turning.is_v4 ? kIcmp : kIcmpV6, kIcmpHeaderBytes + quoted, 2);
}

std::size_t answer_udp(const Turning& turning, const IpHeader& header, std::size_t length) {
  const Bytes udp = turning.payload();
  if (load_u16(udp, 4) != length) return 0;
  if (load_u16(udp, 2) != kDnsPort) return port_unreachable(turning, header);
  if (length < kUdpHeaderBytes + kDnsHeaderBytes) return 0;
  return refuse_query(turning, length);
}

}  // namespace

std::uint16_t internet_checksum(Bytes bytes, std::uint64_t sum) {
  sum = sum_words(bytes, sum);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::optional<IpHeader> parse_ip(Bytes packet) {
  if (packet.empty()) return std::nullopt;
  IpHeader header;
  const int version = packet[0] >> 4;
  if (version == 4 && packet.size() >= kHeaderBytesV4) {
    header.payload_offset = std::size_t{4} * (packet[0] & 0x0f);
    header.length = load_u16(packet, 2);
    header.protocol = packet[9];
    header.is_fragment = (load_u16(packet, 6) & 0x3fff) != 0;  // more fragments, or an offset
    header.source = *Address::from_bytes(Family::v4, packet.subspan(12, 4));
    header.destination = *Address::from_bytes(Family::v4, packet.subspan(16, 4));
    if (header.payload_offset < kHeaderBytesV4) return std::nullopt;
  } else if (version == 6 && packet.size() >= kHeaderBytesV6) {
    header.payload_offset = kHeaderBytesV6;
    header.length = kHeaderBytesV6 + load_u16(packet, 4);
    header.protocol = packet[6];
    header.source = *Address::from_bytes(Family::v6, packet.subspan(8, 16));
    header.destination = *Address::from_bytes(Family::v6, packet.subspan(24, 16));
  } else {
    return std::nullopt;
  }
  if (header.length > packet.size() || header.payload_offset > header.length) return std::nullopt;
  return header;
}

std::size_t answer_as_host(MutableBytes buffer, const IpHeader& header,
                           const HostBehaviour& behaviour) {
  const Turning turning{buffer, header.payload_offset, header.source.is_v4()};
  const std::size_t length = header.length - header.payload_offset;
  if (header.is_fragment) return 0;
  const std::uint8_t icmp = turning.is_v4 ? kIcmp : kIcmpV6;
  if (header.protocol == icmp && length >= kIcmpHeaderBytes) {
    if (!behaviour.hears_icmp) return 0;
    return is_intact(turning, header, 2) ? answer_echo(turning, length) : 0;
  }
  if (header.protocol == kTcp && length >= kTcpHeaderBytes) {
    if (!behaviour.hears_tcp || !is_intact(turning, header, 16)) return 0;
    return answer_tcp(turning, header, length, behaviour.open_tcp_port);
  }
  if (header.protocol == kUdp && length >= kUdpHeaderBytes) {
    return is_intact(turning, header, 6) ? answer_udp(turning, header, length) : 0;
  }
  return 0;
}

std::size_t echo_udp(MutableBytes buffer, const IpHeader& header) {
  const std::size_t length = header.length - header.payload_offset;
  if (header.protocol != kUdp || length < kUdpHeaderBytes || header.is_fragment) return 0;
  return turn_udp({buffer, header.payload_offset, header.source.is_v4()}, length);
}

}  // namespace isochrone::lab
