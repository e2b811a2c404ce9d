// SPDX-License-Identifier: Apache-2.0
#include "dns/sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace isochrone::dns {
namespace {

// At 256 queries outstanding the default of 208 KiB loses some percent; 4 MiB holds 20 ms at 200 k/s.
constexpr int kReceiveBufferOctets = 4 << 20;
constexpr int kBacklog = 4'096;
// Port 0 takes a UDP port that may be in use for TCP: another one is tried.
constexpr int kPortTries = 16;

bool is_wildcard(const Address& address) { return address.high() == 0 && address.low() == 0; }

void set_option(const Fd& socket, int level, int name, int value) {
  // All options set this way are improvements: without them the server still serves.
  setsockopt(socket.get(), level, name, &value, sizeof value);
}

std::string advice(int error_number) {
  switch (error_number) {
    case EACCES:
      return "; run as root or grant CAP_NET_BIND_SERVICE for ports below 1024";
    case EADDRINUSE:
      return "; another server listens there: stop it or choose another port";
    case EADDRNOTAVAIL:
      return "; the address is not configured on this machine";
    default:
      return "";
  }
}

tl::unexpected<Error> fail_bind(const Endpoint& endpoint, const char* transport) {
  const int error_number = errno;
  return fail(Errc::io, fmt::format("cannot listen on {} ({}): {}{}", endpoint.to_string(),
                                    transport, std::strerror(error_number), advice(error_number)));
}

Fd make_socket(const Endpoint& endpoint, int kind, bool shared) {
  const int family = endpoint.address.is_v4() ? AF_INET : AF_INET6;
  Fd socket(::socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return socket;
  if (family == AF_INET6) set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (kind == SOCK_STREAM) {
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);  // connections inherit it
  }
  if (shared) set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1);
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return Fd();
  return socket;
}

Result<Endpoint> bound_to(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const auto endpoint = Endpoint::from_sockaddr(*reinterpret_cast<const sockaddr*>(&address));
  if (!endpoint) return fail(Errc::io, "a socket has no address");
  return *endpoint;
}

void tune_udp(const Fd& socket, const Address& address) {
  set_option(socket, SOL_SOCKET, SO_RCVBUF, kReceiveBufferOctets);
  set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE,
             kReceiveBufferOctets);  // past rmem_max when allowed
  if (address.is_v4()) {
    // RFC 9715: replies are never fragmented on the word of a forged path MTU message.
    set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (is_wildcard(address)) set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set_option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    if (is_wildcard(address)) set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
}

Result<WorkerSockets> bind_worker(const Endpoint& endpoint) {
  WorkerSockets sockets;
  sockets.udp = make_socket(endpoint, SOCK_DGRAM, true);
  if (!sockets.udp) return fail_bind(endpoint, "UDP");
  tune_udp(sockets.udp, endpoint.address);
  sockets.tcp = make_socket(endpoint, SOCK_STREAM, true);
  if (!sockets.tcp || listen(sockets.tcp.get(), kBacklog) != 0) return fail_bind(endpoint, "TCP");
  return sockets;
}

// Finds out whether the address is free for both transports, and which port 0 becomes.
Result<Endpoint> try_alone(const Endpoint& endpoint) {
  for (int i = 0;; ++i) {
    const Fd udp = make_socket(endpoint, SOCK_DGRAM, false);
    if (!udp) return fail_bind(endpoint, "UDP");
    auto taken = bound_to(udp);
    if (!taken) return taken;
    const Fd tcp = make_socket(*taken, SOCK_STREAM, false);
    if (tcp && listen(tcp.get(), 1) == 0) return taken;
    if (endpoint.port != 0 || i == kPortTries) return fail_bind(*taken, "TCP");
  }
}

// What was inherited for the address that `bound` is to have, and where it is bound.
std::vector<Fd> take(Inheritance& inherited, HandedSocket::Kind kind, BoundEndpoint& bound) {
  std::vector<Fd> taken;
  for (HandedSocket& socket : inherited.sockets) {
    const bool is_same = socket.asked == bound.asked || socket.bound == bound.asked;
    if (!socket.fd || socket.kind != kind || !is_same) continue;
    bound.endpoint = socket.bound;
    taken.push_back(std::move(socket.fd));
  }
  return taken;
}

}  // namespace

Result<BoundEndpoint> bind_endpoint(const Endpoint& endpoint, unsigned workers,
                                    Inheritance& inherited) {
  BoundEndpoint bound{endpoint, {}, {}};
  auto udp = take(inherited, HandedSocket::Kind::udp, bound);
  auto tcp = take(inherited, HandedSocket::Kind::tcp, bound);
  for (std::size_t i = 0; i < std::max(udp.size(), tcp.size()); ++i) {
    WorkerSockets& sockets = bound.sockets.emplace_back();
    if (i < udp.size()) sockets.udp = std::move(udp[i]);
    if (i < tcp.size()) sockets.tcp = std::move(tcp[i]);
  }
  if (bound.sockets.empty()) {
    const auto free = try_alone(endpoint);
    if (!free) return tl::unexpected(free.error());
    bound.endpoint = *free;
  }
  while (bound.sockets.size() < workers) {
    auto sockets = bind_worker(bound.endpoint);
    if (!sockets) return tl::unexpected(sockets.error());
    bound.sockets.push_back(std::move(*sockets));
  }
  return bound;
}

Result<BoundEndpoint> bind_tls_endpoint(const Endpoint& endpoint, unsigned workers,
                                        Inheritance& inherited) {
  BoundEndpoint bound{endpoint, {}, {}};
  for (Fd& tcp : take(inherited, HandedSocket::Kind::tls, bound)) {
    bound.sockets.push_back({Fd(), std::move(tcp), true});
  }
  if (bound.sockets.empty()) {
    const Fd alone = make_socket(endpoint, SOCK_STREAM, false);
    if (!alone || listen(alone.get(), 1) != 0) return fail_bind(endpoint, "TCP");
    const auto taken = bound_to(alone);
    if (!taken) return tl::unexpected(taken.error());
    bound.endpoint = *taken;
  }
  while (bound.sockets.size() < workers) {
    WorkerSockets sockets;
    sockets.is_tls = true;
    sockets.tcp = make_socket(bound.endpoint, SOCK_STREAM, true);
    if (!sockets.tcp || listen(sockets.tcp.get(), kBacklog) != 0) return fail_bind(endpoint, "TCP");
    bound.sockets.push_back(std::move(sockets));
  }
  return bound;
}

Result<Fd> lock_state_dir(const std::filesystem::path& state_dir) {
  const std::string file = (state_dir / "dns.lock").string();
  Fd lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock) return fail_errno("cannot open lock " + file + "; state-dir must be writable", errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::unavailable, "another dns role uses the state directory " +
                                       state_dir.string() + "; stop it or give this one its own");
  }
  return lock;
}

}  // namespace isochrone::dns
