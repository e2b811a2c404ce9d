// SPDX-License-Identifier: Apache-2.0
#include "prober/wire.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "prober/dns_probe.h"
#include "prober/icmp_error.h"

namespace isochrone::prober {

namespace {

// These write ports and checksums themselves.
bool is_raw(Method method) { return method == Method::tcp || method == Method::hop; }

}  // namespace

bool needs_source_ports(const std::vector<Method>& methods) {
  return std::any_of(methods.begin(), methods.end(), is_raw);
}

Result<std::uint16_t> source_base_here() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  // The kernel's own default, for where /proc is hidden.
  std::uint16_t low = 32'768;
  std::uint16_t high = 60'999;
  file >> low >> high;
  if (const auto base = choose_source_base(low, high)) return *base;
  return fail(Errc::invalid,
              "no 4096 source ports for TCP and hop probes outside net.ipv4.ip_local_port_range: "
              "narrow it (the default is 32768 60999) or leave tcp and hop out of the prober's "
              "methods");
}

Result<Wire> Wire::open(const Options& options) {
  Wire wire;
  wire.identifier_ = static_cast<std::uint16_t>(random_u64());
  wire.sources_.configure(options.source_addresses);
  const auto base = source_base_here();
  if (!base && needs_source_ports(options.methods)) return tl::unexpected(base.error());
  if (base) wire.tcp_.source_base = *base;
  std::string lacking;
  // DNS before ICMP, whose filter lets errors about the DNS socket's port through.
  for (const Method method : {Method::dns, Method::icmp, Method::tcp, Method::hop}) {
    for (const Family family : {Family::v4, Family::v6}) {
      if (!base && is_raw(method)) continue;
      const auto opened = wire.open_port(family, method);
      if (opened) continue;
      // What this machine or this user lacks is gone without, as long as something is left.
      if (opened.error().code() != Errc::unavailable) return tl::unexpected(opened.error());
      log_info("prober goes without: " + opened.error().text());
      lacking = opened.error().text();
    }
  }
  wire.configure(options);
  if (wire.usable(options.methods).empty()) {
    return fail(Errc::io, "no method can be used here: " + lacking);
  }
  return wire;
}

Result<void> Wire::open_port(Family family, Method method) {
  Port* const dns = port_of(family, Method::dns);
  const RawSocket::Filter filter{identifier_, tcp_.source_base,
                                 dns == nullptr ? std::uint16_t{0} : dns->socket.local_port()};
  auto socket = RawSocket::open(family, method, filter, sources_.configured(family));
  if (!socket) return tl::unexpected(socket.error());
  ports_.push_back({family, method, std::move(*socket)});
  return {};
}

std::vector<Method> Wire::usable(const std::vector<Method>& wanted) const {
  std::vector<Method> usable;
  const auto has = [&](Method method, bool has_errors) {
    return std::any_of(ports_.begin(), ports_.end(), [&](const Port& port) {
      return port.method == method && (!has_errors || port.socket.has_errors());
    });
  };
  for (const Method method : wanted) {
    // A router's answer arrives with ICMP's errors.
    const bool has_answers = method != Method::hop || has(Method::icmp, true);
    if (has(method, false) && has_answers) usable.push_back(method);
  }
  return usable;
}

void Wire::configure(const Options& options) {
  contact_ = options.contact;
  text_ = probe_text(options.contact);
  tcp_.destination = options.tcp_port;
  for (Port& port : ports_) port.socket.use_send_stamps(options.rate_pps <= kStampedRate);
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

Echo Wire::echo(const Port& port) const {
  const std::uint16_t local = port.socket.local_port();
  return {key_, local != 0 ? local : identifier_, text_, local == 0};
}

void Wire::send(const Probe& probe, const Sending& sending) {
  const Refused& refused = sending.refused;
  Port* port = port_of(probe.destination.family(), probe.method);
  if (port == nullptr) return refused(probe.sequence, EAFNOSUPPORT);
  port->is_used = true;
  const bool is_answered_by_icmp = probe.method == Method::hop || probe.method == Method::dns;
  if (is_answered_by_icmp) {
    Port* icmp = port_of(probe.destination.family(), Method::icmp);
    if (icmp != nullptr) icmp->is_used = true;
  }
  std::optional<Address> source;
  if (is_raw(probe.method)) {
    source = sources_.towards(probe.destination, probe.sent_at);
    if (!source) return refused(probe.sequence, errno != 0 ? errno : EADDRNOTAVAIL);
  }
  if (port->socket.is_full()) flush(sending);
  const MutableBytes room = port->socket.room();
  switch (probe.method) {
    case Method::tcp:
      return port->socket.queue(probe, encode_syn(key_, tcp_, *source, probe, room).size());
    case Method::dns:
      return port->socket.queue(probe, encode_query(key_, probe, contact_, room).size(), kDnsPort);
    case Method::hop:
      return port->socket.queue(probe, encode_hop(hop_flow(), *source, probe, room).size());
    default:
      return port->socket.queue(probe, encode_echo(echo(*port), probe, room).size());
  }
}

void Wire::flush(const Sending& sending) {
  const auto stamped = [&](std::uint64_t sequence, Instant sent) {
    if (Probe* probe = sending.in_flight.find(sequence)) probe->sent = sent;
  };
  for (Port& port : ports_) port.socket.flush(sending.clock, sending.refused, stamped);
}

void Wire::collect_stamps(InFlight& in_flight) {
  for (Port& port : ports_) {
    port.socket.collect_stamps([&](std::uint64_t sequence, Instant sent) {
      if (Probe* probe = in_flight.find(sequence)) probe->sent = sent;
    });
  }
}

std::optional<Arrival> Wire::decode(const Port& port, const Endpoint& from, Bytes segment,
                                    InFlight& in_flight) noexcept {
  switch (port.method) {
    case Method::tcp:
      return decode_tcp(from.address, segment, in_flight);
    case Method::dns:
      return decode_dns(from, segment, in_flight);
    default:
      if (auto reply = decode_echo_reply(echo(port), from.address, segment)) return reply;
      return decode_error(from.address, segment, in_flight);
  }
}

std::optional<Arrival> Wire::decode_tcp(const Address& from, Bytes segment,
                                        InFlight& in_flight) noexcept {
  const auto answer = decode_syn_answer(key_, tcp_, from, segment);
  if (!answer) return std::nullopt;
  const Probe* probe = in_flight.find_low_bits(answer->claimed, kSequenceMask);
  const bool is_true =
      probe != nullptr && probe->destination == from && acknowledges(key_, tcp_, *probe, *answer);
  return Arrival{is_true ? probe->sequence : 0, from, Method::tcp, !is_true, {}};
}

std::optional<Arrival> Wire::decode_dns(const Endpoint& from, Bytes segment,
                                        InFlight& in_flight) noexcept {
  auto answer = decode_dns_answer(key_, from.address, segment);
  if (!answer) return std::nullopt;
  if (from.port != kDnsPort) return Arrival{0, from.address, Method::dns, true, {}};
  if (answer->arrival) return answer->arrival;
  const Probe* probe = in_flight.find_low_bits(answer->claimed, kDnsSequenceMask);
  const bool is_true =
      probe != nullptr && probe->destination == from.address && probe->method == Method::dns;
  return Arrival{is_true ? probe->sequence : 0, from.address, Method::dns, !is_true, {}};
}

std::optional<Arrival> Wire::decode_error(const Address& from, Bytes segment,
                                          InFlight& in_flight) noexcept {
  const auto error = parse_icmp_error(from.family(), segment);
  if (!error) return std::nullopt;
  if (error->destination_port == kDnsPort) {
    // A host without a DNS server says so: as good an answer as any. A router's word is not.
    const bool is_host =
        error->kind == IcmpErrorKind::port_unreachable && from == error->destination;
    if (!is_host) return std::nullopt;
    return decode_quoted_query(key_, error->destination, error->payload);
  }
  const auto answer = decode_hop(hop_flow(), *error);
  if (!answer || answer->arrival) return answer ? answer->arrival : std::nullopt;
  const Probe* probe = in_flight.find_low_bits(answer->claimed, kHopSequenceMask);
  const bool is_true = probe != nullptr && probe->destination == error->destination &&
                       is_quoted(hop_flow(), *probe, *answer);
  Arrival arrival{is_true ? probe->sequence : 0, error->destination, Method::hop, !is_true, {}};
  arrival.is_final = error->kind != IcmpErrorKind::time_exceeded;
  return arrival;
}

void Wire::receive(int fd, InFlight& in_flight, const Arrived& arrived) {
  for (Port& port : ports_) {
    if (port.socket.fd() == fd) receive(port, in_flight, arrived);
  }
}

void Wire::receive(InFlight& in_flight, const Arrived& arrived) {
  for (Port& port : ports_) {
    if (port.is_used) receive(port, in_flight, arrived);
  }
}

void Wire::receive(Port& port, InFlight& in_flight, const Arrived& arrived) {
  port.socket.receive([&](const Endpoint& from, Bytes segment, Instant received) {
    auto arrival = decode(port, from, segment, in_flight);
    if (!arrival) return;
    arrival->received = received;
    arrived(*arrival);
  });
}

}  // namespace isochrone::prober
