// SPDX-License-Identifier: Apache-2.0
//
// Wire: every probe method over both families, as packets out and arrivals in.
//
// Threads:   open() anywhere, in the network namespace to probe from; then the prober's loop.
// Ownership: owns its sockets and the key of the cookies, which no other process knows.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/siphash.h"
#include "prober/icmp.h"
#include "prober/in_flight.h"
#include "prober/options.h"
#include "prober/raw_socket.h"
#include "prober/tcp.h"

namespace isochrone::prober {

class Wire {
 public:
  static Result<Wire> open(const Options& options);

  void configure(const Options& options);
  std::vector<int> descriptors() const;

  // 0, or the errno of what refused the packet.
  int send(const Probe& probe) noexcept;
  // Puts the kernel's send times into the probes they belong to.
  void collect_stamps(InFlight& in_flight);
  // `arrived` gets every packet that claims to answer a probe.
  void receive(int fd, InFlight& in_flight, const std::function<void(const Arrival&)>& arrived);

 private:
  struct Port {
    Family family;
    Method method;
    RawSocket socket;
  };
  Wire() = default;
  Port* port_of(Family family, Method method) noexcept;
  std::optional<Address> source_towards(const Address& destination) noexcept;
  std::optional<Arrival> decode(Method method, const Address& from, Bytes segment,
                                InFlight& in_flight) noexcept;
  Echo echo() const { return {key_, identifier_, text_}; }

  SipKey key_ = SipKey::random();
  std::uint16_t identifier_ = 0;
  std::string text_;
  TcpPorts tcp_;
  std::vector<Address> sources_;
  std::vector<Port> ports_;
};

// The kernel's ephemeral ports (net.ipv4.ip_local_port_range), as choose_source_base() wants them.
Result<std::uint16_t> source_base_here();

}  // namespace isochrone::prober
