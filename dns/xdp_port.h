// SPDX-License-Identifier: Apache-2.0
//
// XdpPort: one interface whose queries come to us directly, all its receive queues.
//
// Threads:  made and ended by one thread; the sockets move to the workers that serve them.
// Ending:   from the port's end on the kernel gets every frame again; what the sockets hold by then is
//           theirs to answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dns/interface.h"
#include "dns/xdp_hook.h"
#include "dns/xdp_options.h"
#include "dns/xdp_socket.h"

namespace isochrone::dns {

// What one worker needs to serve one queue.
struct XdpQueue {
  XdpSocket socket;
  Interface interface;
};

struct XdpPort {
  Interface interface;
  XdpMode mode = XdpMode::automatic;  // the one that was had
  XdpHook hook;
  std::vector<XdpQueue> queues;
};

Result<XdpPort> open_xdp_port(const std::string& interface, XdpMode mode,
                              const std::vector<Endpoint>& endpoints);

}  // namespace isochrone::dns
