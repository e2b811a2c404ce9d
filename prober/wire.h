// SPDX-License-Identifier: Apache-2.0
//
// Wire: every probe method over both families, as packets out and arrivals in.
//
// Threads:   open() anywhere, in the network namespace to probe from; then the prober's loop.
// Ownership: owns its sockets and the key of the cookies, which no other process knows.
// Rights:    with CAP_NET_RAW every method; without it ICMP echo where the host lets its users ping,
//            and DNS: methods() says what is left.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/siphash.h"
#include "prober/hop.h"
#include "prober/icmp.h"
#include "prober/in_flight.h"
#include "prober/options.h"
#include "prober/raw_socket.h"
#include "prober/source_cache.h"
#include "prober/tcp.h"

namespace isochrone::prober {

class Wire {
 public:
  // Opens what it can; an error when that serves none of options.methods.
  static Result<Wire> open(const Options& options);

  void configure(const Options& options);
  // Those of `wanted` that can be used here, in the same order.
  std::vector<Method> usable(const std::vector<Method>& wanted) const;
  std::vector<int> descriptors() const;

  // A probe leaves with the next flush(), or before when a batch is full. `refused` gets the sequence
  // of each that the kernel did not take, and the errno.
  using Refused = RawSocket::Refused;
  void send(const Probe& probe, const Refused& refused);
  void flush(const Refused& refused);

  // Puts the kernel's send times into the probes they belong to.
  void collect_stamps(InFlight& in_flight);
  // `arrived` gets every packet that claims to answer a probe.
  using Arrived = std::function<void(const Arrival&)>;
  void receive(int fd, InFlight& in_flight, const Arrived& arrived);

 private:
  struct Port {
    Family family;
    Method method;
    RawSocket socket;
  };
  Wire() = default;
  Result<void> open_port(Family family, Method method);
  Port* port_of(Family family, Method method) noexcept;
  std::optional<Arrival> decode(const Port& port, const Endpoint& from, Bytes segment,
                                InFlight& in_flight) noexcept;
  std::optional<Arrival> decode_error(const Address& from, Bytes segment,
                                      InFlight& in_flight) noexcept;
  std::optional<Arrival> decode_tcp(const Address& from, Bytes segment,
                                    InFlight& in_flight) noexcept;
  std::optional<Arrival> decode_dns(const Endpoint& from, Bytes segment,
                                    InFlight& in_flight) noexcept;
  Echo echo(const Port& port) const;
  HopFlow hop_flow() const { return {key_, tcp_.source_base, text_}; }

  SipKey key_ = SipKey::random();
  std::uint16_t identifier_ = 0;
  std::string contact_;
  std::string text_;
  TcpPorts tcp_;
  SourceCache sources_;
  std::vector<Port> ports_;
};

// The kernel's ephemeral ports (net.ipv4.ip_local_port_range), as choose_source_base() wants them.
Result<std::uint16_t> source_base_here();
// Whether any of these methods needs such a block.
bool needs_source_ports(const std::vector<Method>& methods);

}  // namespace isochrone::prober
