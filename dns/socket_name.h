// SPDX-License-Identifier: Apache-2.0
//
// socket_name: the address and port that a socket has, or its peer.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip.h"

namespace isochrone::dns {

namespace detail {
template <class Ask>
Endpoint name_of(int socket, Ask ask) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (ask(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return Endpoint::from_sockaddr(*reinterpret_cast<const sockaddr*>(&address)).value_or(Endpoint{});
}
}  // namespace detail

// 0.0.0.0@0 when it has none.
inline Endpoint own_name(int socket) noexcept { return detail::name_of(socket, ::getsockname); }
inline Endpoint peer_name(int socket) noexcept { return detail::name_of(socket, ::getpeername); }

}  // namespace isochrone::dns
