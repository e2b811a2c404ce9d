// SPDX-License-Identifier: Apache-2.0
//
// Edns: the OPT record (RFC 6891) and the options in it: Client Subnet (RFC 7871), cookies (RFC 7873),
// name server identifier (RFC 5001).
//
// Errors:  an option that runs past its record, an unknown FAMILY (0 included: RFC 7871 section 7.2.1
//          makes no exception), a SOURCE longer than the family's width, a non-zero SCOPE, too few
//          or too many address octets, a bit set past SOURCE, and a cookie of a wrong length are all
//          format errors.
// Cost:    no allocation; one pass over the option list.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"
#include "dns/cookie.h"

namespace isochrone::dns {

constexpr std::uint16_t kOptionNsid = 3;
constexpr std::uint16_t kOptionClientSubnet = 8;
constexpr std::uint16_t kOptionKeepalive = 11;  // RFC 7828
constexpr std::uint16_t kOptionPadding = 12;    // RFC 7830
constexpr std::uint16_t kOptionExtendedError = 15;

struct ClientSubnet {
  Address address;
  std::uint8_t source = 0;  // SOURCE PREFIX-LENGTH

  // What goes back, with the scope that holds for the answer.
  std::size_t size() const noexcept { return 4 + 4 + (source + std::size_t{7}) / 8; }
  void write(ByteWriter& writer, std::uint8_t scope) const noexcept;
};

struct Edns {
  std::uint16_t udp_payload = 512;  // never below 512
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  bool compact_ok = false;  // CO: NXDOMAIN may come with a compact denial (RFC 9824 section 5.1)
  bool wants_nsid = false;
  bool wants_keepalive = false;
  bool wants_padding = false;
  std::optional<ClientSubnet> client_subnet;  // the first one
  std::optional<Cookie> cookie;               // the first one
};

constexpr std::size_t kOptOctets = 11;  // an OPT record without options

// The fixed fields of an OPT record whose owner and type have been read: CLASS and TTL. RDATA is
// parsed by parse_options().
Edns parse_opt(std::uint16_t klass, std::uint32_t ttl) noexcept;
// The options this server takes part in; the others are unknown to it, however they are formed.
struct KnownOptions {
  bool client_subnet = true;
  bool cookie = true;
};

// False when a known option is ill-formed.
bool parse_options(Bytes rdata, KnownOptions known, Edns& edns) noexcept;

// The option's data; nothing when ill-formed.
std::optional<ClientSubnet> parse_client_subnet(Bytes data) noexcept;

}  // namespace isochrone::dns
