// SPDX-License-Identifier: Apache-2.0
//
// udp_echo: returns each datagram with its QR bit set: what the kernel's sockets alone can do.
//
// The yardstick of scripts/bench dns: recvmmsg and sendmmsg in batches, one thread, nothing else.
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdio>

#include "base/fd.h"
#include "base/ip.h"

int main(int argc, char** argv) {
  using namespace isochrone;
  const auto listen = argc == 2 ? Endpoint::parse(argv[1]) : std::nullopt;
  if (!listen) {
    std::puts("usage: bench_udp_echo ADDRESS@PORT");
    return 2;
  }
  const Fd fd(::socket(listen->address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
  sockaddr_storage address{};
  const auto length = listen->to_sockaddr(address);
  const int buffer_bytes = 4 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) {
    std::perror("bench_udp_echo: bind");
    return 1;
  }
  constexpr std::size_t kBatch = 64;
  static std::array<std::array<std::uint8_t, 2048>, kBatch> buffers;
  std::array<sockaddr_storage, kBatch> peers{};
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  while (true) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {buffers[i].data(), buffers[i].size()};
      messages[i].msg_hdr = {&peers[i], sizeof peers[i], &vectors[i], 1, nullptr, 0, 0};
    }
    const int got = ::recvmmsg(fd.get(), messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (got <= 0) continue;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      vectors[i].iov_len = messages[i].msg_len;
      buffers[i][2] |= 0x80;
    }
    ::sendmmsg(fd.get(), messages.data(), static_cast<unsigned>(got), 0);
  }
}
