// SPDX-License-Identifier: Apache-2.0
//
// Wire: the numbers of the DNS protocol that this server knows, and how large things may be.
#pragma once

#include <cstdint>

namespace isochrone::dns {

// Host names for the numbers of the IANA registry; values without a name are legal too (RFC 3597).
namespace type {
constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, mx = 15, txt = 16, aaaa = 28,
                        dname = 39, opt = 41, ds = 43, rrsig = 46, nsec = 47, dnskey = 48,
                        nsec3 = 50, nsec3param = 51, cds = 59, cdnskey = 60, svcb = 64, https = 65,
                        nxname = 128, tsig = 250, ixfr = 251, axfr = 252, any = 255;
// RFC 6895 section 3.1: 128 to 255 are for queries and meta data, 0 and OPT never hold data.
constexpr bool is_data(std::uint16_t t) { return t != 0 && t != opt && (t < 128 || t > 255); }
// What signing a zone adds all over it.
constexpr bool is_signature(std::uint16_t t) {
  return t == rrsig || t == nsec || t == nsec3 || t == nsec3param;
}
}  // namespace type

constexpr std::uint16_t kClassIn = 1;
constexpr std::uint8_t kOpcodeNotify = 4;  // RFC 1996
constexpr std::uint16_t kClassChaos = 3;

enum class Rcode : std::uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5,
  yxdomain = 6,  // a DNAME made a name too long (RFC 6672 section 2.2)
  badvers = 16,  // needs an OPT for its upper bits
};
constexpr std::size_t kRcodes = 17;

constexpr std::size_t kHeaderOctets = 12;
constexpr std::size_t kMinUdpPayload = 512;  // RFC 1035 section 2.3.4; RFC 6891 reads less as this
constexpr std::size_t kMaxMessage = 65'535;  // the length field of TCP

// Where the question's name always stands, as a compression pointer.
constexpr std::uint16_t kQuestionName = kHeaderOctets;
constexpr std::uint16_t kPointerTag = 0xc000;
constexpr std::size_t kMaxPointer = 0x3fff;

}  // namespace isochrone::dns
