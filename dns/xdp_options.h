// SPDX-License-Identifier: Apache-2.0
//
// XdpOptions: which interfaces answer below the kernel's network stack, and how.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace isochrone::dns {

enum class XdpMode : std::uint8_t {
  automatic,  // the first of these that the interface has
  zero_copy,  // the card writes into our memory
  copy,       // the driver runs the program, the kernel copies
  skb,        // the kernel runs the program on its own packets: any interface, and slower
};

constexpr std::string_view to_string(XdpMode mode) noexcept {
  switch (mode) {
    case XdpMode::automatic:
      return "auto";
    case XdpMode::zero_copy:
      return "zero-copy";
    case XdpMode::copy:
      return "copy";
    case XdpMode::skb:
      return "skb";
  }
  return "?";
}

struct XdpOptions {
  std::vector<std::string> interfaces;  // none: sockets answer everything
  XdpMode mode = XdpMode::automatic;
  bool fall_back = false;  // go on with sockets where XDP cannot be had

  friend bool operator==(const XdpOptions&, const XdpOptions&) = default;
};

// Of a wildcard only the kernel knows the addresses: it stays with sockets.
inline std::vector<Endpoint> xdp_endpoints(std::vector<Endpoint> listening) {
  std::erase_if(listening, [](const Endpoint& endpoint) {
    return endpoint.address.high() == 0 && endpoint.address.low() == 0;
  });
  return listening;
}

}  // namespace isochrone::dns
