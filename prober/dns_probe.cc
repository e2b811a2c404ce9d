// SPDX-License-Identifier: Apache-2.0
#include "prober/dns_probe.h"

#include <algorithm>
#include <array>

#include "prober/cookie.h"
#include "prober/icmp.h"

namespace isochrone::prober {
namespace {

constexpr std::string_view kBase = "isochrone-latency-probe";
constexpr std::string_view kTop = "invalid";
constexpr std::size_t kMaxLabel = 63;  // RFC 1035 section 3.1
constexpr std::size_t kCookieDigits = 16;
constexpr std::size_t kStateDigits = 2 * kStateBytes;
constexpr std::uint8_t kResponse = 0x80;
constexpr std::uint16_t kTypeA = 1;
constexpr std::uint16_t kClassIn = 1;

void put_label(ByteWriter& writer, std::string_view text) noexcept {
  writer.u8(static_cast<std::uint8_t>(text.size()));
  writer.put({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void put_hex(ByteWriter& writer, Bytes bytes) noexcept {
  constexpr std::string_view digits = "0123456789abcdef";
  writer.u8(static_cast<std::uint8_t>(2 * bytes.size()));
  for (const std::uint8_t byte : bytes) {
    writer.u8(static_cast<std::uint8_t>(digits[byte >> 4]));
    writer.u8(static_cast<std::uint8_t>(digits[byte & 15]));
  }
}

// A digit in either case: resolvers may play with it (draft-vixie-dnsext-dns0x20).
std::optional<std::uint8_t> digit_of(std::uint8_t c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  c = static_cast<std::uint8_t>(c | 0x20);
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

// A label of exactly as many digits as `out` takes.
bool take_hex(ByteReader& reader, MutableBytes out) noexcept {
  if (reader.u8() != 2 * out.size()) return false;
  const Bytes digits = reader.take(2 * out.size());
  if (!reader.ok()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto high = digit_of(digits[2 * i]);
    const auto low = digit_of(digits[2 * i + 1]);
    if (!high || !low) return false;
    out[i] = static_cast<std::uint8_t>((*high << 4) | *low);
  }
  return true;
}

std::uint16_t id_mask(const SipKey& key, const Address& destination) noexcept {
  return static_cast<std::uint16_t>(mask_of(key, Method::dns, destination));
}

// What the name at the reader's place proves; forged when it is no name of ours.
Arrival read_name(ByteReader& reader, const SipKey& key, const Address& from) noexcept {
  std::array<std::uint8_t, kProofBytes> proof{};
  const MutableBytes all(proof);
  const bool is_ours = take_hex(reader, all.first(kCookieDigits / 2)) &&
                       take_hex(reader, all.last(kStateDigits / 2));
  ByteReader inner(proof);
  Arrival arrival = read_proof(inner, key, Method::dns, from);
  arrival.is_forged = arrival.is_forged || !is_ours;
  return arrival;
}

}  // namespace

Bytes encode_query(const SipKey& key, const Probe& probe, std::string_view contact,
                   MutableBytes buffer) noexcept {
  std::array<std::uint8_t, kProofBytes> proof{};
  ByteWriter inner(proof);
  write_proof(inner, key, probe);
  ByteWriter writer(buffer);
  writer.u16(static_cast<std::uint16_t>(probe.sequence ^ id_mask(key, probe.destination)));
  writer.u16(0);  // a query, no recursion desired
  writer.u16(1);  // one question, nothing else
  writer.u16(0);
  writer.u32(0);
  put_hex(writer, Bytes(proof).first(kCookieDigits / 2));
  put_hex(writer, Bytes(proof).last(kStateDigits / 2));
  for (contact = contact.substr(0, kMaxContact); !contact.empty();) {
    const std::string_view label = contact.substr(0, kMaxLabel);
    put_label(writer, label);
    contact.remove_prefix(label.size());
  }
  put_label(writer, kBase);
  put_label(writer, kTop);
  writer.u8(0);
  writer.u16(kTypeA);
  writer.u16(kClassIn);
  return writer.ok() ? writer.written() : Bytes();
}

std::optional<DnsAnswer> decode_dns_answer(const SipKey& key, const Address& from,
                                           Bytes message) noexcept {
  ByteReader reader(message);
  const std::uint16_t id = reader.u16();
  const std::uint8_t flags = reader.u8();
  reader.skip(1);
  const std::uint16_t questions = reader.u16();
  reader.skip(6);
  if (!reader.ok() || (flags & kResponse) == 0) return std::nullopt;
  DnsAnswer answer;
  answer.claimed = static_cast<std::uint16_t>(id ^ id_mask(key, from));
  if (questions != 0) answer.arrival = read_name(reader, key, from);
  return answer;
}

std::optional<Arrival> decode_quoted_query(const SipKey& key, const Address& destination,
                                           Bytes message) noexcept {
  ByteReader reader(message);
  reader.skip(12);
  if (!reader.ok()) return std::nullopt;
  return read_name(reader, key, destination);
}

}  // namespace isochrone::prober
