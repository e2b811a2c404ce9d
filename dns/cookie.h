// SPDX-License-Identifier: Apache-2.0
//
// Cookie: proof that a sender receives what is sent to its address (RFC 7873, RFC 9018).
//
// Shape:   the client's eight octets, then ours: version 1, three zeros, the time in seconds, and
//          SipHash-2-4 over all of that and the sender's address. Servers that share a secret accept
//          each other's cookies (RFC 9018 section 3).
// Purity:  no clock; nothing is kept about a client.
// Cost:    one SipHash to check a cookie, one to make one; no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/siphash.h"

namespace isochrone::dns {

constexpr std::uint16_t kOptionCookie = 10;
constexpr std::size_t kClientCookieOctets = 8;
constexpr std::size_t kServerCookieOctets = 16;
constexpr std::size_t kCookieOctets = kClientCookieOctets + kServerCookieOctets;

struct Cookie {
  std::array<std::uint8_t, kClientCookieOctets> client{};
  std::array<std::uint8_t, kServerCookieOctets> server{};
  // Another server's cookie may be of 8 to 32 octets: well-formed, and never good here.
  bool has_server = false;
  bool is_ours = false;  // the server part has our length
};

// The first secret makes cookies, every one accepts them: while a secret is replaced on many servers,
// each knows both. Without any, cookies are an unknown option.
struct CookieSecrets {
  std::array<SipKey, 2> keys{};
  std::uint8_t count = 0;

  bool empty() const noexcept { return count == 0; }
};

enum class CookieVerdict : std::uint8_t { none, client_only, bad, good };

// The option's data: 8 octets, or 16 to 40; nothing when it is of another length (RFC 7873 section 4).
std::optional<Cookie> parse_cookie(Bytes data) noexcept;

CookieVerdict check_cookie(const CookieSecrets& secrets, const Cookie& cookie,
                           const Address& sender, std::uint32_t now) noexcept;

// What goes back: the client's part and a server part that holds from `now` on. A good one, made with
// the first secret and younger than half its time, is given again (RFC 9018 section 4.3).
std::array<std::uint8_t, kCookieOctets> renew_cookie(const CookieSecrets& secrets,
                                                     const Cookie& cookie, CookieVerdict verdict,
                                                     const Address& sender,
                                                     std::uint32_t now) noexcept;

}  // namespace isochrone::dns
