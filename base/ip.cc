// SPDX-License-Identifier: Apache-2.0
#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/endian.h"
#include "base/text.h"

namespace isochrone {
namespace {

// Long enough for every IPv6 text form, so a longer text is no address.
constexpr std::size_t kMaxAddressText = INET6_ADDRSTRLEN - 1;

}  // namespace

std::optional<Address> Address::from_bytes(Family family, std::span<const std::uint8_t> leading) {
  const std::size_t width_bytes = family == Family::v4 ? 4 : 16;
  if (leading.size() > width_bytes) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (!leading.empty()) std::memcpy(bytes.data(), leading.data(), leading.size());
  return from_bits(family, load_be<std::uint64_t>(bytes.data()),
                   load_be<std::uint64_t>(bytes.data() + 8));
}

std::optional<Address> Address::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxAddressText) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would stop there
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return from_bytes(Family::v4, std::span(bytes).first(4));
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return from_bytes(Family::v6, bytes);
  }
  return std::nullopt;
}

std::optional<Address> Address::from_sockaddr(const sockaddr& from) {
  const auto endpoint = Endpoint::from_sockaddr(from);
  if (!endpoint) return std::nullopt;
  return endpoint->address;
}

std::array<std::uint8_t, 16> Address::bytes() const noexcept {
  std::array<std::uint8_t, 16> bytes;
  store_be(bytes.data(), high_);
  store_be(bytes.data() + 8, low_);
  return bytes;
}

std::string Address::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto wire = bytes();
  inet_ntop(is_v4() ? AF_INET : AF_INET6, wire.data(), text.data(), text.size());
  return text.data();
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix(*address, address->width());
  const auto length = parse_number<unsigned>(text.substr(slash + 1));
  if (!length || *length > static_cast<unsigned>(address->width())) return std::nullopt;
  const Prefix prefix(*address, static_cast<int>(*length));
  if (prefix.address() != *address) return std::nullopt;
  return prefix;
}

std::string Prefix::to_string() const {
  return address_.to_string() + "/" + std::to_string(length_);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text,
                                        std::optional<std::uint16_t> default_port) {
  const auto at = text.find('@');
  const auto address = Address::parse(text.substr(0, at));
  if (!address) return std::nullopt;
  const auto port = at == std::string_view::npos ? default_port
                                                 : parse_number<std::uint16_t>(text.substr(at + 1));
  if (!port) return std::nullopt;
  return Endpoint{*address, *port};
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr& from) {
  // memcpy: a sockaddr need not be aligned for, nor be of the type of, what it holds.
  if (from.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return Endpoint{*Address::from_bytes(Family::v4, bytes), ntohs(in.sin_port)};
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
      return Endpoint{*Address::from_bytes(Family::v4, std::span(bytes).subspan(12)),
                      ntohs(in.sin6_port)};
    }
    return Endpoint{*Address::from_bytes(Family::v6, bytes), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

unsigned Endpoint::to_sockaddr(sockaddr_storage& to) const noexcept {
  const auto wire = address.bytes();
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, wire.data(), 4);
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, wire.data(), 16);
  std::memcpy(&to, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::to_string() const { return address.to_string() + "@" + std::to_string(port); }

}  // namespace isochrone
