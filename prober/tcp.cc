// SPDX-License-Identifier: Apache-2.0
#include "prober/tcp.h"

#include <array>

#include "prober/cookie.h"
#include "prober/icmp.h"
#include "prober/ip_header.h"

namespace isochrone::prober {
namespace {

constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint16_t kWindow = 65'535;
constexpr unsigned kCheckBits = 12;  // what 32 bits leave beside 20 of sequence

constexpr std::uint32_t kCheckMask = (1U << kCheckBits) - 1;

std::uint32_t pseudo_header_sum(const Address& source, const Address& destination) noexcept {
  const std::size_t width_bytes = source.is_v4() ? 4 : 16;
  std::uint32_t sum = checksum_add(0, Bytes(source.bytes()).first(width_bytes));
  sum = checksum_add(sum, Bytes(destination.bytes()).first(width_bytes));
  return sum + kProtocolTcp + kSynBytes;
}

}  // namespace

std::optional<std::uint16_t> choose_source_base(std::uint16_t low, std::uint16_t high) noexcept {
  // From the top: what lies above the ephemeral range is used least; below 16384 services listen.
  for (unsigned base = 65'536 - kSourcePorts; base >= 16'384; base -= kSourcePorts) {
    if (base > high || base + kSourcePorts <= low) return static_cast<std::uint16_t>(base);
  }
  return std::nullopt;
}

std::uint16_t source_port(const TcpPorts& ports, const Probe& probe) noexcept {
  return static_cast<std::uint16_t>(ports.source_base + probe.sequence % kSourcePorts);
}

std::uint32_t sequence_number(const SipKey& key, const TcpPorts& ports,
                              const Probe& probe) noexcept {
  const auto claimed = static_cast<std::uint32_t>(probe.sequence & kSequenceMask);
  return ((claimed << kCheckBits) | (check_of(key, probe) & kCheckMask)) ^
         mask_of(key, Method::tcp, probe.destination, source_port(ports, probe));
}

Bytes encode_syn(const SipKey& key, const TcpPorts& ports, const Address& source,
                 const Probe& probe, MutableBytes buffer) noexcept {
  ByteWriter writer(buffer);
  if (source.is_v4()) {
    const auto identification = static_cast<std::uint16_t>(probe.sequence | 1);
    write_ipv4(writer, {identification, 64, kProtocolTcp, source, probe.destination});
  }
  const std::size_t tcp_at = writer.position();
  writer.u16(source_port(ports, probe));
  writer.u16(ports.destination);
  writer.u32(sequence_number(key, ports, probe));
  writer.u32(0);
  writer.u8((kSynBytes / 4) << 4);  // data offset in 32-bit words
  writer.u8(kSyn);
  writer.u16(kWindow);
  writer.u16(0);  // checksum
  writer.u16(0);  // urgent pointer
  // Some middleboxes drop a SYN without it; the values are 1500 minus the headers (RFC 9293 3.7.1).
  writer.u8(2);
  writer.u8(4);
  writer.u16(source.is_v4() ? 1460 : 1440);
  const std::uint32_t sum =
      checksum_add(pseudo_header_sum(source, probe.destination), writer.written().subspan(tcp_at));
  writer.patch_u16(tcp_at + 16, checksum_finish(sum));
  return writer.ok() ? writer.written() : Bytes();
}

std::optional<SynAnswer> decode_syn_answer(const SipKey& key, const TcpPorts& ports,
                                           const Address& from, Bytes segment) noexcept {
  // The checksum is not looked at: the cookie proves more, and on virtual links whose checksums are
  // left to the receiver's hardware it is not there yet.
  ByteReader reader(segment);
  const std::uint16_t from_port = reader.u16();
  SynAnswer answer;
  answer.port = reader.u16();
  reader.skip(4);
  answer.acknowledged = reader.u32();
  reader.skip(1);
  const std::uint8_t flags = reader.u8();
  reader.skip(6);
  const bool is_answer = (flags & kAck) != 0 && (flags & (kSyn | kRst)) != 0;
  const bool is_ours = answer.port >= ports.source_base &&
                       answer.port - ports.source_base < kSourcePorts &&
                       from_port == ports.destination;
  if (!reader.ok() || !is_answer || !is_ours) return std::nullopt;
  const std::uint32_t sequence =
      (answer.acknowledged - 1) ^ mask_of(key, Method::tcp, from, answer.port);
  answer.claimed = sequence >> kCheckBits;
  return answer;
}

bool acknowledges(const SipKey& key, const TcpPorts& ports, const Probe& probe,
                  const SynAnswer& answer) noexcept {
  return probe.method == Method::tcp && answer.port == source_port(ports, probe) &&
         answer.acknowledged == sequence_number(key, ports, probe) + 1;
}

}  // namespace isochrone::prober
