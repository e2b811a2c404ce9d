// SPDX-License-Identifier: Apache-2.0
//
// DnsProbe: a DNS query whose name is a cookie, and the response of any kind that must repeat it.
//
// Asks, without recursion, for an address below "isochrone-latency-probe.invalid", a name that no
// server has (RFC 6761 section 6.4): the cheapest question there is, answered from what a server
// knows or refused. Both count.
// Layout: message id: low 16 bits of the sequence under a mask keyed with the destination. Name: the
//         cookie as a label of 16 hexadecimal digits, the state as one of 52 (prober/cookie.h), the
//         contact when one is configured, and the two labels above.
// Cost:   no allocation; about 150 ns either way.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/siphash.h"
#include "prober/probe.h"

namespace isochrone::prober {

constexpr std::uint16_t kDnsPort = 53;
// Header, cookie, state, contact (two labels), two labels more, root, type and class.
constexpr std::size_t kMaxQueryBytes = 12 + 17 + 53 + 82 + 24 + 8 + 1 + 4;
constexpr std::uint64_t kDnsSequenceMask = 0xffff;  // the bits of Probe::sequence in a message id

Bytes encode_query(const SipKey& key, const Probe& probe, std::string_view contact,
                   MutableBytes buffer) noexcept;

// A response. Servers that cannot read a question may leave it out (RFC 1035 section 4.1.1 asks for
// nothing then): `claimed` tells which probe the id names, and `arrival` is there when the question is.
struct DnsAnswer {
  std::optional<Arrival> arrival;
  std::uint16_t claimed = 0;  // low bits of a Probe::sequence
};
std::optional<DnsAnswer> decode_dns_answer(const SipKey& key, const Address& from,
                                           Bytes message) noexcept;
// Likewise of our own query, as an ICMP error quotes it.
std::optional<Arrival> decode_quoted_query(const SipKey& key, const Address& destination,
                                           Bytes message) noexcept;

}  // namespace isochrone::prober
