// SPDX-License-Identifier: Apache-2.0
#include "prober/source_cache.h"

#include <sys/socket.h>

#include "base/fd.h"

namespace isochrone::prober {
namespace {

// Connecting a datagram socket sends nothing: it asks the kernel which source it would take.
std::optional<Address> ask_kernel(const Address& destination) noexcept {
  constexpr std::uint16_t kDiscard = 9;
  const Fd fd(::socket(destination.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t length = Endpoint{destination, kDiscard}.to_sockaddr(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (!fd || ::connect(fd.get(), name, length) != 0) return std::nullopt;
  length = sizeof address;
  if (::getsockname(fd.get(), name, &length) != 0) return std::nullopt;
  return Address::from_sockaddr(*name);
}

}  // namespace

std::optional<Address> SourceCache::configured(Family family) const noexcept {
  for (const Address& source : configured_) {
    if (source.family() == family) return source;
  }
  return std::nullopt;
}

std::optional<Address> SourceCache::towards(const Address& destination, Monotonic now) noexcept {
  if (auto source = configured(destination.family())) return source;
  if (entries_.empty()) entries_.resize(kSlots);
  Entry& entry = entries_[std::hash<Address>{}(destination) % kSlots];
  if (entry.destination == destination && now < entry.until) return entry.source;
  const auto source = ask_kernel(destination);
  if (source) entry = {destination, *source, now + kLife};
  return source;
}

}  // namespace isochrone::prober
