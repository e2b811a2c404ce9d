// SPDX-License-Identifier: Apache-2.0
#include "prober/opt_out.h"

#include <algorithm>
#include <array>

namespace isochrone::prober {
namespace {

constexpr Prefix v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, int length) {
  return {Address::v4(a, b, c, 0), length};
}
constexpr Prefix v6(std::uint64_t high, int length, std::uint64_t low = 0) {
  return {Address::from_bits(Family::v6, high, low), length};
}

// Never one host's address: no answer could belong to a path.
constexpr std::array kNoHost{
    v4(0, 0, 0, 8),                               // "this network", RFC 791 section 3.2
    v4(224, 0, 0, 4),                             // multicast, RFC 5771
    Prefix(Address::v4(255, 255, 255, 255), 32),  // limited broadcast, RFC 8190
    v6(0, 128),                                   // unspecified, RFC 4291 section 2.5.2
    v6(0xff00'0000'0000'0000, 8),                 // multicast, RFC 4291 section 2.7
};

// The registries of RFC 6890 (updated by RFC 8190) for which "globally reachable" is false: nobody
// on the Internet is there, and on a private network nobody asked for our packets.
constexpr std::array kSpecialUse{
    v4(10, 0, 0, 8),                   // private use, RFC 1918
    v4(100, 64, 0, 10),                // shared address space, RFC 6598
    v4(127, 0, 0, 8),                  // loopback, RFC 1122 section 3.2.1.3
    v4(169, 254, 0, 16),               // link local, RFC 3927
    v4(172, 16, 0, 12),                // private use, RFC 1918
    v4(192, 0, 0, 24),                 // IETF protocol assignments, RFC 6890
    v4(192, 0, 2, 24),                 // TEST-NET-1, RFC 5737
    v4(192, 88, 99, 24),               // deprecated 6to4 relay anycast, RFC 7526
    v4(192, 168, 0, 16),               // private use, RFC 1918
    v4(198, 18, 0, 15),                // benchmarking, RFC 2544
    v4(198, 51, 100, 24),              // TEST-NET-2, RFC 5737
    v4(203, 0, 113, 24),               // TEST-NET-3, RFC 5737
    v4(240, 0, 0, 4),                  // reserved, RFC 1112 section 4
    v6(0, 128, 1),                     // loopback, RFC 4291 section 2.5.3
    v6(0, 96, 0x0000'ffff'0000'0000),  // IPv4-mapped, RFC 4291 section 2.5.5.2
    v6(0x0064'ff9b'0001'0000, 48),     // local-use translation, RFC 8215
    v6(0x0100'0000'0000'0000, 64),     // discard only, RFC 6666
    v6(0x2001'0000'0000'0000, 23),     // IETF protocol assignments, RFC 2928
    v6(0x2001'0db8'0000'0000, 32),     // documentation, RFC 3849
    v6(0x2002'0000'0000'0000, 16),     // 6to4, RFC 3056: a tunnel, not the path itself
    v6(0x3fff'0000'0000'0000, 20),     // documentation, RFC 9637
    v6(0x5f00'0000'0000'0000, 16),     // segment routing SIDs, RFC 9602
    v6(0xfc00'0000'0000'0000, 7),      // unique local, RFC 4193
    v6(0xfe80'0000'0000'0000, 10),     // link local, RFC 4291 section 2.5.6
};

bool any_contains(const auto& prefixes, const Address& address) noexcept {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const Prefix& prefix) { return prefix.contains(address); });
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::none:
      return "none";
    case Refusal::opted_out:
      return "opted out";
    case Refusal::special_use:
      return "special-use address";
    case Refusal::no_host:
      return "not a host address";
  }
  return "unknown";
}

OptOut::OptOut(std::vector<Prefix> opted_out, bool allow_private) : allow_private_(allow_private) {
  std::sort(opted_out.begin(), opted_out.end());
  for (const Prefix& prefix : opted_out) {
    // A prefix sorts before those it contains, so only the last one kept can contain this one.
    if (opted_out_.empty() || !opted_out_.back().contains(prefix)) opted_out_.push_back(prefix);
  }
}

Refusal OptOut::check(const Address& address) const noexcept {
  if (any_contains(kNoHost, address)) return Refusal::no_host;
  const auto after =
      std::upper_bound(opted_out_.begin(), opted_out_.end(), Prefix(address, address.width()));
  if (after != opted_out_.begin() && std::prev(after)->contains(address)) return Refusal::opted_out;
  if (!allow_private_ && any_contains(kSpecialUse, address)) return Refusal::special_use;
  return Refusal::none;
}

}  // namespace isochrone::prober
