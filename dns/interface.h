// SPDX-License-Identifier: Apache-2.0
//
// Interface: what the kernel says about a network interface of this machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace isochrone::dns {

struct Interface {
  std::string name;
  int index = 0;
  std::array<std::uint8_t, 6> mac{};
  std::size_t mtu_octets = 0;  // of the packet within a frame
  unsigned receive_queues = 1;
};

// An Error when there is none of that name, or it is not Ethernet.
Result<Interface> find_interface(const std::string& name);

}  // namespace isochrone::dns
