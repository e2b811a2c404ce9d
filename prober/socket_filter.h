// SPDX-License-Identifier: Apache-2.0
//
// SocketFilter: programs by which the kernel keeps from a raw socket what cannot be for us.
//
// Classic BPF (Documentation/networking/filter.rst); raw IPv4 sockets see the IP header, IPv6 ones do
// not.
#pragma once

#include <cstdint>

#include "base/ip.h"

namespace isochrone::prober {

// All false when the kernel refuses.
// Echo replies to `identifier`; errors about datagrams from `dns_port` or kSourcePorts from `base`.
bool attach_icmp_filter(int fd, Family family, std::uint16_t identifier, std::uint16_t base,
                        std::uint16_t dns_port);
// Segments with SYN or RST to kSourcePorts ports from `base`.
bool attach_tcp_filter(int fd, Family family, std::uint16_t base);
// Nothing: the socket only sends.
bool attach_deaf_filter(int fd);

// What a filter lets through of one packet: an ICMP error with 76 bytes of IPv6 payload quoted.
constexpr std::uint32_t kSnapBytes = 256;

}  // namespace isochrone::prober
