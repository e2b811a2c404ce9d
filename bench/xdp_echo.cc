// SPDX-License-Identifier: Apache-2.0
//
// xdp_echo: returns each datagram to where it came from by AF_XDP: what the kernel's rings alone can do.
//
// The yardstick of scripts/bench xdp. Addresses and ports change places, which leaves every checksum
// right; nothing is looked at beyond them.
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "dns/frame.h"
#include "dns/xdp_port.h"

namespace {

using namespace isochrone;
using namespace isochrone::dns;

void turn_round(Bytes frame, MutableBytes reply) {
  std::memcpy(reply.data(), frame.data(), frame.size());
  const auto put = [&](std::size_t to, std::size_t from, std::size_t octets) {
    std::memcpy(reply.data() + to, frame.data() + from, octets);
  };
  put(0, 6, 6);
  put(6, 0, 6);
  const bool is_v4 = frame[12] == 0x08;
  const std::size_t width = is_v4 ? 4 : 16;
  const std::size_t ports = is_v4 ? kEthernetOctets + kIpv4Octets : kEthernetOctets + kIpv6Octets;
  put(ports - 2 * width, ports - width, width);
  put(ports - width, ports - 2 * width, width);
  put(ports, ports + 2, 2);
  put(ports + 2, ports, 2);
}

unsigned echo_batch(XdpSocket& socket) {
  const unsigned received = socket.receive();
  for (unsigned i = 0; i < received; ++i) {
    const Bytes frame = socket.frame(i);
    const MutableBytes room = socket.reply_room();
    if (frame.size() > room.size()) continue;
    turn_round(frame, room);
    socket.commit(frame.size());
  }
  socket.release();
  return received;
}

}  // namespace

int main(int argc, char** argv) {
  const auto listen = argc == 4 ? Endpoint::parse(argv[2]) : std::nullopt;
  if (!listen) {
    std::puts("usage: bench_xdp_echo INTERFACE ADDRESS@PORT copy|skb");
    return 2;
  }
  const XdpMode mode = std::strcmp(argv[3], "skb") == 0 ? XdpMode::skb : XdpMode::copy;
  auto port = open_xdp_port(argv[1], mode, {*listen});
  if (!port) {
    std::fprintf(stderr, "bench_xdp_echo: %s\n", port.error().text().c_str());
    return 1;
  }
  XdpSocket& socket = port->queues.front().socket;
  std::puts("ready");
  std::fflush(stdout);
  pollfd waiting{socket.fd(), POLLIN, 0};
  while (true) {
    const unsigned received = echo_batch(socket);
    const unsigned in_line = socket.in_line();
    if (in_line >= XdpSocket::kBatch || (received == 0 && in_line > 0)) {
      socket.transmit();
    } else if (received == 0) {
      ::poll(&waiting, 1, -1);
    }
  }
}
