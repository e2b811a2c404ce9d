// SPDX-License-Identifier: Apache-2.0
#include "prober/icmp.h"

#include "prober/cookie.h"

namespace isochrone::prober {
namespace {

constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kHopLimit = 64;      // IANA's recommended default
constexpr std::uint8_t kEchoRequestV4 = 8;  // RFC 792
constexpr std::uint8_t kEchoReplyV4 = 0;
constexpr std::uint8_t kEchoRequestV6 = 128;  // RFC 4443 section 4
constexpr std::uint8_t kEchoReplyV6 = 129;

Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::string probe_text(std::string_view contact) {
  std::string text = "isochrone latency probe";
  if (!contact.empty()) text.append(", contact ").append(contact.substr(0, kMaxContact));
  return text;
}

std::uint32_t checksum_add(std::uint32_t sum, Bytes bytes) noexcept {
  ByteReader reader(bytes);
  while (reader.remaining() >= 2) sum += reader.u16();
  if (reader.remaining() == 1) sum += std::uint32_t{reader.u8()} << 8;
  return sum;
}

std::uint16_t checksum_finish(std::uint32_t sum) noexcept {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

Bytes encode_echo(const Echo& echo, const Probe& probe, MutableBytes buffer) noexcept {
  const bool is_v4 = probe.destination.is_v4();
  ByteWriter writer(buffer);
  if (is_v4 && echo.has_ip_header) {
    const auto identification = static_cast<std::uint16_t>(probe.sequence | 1);
    write_ipv4(writer, {identification, kHopLimit, kProtocolIcmp, {}, probe.destination});
  }
  const std::size_t icmp_at = writer.position();
  writer.u8(is_v4 ? kEchoRequestV4 : kEchoRequestV6);
  writer.u8(0);
  writer.u16(0);
  writer.u16(echo.identifier);
  writer.u16(static_cast<std::uint16_t>(probe.sequence));
  write_proof(writer, echo.key, probe);
  writer.put(as_bytes(echo.text));
  if (is_v4) {
    const Bytes message = writer.written().subspan(icmp_at);
    writer.patch_u16(icmp_at + 2, checksum_finish(checksum_add(0, message)));
  }
  return writer.ok() ? writer.written() : Bytes();
}

std::optional<Arrival> decode_echo_reply(const Echo& echo, const Address& from,
                                         Bytes message) noexcept {
  ByteReader reader(message);
  const std::uint8_t type = reader.u8();
  const std::uint8_t code = reader.u8();
  reader.skip(2);  // the checksum: the cookie proves more, and offload may leave it unset
  const std::uint16_t identifier = reader.u16();
  const bool is_reply = type == (from.is_v4() ? kEchoReplyV4 : kEchoReplyV6) && code == 0;
  if (!reader.ok() || !is_reply || identifier != echo.identifier) return std::nullopt;

  reader.skip(2);
  return read_proof(reader, echo.key, Method::icmp, from);
}

}  // namespace isochrone::prober
