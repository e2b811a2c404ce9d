// SPDX-License-Identifier: Apache-2.0
#include "base/listening.h"

#include <sys/socket.h>

#include <cerrno>

namespace isochrone {

Result<Fd> listen_tcp(const Endpoint& endpoint) {
  sockaddr_storage address{};
  const unsigned length = endpoint.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const std::string what = "cannot listen on " + endpoint.to_string();
  if (!fd) return fail_errno(what, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    return fail_errno(what, errno);
  }
  return fd;
}

std::uint16_t bound_port(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(socket.get(), generic, &length) != 0) return 0;
  const auto endpoint = Endpoint::from_sockaddr(*generic);
  return endpoint ? endpoint->port : std::uint16_t{0};
}

}  // namespace isochrone
