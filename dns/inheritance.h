// SPDX-License-Identifier: Apache-2.0
//
// Inheritance: what one process listens on and holds, for the one that takes its place.
//
// Sharing:  a descriptor that two processes have is one socket: each query is read by one of them, and
//           nothing that waits in it is lost when either closes its own. The lock on the state
//           directory is held until both have closed theirs.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"

namespace isochrone::dns {

struct HandedSocket {
  enum class Kind : std::uint8_t { udp, tcp, tls };
  Kind kind = Kind::udp;
  Endpoint asked;  // as configured, perhaps with port 0
  Endpoint bound;
  Fd fd;
};

struct Inheritance {
  std::vector<HandedSocket> sockets;
  Fd lock;
};

}  // namespace isochrone::dns
