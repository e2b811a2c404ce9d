// SPDX-License-Identifier: Apache-2.0
//
// IpHeader: the IPv4 header of a probe (RFC 791), as far as the kernel does not write it.
//
// Length and checksum are the kernel's (raw(7)), and so is the source where it is not given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace isochrone::prober {

constexpr std::size_t kIpv4HeaderBytes = 20;

struct Ipv4Fields {
  std::uint16_t identification = 1;  // not 0: then the kernel draws one
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  std::optional<Address> source;
  Address destination;
};

void write_ipv4(ByteWriter& writer, const Ipv4Fields& fields) noexcept;

}  // namespace isochrone::prober
