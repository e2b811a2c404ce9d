// SPDX-License-Identifier: Apache-2.0
#include "prober/wire.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/log.h"
#include "base/random.h"

namespace isochrone::prober {
namespace {

std::optional<Address> configured_source(const std::vector<Address>& sources, Family family) {
  for (const Address& source : sources) {
    if (source.family() == family) return source;
  }
  return std::nullopt;
}

bool uses_tcp(const Options& options) {
  return std::find(options.methods.begin(), options.methods.end(), Method::tcp) !=
         options.methods.end();
}

}  // namespace

Result<std::uint16_t> source_base_here() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  // The kernel's own default, for where /proc is hidden.
  std::uint16_t low = 32'768;
  std::uint16_t high = 60'999;
  file >> low >> high;
  if (const auto base = choose_source_base(low, high)) return *base;
  return fail(Errc::invalid,
              "no 4096 source ports for TCP probes outside net.ipv4.ip_local_port_range: narrow it "
              "(the default is 32768 60999) or leave tcp out of the prober's methods");
}

Result<Wire> Wire::open(const Options& options) {
  Wire wire;
  wire.identifier_ = static_cast<std::uint16_t>(random_u64());
  wire.sources_ = options.source_addresses;
  const auto base = source_base_here();
  if (!base && uses_tcp(options)) return tl::unexpected(base.error());
  if (base) wire.tcp_.source_base = *base;
  wire.configure(options);
  for (const Family family : {Family::v4, Family::v6}) {
    for (const Method method : {Method::icmp, Method::tcp}) {
      if (method == Method::tcp && !base) continue;
      const RawSocket::Filter filter{
          method, method == Method::tcp ? wire.tcp_.source_base : wire.identifier_};
      auto socket = RawSocket::open(family, filter, configured_source(wire.sources_, family));
      if (socket) {
        wire.ports_.push_back({family, method, std::move(*socket)});
      } else if (socket.error().code() == Errc::unavailable) {
        log_info("prober goes without: " + socket.error().text());
      } else {
        return tl::unexpected(socket.error());
      }
    }
  }
  return wire;
}

void Wire::configure(const Options& options) {
  text_ = probe_text(options.contact);
  tcp_.destination = options.tcp_port;
}

std::vector<int> Wire::descriptors() const {
  std::vector<int> descriptors;
  for (const Port& port : ports_) descriptors.push_back(port.socket.fd());
  return descriptors;
}

Wire::Port* Wire::port_of(Family family, Method method) noexcept {
  for (Port& port : ports_) {
    if (port.family == family && port.method == method) return &port;
  }
  return nullptr;
}

std::optional<Address> Wire::source_towards(const Address& destination) noexcept {
  if (auto configured = configured_source(sources_, destination.family())) return configured;
  // Connecting a datagram socket sends nothing: it asks the kernel which source it would take.
  const Fd fd(::socket(destination.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  socklen_t length = Endpoint{destination, 9}.to_sockaddr(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (!fd || ::connect(fd.get(), name, length) != 0) return std::nullopt;
  length = sizeof address;
  if (::getsockname(fd.get(), name, &length) != 0) return std::nullopt;
  return Address::from_sockaddr(*name);
}

int Wire::send(const Probe& probe) noexcept {
  Port* port = port_of(probe.destination.family(), probe.method);
  if (port == nullptr) return EAFNOSUPPORT;
  std::array<std::uint8_t, kMaxEchoBytes> buffer{};
  if (probe.method == Method::icmp) {
    return port->socket.send(probe, encode_echo(echo(), probe, buffer));
  }
  const auto source = source_towards(probe.destination);
  if (!source) return errno != 0 ? errno : EADDRNOTAVAIL;
  return port->socket.send(probe, encode_syn(key_, tcp_, *source, probe, buffer));
}

void Wire::collect_stamps(InFlight& in_flight) {
  for (Port& port : ports_) {
    port.socket.collect_stamps([&](std::uint64_t sequence, Instant sent) {
      if (Probe* probe = in_flight.find(sequence)) probe->sent = sent;
    });
  }
}

std::optional<Arrival> Wire::decode(Method method, const Address& from, Bytes segment,
                                    InFlight& in_flight) noexcept {
  if (method == Method::icmp) return decode_echo_reply(echo(), from, segment);
  const auto answer = decode_syn_answer(key_, tcp_, from, segment);
  if (!answer) return std::nullopt;
  const Probe* probe = in_flight.find_low_bits(answer->claimed, kSequenceMask);
  const bool is_true =
      probe != nullptr && probe->destination == from && acknowledges(key_, tcp_, *probe, *answer);
  return Arrival{is_true ? probe->sequence : 0, from, Method::tcp, !is_true, {}};
}

void Wire::receive(int fd, InFlight& in_flight,
                   const std::function<void(const Arrival&)>& arrived) {
  const auto port = std::find_if(ports_.begin(), ports_.end(),
                                 [&](const Port& p) { return p.socket.fd() == fd; });
  if (port == ports_.end()) return;
  port->socket.receive([&](const Address& from, Bytes segment, Instant received) {
    auto arrival = decode(port->method, from, segment, in_flight);
    if (!arrival) return;
    arrival->received = received;
    arrived(*arrival);
  });
}

}  // namespace isochrone::prober
