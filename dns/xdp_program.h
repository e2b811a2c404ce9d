// SPDX-License-Identifier: Apache-2.0
//
// XdpProgram: what decides in the kernel, frame by frame, whether a query comes to us directly.
//
// Redirected:  UDP over Ethernet without tag, to this interface's own address and one of the
//              endpoints, whole (no fragment), without IP options or extension headers, short enough
//              for a frame of xdp_socket. All else goes on to the kernel, and so does everything when
//              no socket serves the queue.
// Assembled:   here, with the endpoints as constants in the instructions: no compiler for another
//              machine at build time, no object file to find at run time, no look-up per frame (see
//              docs/decisions).
#pragma once

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <vector>

#include "base/ip.h"

namespace isochrone::dns {

using MacAddress = std::array<std::uint8_t, 6>;

struct XdpFilter {
  MacAddress mac{};  // frames to another are not ours to answer
  std::vector<Endpoint> endpoints;
};

// `sockets_map` is the descriptor of a map of AF_XDP sockets by receive queue.
std::vector<bpf_insn> assemble_xdp_program(const XdpFilter& filter, int sockets_map);

// More endpoints would overrun the reach of a jump, which is 32767 instructions.
constexpr std::size_t kMaxXdpEndpoints = 1'000;

}  // namespace isochrone::dns
