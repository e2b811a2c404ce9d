// SPDX-License-Identifier: Apache-2.0
//
// Address, Prefix and Endpoint: IP addresses whose byte order nobody outside sees.
//
// Shape:  both families are left-aligned in 128 bits held as two host-order integers, so that bit 0
//         is the first bit on the wire for either; an IPv4 address uses the first 32.
// Order:  IPv4 before IPv6, then by value; a Prefix sorts before the longer ones it contains.
// Cost:   24 bytes, trivially copyable; nothing here but format and parse allocates.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"

struct sockaddr;
struct sockaddr_storage;

namespace isochrone {

enum class Family : std::uint8_t { v4, v6 };

class Address {
 public:
  constexpr Address() = default;  // 0.0.0.0

  static constexpr Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return {Family::v4,
            (std::uint64_t{a} << 56) | (std::uint64_t{b} << 48) | (std::uint64_t{c} << 40) |
                (std::uint64_t{d} << 32),
            0};
  }
  // From left-aligned bits; what lies past the family's width is dropped.
  static constexpr Address from_bits(Family family, std::uint64_t high, std::uint64_t low) {
    if (family == Family::v4) return {family, high & 0xffff'ffff'0000'0000, 0};
    return {family, high, low};
  }
  // From the leading bytes on the wire; missing ones are zero, more than the width refused.
  static std::optional<Address> from_bytes(Family family, std::span<const std::uint8_t> leading);
  static std::optional<Address> parse(std::string_view text);
  // An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) becomes the IPv4 address it means.
  static std::optional<Address> from_sockaddr(const sockaddr& from);

  constexpr Family family() const noexcept { return family_; }
  constexpr bool is_v4() const noexcept { return family_ == Family::v4; }
  constexpr int width() const noexcept { return is_v4() ? 32 : 128; }
  constexpr std::uint64_t high() const noexcept { return high_; }
  constexpr std::uint64_t low() const noexcept { return low_; }
  constexpr bool bit(int index) const noexcept {
    return index < 64 ? (high_ >> (63 - index)) & 1 : (low_ >> (127 - index)) & 1;
  }
  // The address with all bits from `length` on cleared.
  constexpr Address masked(int length) const noexcept {
    return {family_, high_ & mask(length), low_ & mask(length - 64)};
  }
  // Network byte order; only the first width()/8 bytes are the address.
  std::array<std::uint8_t, 16> bytes() const noexcept;

  std::string to_string() const;

  friend constexpr auto operator<=>(const Address&, const Address&) = default;

 private:
  constexpr Address(Family family, std::uint64_t high, std::uint64_t low)
      : family_(family), high_(high), low_(low) {}
  static constexpr std::uint64_t mask(int length) noexcept {
    if (length <= 0) return 0;
    return length >= 64 ? ~std::uint64_t{0} : ~(~std::uint64_t{0} >> length);
  }

  Family family_ = Family::v4;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

// Invariant: no bit of the address is set from length on, and length <= width.
class Prefix {
 public:
  constexpr Prefix() = default;  // 0.0.0.0/0
  constexpr Prefix(const Address& address, int length)
      : address_(address.masked(length)), length_(static_cast<std::uint8_t>(length)) {}

  // "192.0.2.0/24"; a bare address is a host prefix; bits past the length are refused.
  static std::optional<Prefix> parse(std::string_view text);

  constexpr const Address& address() const noexcept { return address_; }
  constexpr int length() const noexcept { return length_; }
  constexpr Family family() const noexcept { return address_.family(); }
  constexpr bool contains(const Address& address) const noexcept {
    return address.family() == family() && address.masked(length_) == address_;
  }
  constexpr bool contains(const Prefix& other) const noexcept {
    return other.length_ >= length_ && contains(other.address_);
  }
  std::string to_string() const;

  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  Address address_;
  std::uint8_t length_ = 0;
};

struct Endpoint {
  Address address;
  std::uint16_t port = 0;

  // "192.0.2.1@53", "::1@53"; without "@port" the default is used, when there is one.
  static std::optional<Endpoint> parse(std::string_view text,
                                       std::optional<std::uint16_t> default_port = std::nullopt);
  static std::optional<Endpoint> from_sockaddr(const sockaddr& from);
  // Fills `to` and returns the length the system calls want.
  unsigned to_sockaddr(sockaddr_storage& to) const noexcept;
  std::string to_string() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// What a client address is truncated to as it arrives: RFC 7871 section 11.1; IPv6 is routed by
// /48.
constexpr int kClientPrefixLengthV4 = 24;
constexpr int kClientPrefixLengthV6 = 48;
constexpr Prefix client_network(const Address& client) noexcept {
  return {client, client.is_v4() ? kClientPrefixLengthV4 : kClientPrefixLengthV6};
}

}  // namespace isochrone

template <>
struct std::hash<isochrone::Address> {
  std::size_t operator()(const isochrone::Address& a) const noexcept {
    return isochrone::hash_bits(a.high() ^ (a.is_v4() ? 0 : 1), a.low());
  }
};
template <>
struct std::hash<isochrone::Prefix> {
  std::size_t operator()(const isochrone::Prefix& p) const noexcept {
    return isochrone::hash_bits(std::hash<isochrone::Address>{}(p.address()),
                                static_cast<std::uint64_t>(p.length()));
  }
};
