// SPDX-License-Identifier: Apache-2.0
#include "dns/xdp_port.h"

#include <utility>

namespace isochrone::dns {
namespace {

Result<std::vector<XdpQueue>> open_queues(const Interface& interface, XdpHook& hook,
                                          bool zero_copy) {
  std::vector<XdpQueue> queues;
  for (unsigned queue = 0; queue < interface.receive_queues; ++queue) {
    auto socket = XdpSocket::open(interface.name, queue, zero_copy);
    if (!socket) return tl::unexpected(socket.error());
    queues.push_back({std::move(*socket), interface});
  }
  // All or none: a queue is given away when the last one is there.
  for (unsigned queue = 0; queue < interface.receive_queues; ++queue) {
    auto served = hook.serve(queue, queues[queue].socket.fd());
    if (!served) return tl::unexpected(served.error());
  }
  return queues;
}

Result<XdpPort> open_in(XdpMode mode, const Interface& interface, const XdpFilter& filter) {
  auto hook = XdpHook::attach(interface, filter, mode != XdpMode::skb);
  if (!hook) return tl::unexpected(hook.error());
  auto queues = open_queues(interface, *hook, mode == XdpMode::zero_copy);
  if (!queues) return tl::unexpected(queues.error());
  return XdpPort{interface, mode, std::move(*hook), std::move(*queues)};
}

}  // namespace

Result<XdpPort> open_xdp_port(const std::string& name, XdpMode mode,
                              const std::vector<Endpoint>& endpoints) {
  const auto interface = find_interface(name);
  if (!interface) return tl::unexpected(interface.error());
  if (endpoints.empty() || endpoints.size() > kMaxXdpEndpoints) {
    return fail(Errc::invalid,
                "XDP needs between 1 and 1000 addresses in dns.listen that are no "
                "wildcards; name those it is to answer for");
  }
  const XdpFilter filter{interface->mac, endpoints};
  if (mode != XdpMode::automatic) return open_in(mode, *interface, filter);
  auto port = open_in(XdpMode::zero_copy, *interface, filter);
  if (!port) port = open_in(XdpMode::copy, *interface, filter);
  if (!port) port = open_in(XdpMode::skb, *interface, filter);
  return port;
}

}  // namespace isochrone::dns
