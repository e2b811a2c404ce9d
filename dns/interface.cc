// SPDX-License-Identifier: Apache-2.0
#include "dns/interface.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.h"

namespace isochrone::dns {
namespace {

// A driver that does not say has one queue.
unsigned count_receive_queues(const Fd& socket, ifreq request) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  request.ifr_data = reinterpret_cast<char*>(&channels);
  if (ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return 1;
  return std::max(1U, channels.combined_count + channels.rx_count);
}

}  // namespace

Result<Interface> find_interface(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return fail(Errc::invalid, "no interface can be called \"" + name + "\"");
  }
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  Interface found;
  found.name = name;
  if (ioctl(socket.get(), SIOCGIFINDEX, &request) != 0) {
    return fail_errno("there is no interface " + name + "; `ip link` shows them", errno);
  }
  found.index = request.ifr_ifindex;
  if (ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0) {
    return fail_errno("cannot read the address of " + name, errno);
  }
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    return fail(Errc::invalid, name + " is not Ethernet, which XDP needs here");
  }
  std::memcpy(found.mac.data(), request.ifr_hwaddr.sa_data, found.mac.size());
  if (ioctl(socket.get(), SIOCGIFMTU, &request) != 0) {
    return fail_errno("cannot read the MTU of " + name, errno);
  }
  found.mtu_octets = static_cast<std::size_t>(request.ifr_mtu);
  found.receive_queues = count_receive_queues(socket, request);
  return found;
}

}  // namespace isochrone::dns
