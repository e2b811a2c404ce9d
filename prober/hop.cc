// SPDX-License-Identifier: Apache-2.0
#include "prober/hop.h"

#include "prober/cookie.h"
#include "prober/icmp.h"
#include "prober/ip_header.h"
#include "prober/tcp.h"

namespace isochrone::prober {
namespace {

constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kUdpBytes = 8;
constexpr unsigned kCheckBits = 10;  // what 30 bits leave beside 20 of sequence
constexpr std::uint32_t kFieldMask = 0x7fff;

// Masks differ by salt, so that no field of a packet gives away another.
constexpr std::uint16_t kPortSalt = 1;
constexpr std::uint16_t kCodeSalt = 2;

std::uint32_t code_mask(const HopFlow& flow, const Address& destination) noexcept {
  return mask_of(flow.key, Method::hop, destination, kCodeSalt) & 0x3fff'ffff;
}

std::uint32_t code_of(const HopFlow& flow, const Probe& probe) noexcept {
  const std::uint32_t check = check_of(flow.key, probe) & ((1U << kCheckBits) - 1);
  const auto claimed = static_cast<std::uint32_t>(probe.sequence & kHopSequenceMask);
  return ((claimed << kCheckBits) | check) ^ code_mask(flow, probe.destination);
}

// Fields from 1 to 2^15: a checksum of 0 means none (RFC 768), an identification of 0 is replaced by
// the kernel.
std::uint16_t checksum_field(std::uint32_t code) noexcept {
  return static_cast<std::uint16_t>((code & kFieldMask) + 1);
}
std::uint16_t identification_field(std::uint32_t code) noexcept {
  return static_cast<std::uint16_t>((code >> 15) + 1);
}

void write_ip(ByteWriter& writer, const HopFlow& flow, const Address& source, const Probe& probe,
              std::uint32_t code, std::size_t udp_bytes) noexcept {
  if (source.is_v4()) {
    write_ipv4(writer,
               {identification_field(code), probe.ttl, kProtocolUdp, source, probe.destination});
  } else {
    const std::uint32_t label = mask_of(flow.key, Method::hop, probe.destination) & 0xf'ffff;
    writer.u32(0x6000'0000 | label);
    writer.u16(static_cast<std::uint16_t>(udp_bytes));
    writer.u8(kProtocolUdp);
    writer.u8(probe.ttl);
    writer.put(source.bytes());
    writer.put(probe.destination.bytes());
  }
}

}  // namespace

std::uint16_t hop_source_port(const HopFlow& flow, const Address& destination) noexcept {
  return static_cast<std::uint16_t>(
      flow.source_base + mask_of(flow.key, Method::hop, destination, kPortSalt) % kSourcePorts);
}

Bytes encode_hop(const HopFlow& flow, const Address& source, const Probe& probe,
                 MutableBytes buffer) noexcept {
  const std::uint32_t code = code_of(flow, probe);
  const std::uint16_t checksum = checksum_field(code);
  const std::size_t udp_bytes = kUdpBytes + kProofBytes + 2 + flow.text.size();
  ByteWriter writer(buffer);
  write_ip(writer, flow, source, probe, code, udp_bytes);
  const std::size_t udp_at = writer.position();
  writer.u16(hop_source_port(flow, probe.destination));
  writer.u16(kHopPort);
  writer.u16(static_cast<std::uint16_t>(udp_bytes));
  writer.u16(checksum);
  write_proof(writer, flow.key, probe);
  const std::size_t pad_at = writer.position();
  writer.u16(0);
  writer.put({reinterpret_cast<const std::uint8_t*>(flow.text.data()), flow.text.size()});
  if (!writer.ok()) return {};
  // The sum over everything, the checksum itself included, has to be all ones (RFC 1071): two bytes
  // of payload make it so.
  const std::size_t width_bytes = source.is_v4() ? 4 : 16;
  std::uint32_t sum = static_cast<std::uint32_t>(kProtocolUdp + udp_bytes);
  sum = checksum_add(sum, Bytes(source.bytes()).first(width_bytes));
  sum = checksum_add(sum, Bytes(probe.destination.bytes()).first(width_bytes));
  sum = checksum_add(sum, writer.written().subspan(udp_at));
  writer.patch_u16(pad_at, checksum_finish(sum));
  return writer.written();
}

std::optional<HopAnswer> decode_hop(const HopFlow& flow, const IcmpError& error) noexcept {
  if (error.destination_port != kHopPort ||
      error.source_port != hop_source_port(flow, error.destination)) {
    return std::nullopt;
  }
  HopAnswer answer;
  const bool is_v4 = error.destination.is_v4();
  if (error.payload.size() >= kProofBytes) {
    ByteReader reader(error.payload);
    answer.arrival = read_proof(reader, flow.key, Method::hop, error.destination);
    answer.arrival->is_final = error.kind != IcmpErrorKind::time_exceeded;
    return answer;
  }
  if (!is_v4 || error.identification == 0 || error.checksum == 0) return std::nullopt;
  answer.code =
      (std::uint32_t{error.identification} - 1) << 15 | (std::uint32_t{error.checksum} - 1);
  answer.claimed = (answer.code ^ code_mask(flow, error.destination)) >> kCheckBits;
  return answer;
}

bool is_quoted(const HopFlow& flow, const Probe& probe, const HopAnswer& answer) noexcept {
  return probe.method == Method::hop && code_of(flow, probe) == answer.code;
}

}  // namespace isochrone::prober
