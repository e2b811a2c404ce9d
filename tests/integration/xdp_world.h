// SPDX-License-Identifier: Apache-2.0
//
// XdpWorld: a node that answers by XDP on one end of a cable, and a far host on the other that asks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "tests/integration/world.h"
#include "tests/support/daemon.h"

namespace isochrone::test {

using Octets = std::vector<std::uint8_t>;

class XdpWorld {
 public:
  XdpWorld();

  // The cable's ends are the interfaces near and far, with .1 and .2 in these networks.
  static constexpr std::string_view kNearV4 = "10.99.0.1";
  static constexpr std::string_view kNearV6 = "2001:db8:99::1";

  // A node of both families; `more` goes into its dns section.
  std::string config(const std::string& name, const std::string& more) const;
  std::string write(const std::string& name, const std::string& text) const {
    return world_.write(name, text);
  }

  std::string path(const std::string& name) const { return world_.path(name); }

  // Asks from the far host; empty when nothing came within so long.
  Octets ask(const Endpoint& server, Bytes query, int patience_s = 1) const;
  // One connection: the framed reply to a framed query.
  Octets ask_tcp(const Endpoint& server, Bytes query) const;
  // Puts a frame on the cable at its far end.
  void send_frame(Bytes frame) const;
  // What comes back to the port that the first frame is from.
  Octets ask_by_frames(const std::vector<Octets>& frames) const;

 private:
  World world_;
};

// Where a node listens: IPv4, then IPv6.
struct Listening {
  Endpoint v4;
  Endpoint v6;
};
Listening listening(const Daemon& daemon);
// Of /metrics; nothing when it is not there.
std::optional<double> metric(const Daemon& daemon, const std::string& name);
// What `ip` says about the near end.
std::string near_link();

// An IPv4 frame of the far host with one UDP datagram.
Octets query_frame(const Endpoint& server, std::uint16_t from_port, Bytes query);
// The same in two: `octets` of what follows the IP header, and the rest.
std::vector<Octets> fragments(const Octets& frame, std::size_t octets);

}  // namespace isochrone::test
