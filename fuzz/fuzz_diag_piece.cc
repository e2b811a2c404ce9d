// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a piece of what the kernel tells of connections: parsing ends, stays within them, and every
// connection has an RTT no lower than its minimum.
#include <cstdint>
#include <cstdlib>

#include "prober/tcp_diag.h"

using namespace isochrone;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > prober::kMaxPieceBytes) return 0;
  std::vector<prober::Connection> all;
  prober::parse_piece(Bytes(data, size), all);
  for (const prober::Connection& one : all) {
    if (one.rtt <= Micros(0) || one.min_rtt > one.rtt) std::abort();
  }
  return 0;
}
