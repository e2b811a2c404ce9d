// SPDX-License-Identifier: Apache-2.0
//
// Wire: every probe method over both families, as packets out and arrivals in.
//
// Threads:   open() anywhere, in the network namespace to probe from; then the prober's loop.
// Ownership: owns its sockets and the key of the cookies, which no other process knows.
// Stamps:    of sending by the kernel up to kStampedRate probes a second; above, where they cost a
//            fifth of a probe, from the clock before and after each batch.
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
  static constexpr std::uint32_t kStampedRate = 50'000;

  // Opens what it can; an error when that serves none of options.methods.
  static Result<Wire> open(const Options& options);

  void configure(const Options& options);
  // Those of `wanted` that can be used here, in the same order.
  std::vector<Method> usable(const std::vector<Method>& wanted) const;
  std::vector<int> descriptors() const;

  // A probe leaves with the next flush(), or before when a batch is full. `refused` gets the sequence
  // of each that the kernel did not take, and the errno.
  using Refused = RawSocket::Refused;
  using Arrived = std::function<void(const Arrival&)>;
  struct Sending {
    const Loop& clock;
    InFlight& in_flight;  // gets the send times
    Refused refused;
  };
  void send(const Probe& probe, const Sending& sending);
  void flush(const Sending& sending);

  // Puts the kernel's send times into the probes they belong to.
  void collect_stamps(InFlight& in_flight);
  // `arrived` gets every packet that claims to answer a probe; from one socket, or from each
  // that may have answers to what was sent.
  void receive(int fd, InFlight& in_flight, const Arrived& arrived);
  void receive(InFlight& in_flight, const Arrived& arrived);

 private:
  struct Port {
    Family family;
    Method method;
    RawSocket socket;
    bool is_used = false;  // answers to what was sent may come here
  };
  Wire() = default;
  void receive(Port& port, InFlight& in_flight, const Arrived& arrived);
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
