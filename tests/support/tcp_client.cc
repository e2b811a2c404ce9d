// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tcp_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace isochrone::test {

TcpClient::TcpClient(const Endpoint& server, std::optional<Address> source) {
  sockaddr_storage to{};
  const auto size = server.to_sockaddr(to);
  socket_ = Fd(::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // What a client does not read stays with the server, not in buffers between the two.
  const int small = 4'096;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (source) {
    sockaddr_storage from{};
    const auto from_size = Endpoint{*source, 0}.to_sockaddr(from);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&from), from_size) != 0) {
      socket_.reset();
    }
  }
  const bool is_connected =
      ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0;
  if (!is_connected && errno != EINPROGRESS) socket_.reset();
}

std::size_t TcpClient::send(Bytes bytes) {
  const ssize_t count =
      ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool TcpClient::is_readable(int wait_ms) const {
  pollfd waiting{socket_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, wait_ms) > 0;
}

bool TcpClient::is_closed_by_server(int wait_ms) {
  std::array<std::uint8_t, 4'096> block;
  while (is_readable(wait_ms)) {
    const ssize_t count = ::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return true;
    if (count < 0) return false;
  }
  return false;
}

std::vector<std::uint8_t> framed(Bytes message) {
  std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(message.size() >> 8),
                                  static_cast<std::uint8_t>(message.size())};
  bytes.insert(bytes.end(), message.begin(), message.end());
  return bytes;
}

}  // namespace isochrone::test
