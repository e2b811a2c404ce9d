// SPDX-License-Identifier: Apache-2.0
#include "dns/cookie.h"

#include <algorithm>

namespace isochrone::dns {
namespace {

constexpr std::size_t kMaxServerOctets = 32;
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTimeAt = 4;  // in the server part
constexpr std::size_t kHashAt = 8;
// RFC 9018 section 4.3: an hour back, five minutes ahead for servers whose clocks differ, and a new
// cookie once half an hour has gone.
constexpr std::int32_t kMaxAge = 3'600;
constexpr std::int32_t kMaxAhead = 300;
constexpr std::int32_t kRenewAge = 1'800;

using ServerPart = std::array<std::uint8_t, kServerCookieOctets>;

std::uint32_t time_of(const ServerPart& part) noexcept {
  return ByteReader(Bytes(part).subspan(kTimeAt)).u32();
}

// Version, reserved and time of `part`, hashed with client part and sender (RFC 9018 section 4.4).
std::array<std::uint8_t, 8> hash_of(const SipKey& key, const Cookie& cookie, const ServerPart& part,
                                    const Address& sender) noexcept {
  std::array<std::uint8_t, kClientCookieOctets + kHashAt + 16> input;
  ByteWriter writer(input);
  writer.put(cookie.client);
  writer.put(Bytes(part).first(kHashAt));
  const auto address = sender.bytes();
  writer.put(Bytes(address).first(sender.is_v4() ? 4 : 16));
  std::uint64_t hash = siphash(key, writer.written());
  std::array<std::uint8_t, 8> octets;
  for (std::uint8_t& octet : octets) {  // SipHash gives its least significant octet first
    octet = static_cast<std::uint8_t>(hash);
    hash >>= 8;
  }
  return octets;
}

// Compares all octets, whatever differs, so that time tells nothing about where.
bool is_same_hash(Bytes a, Bytes b) noexcept {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

bool is_made_with(const SipKey& key, const Cookie& cookie, const Address& sender) noexcept {
  const auto hash = hash_of(key, cookie, cookie.server, sender);
  return is_same_hash(hash, Bytes(cookie.server).subspan(kHashAt));
}

// Serial number arithmetic (RFC 1982), as RFC 9018 asks for: it goes on past 2106.
std::int32_t age_of(const ServerPart& part, std::uint32_t now) noexcept {
  return static_cast<std::int32_t>(now - time_of(part));
}

}  // namespace

std::optional<Cookie> parse_cookie(Bytes data) noexcept {
  Cookie cookie;
  if (data.size() < kClientCookieOctets) return std::nullopt;
  std::copy_n(data.begin(), kClientCookieOctets, cookie.client.begin());
  const Bytes server = data.subspan(kClientCookieOctets);
  if (server.empty()) return cookie;
  if (server.size() < kClientCookieOctets || server.size() > kMaxServerOctets) return std::nullopt;
  cookie.has_server = true;
  cookie.is_ours = server.size() == kServerCookieOctets;
  if (cookie.is_ours) std::copy(server.begin(), server.end(), cookie.server.begin());
  return cookie;
}

CookieVerdict check_cookie(const CookieSecrets& secrets, const Cookie& cookie,
                           const Address& sender, std::uint32_t now) noexcept {
  if (!cookie.has_server) return CookieVerdict::client_only;
  const bool has_our_form = cookie.is_ours && cookie.server[0] == kVersion &&
                            cookie.server[1] == 0 && cookie.server[2] == 0 && cookie.server[3] == 0;
  if (!has_our_form) return CookieVerdict::bad;
  const std::int32_t age = age_of(cookie.server, now);
  if (age > kMaxAge || age < -kMaxAhead) return CookieVerdict::bad;
  for (std::size_t i = 0; i < secrets.count; ++i) {
    if (is_made_with(secrets.keys[i], cookie, sender)) return CookieVerdict::good;
  }
  return CookieVerdict::bad;
}

std::array<std::uint8_t, kCookieOctets> renew_cookie(const CookieSecrets& secrets,
                                                     const Cookie& cookie, CookieVerdict verdict,
                                                     const Address& sender,
                                                     std::uint32_t now) noexcept {
  ServerPart part = cookie.server;
  const bool stays = verdict == CookieVerdict::good && age_of(part, now) <= kRenewAge &&
                     (secrets.count == 1 || is_made_with(secrets.keys[0], cookie, sender));
  if (!stays) {
    ByteWriter writer(part);
    writer.u8(kVersion);
    writer.u8(0);
    writer.u16(0);
    writer.u32(now);
    writer.put(hash_of(secrets.keys[0], cookie, part, sender));
  }
  std::array<std::uint8_t, kCookieOctets> whole;
  std::copy(part.begin(), part.end(),
            std::copy(cookie.client.begin(), cookie.client.end(), whole.begin()));
  return whole;
}

}  // namespace isochrone::dns
