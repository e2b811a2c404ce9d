// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a line of a web server's log: what is taken from it is an address and an RTT within bounds.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "prober/rtt_log.h"

using namespace isochrone;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto rtt = prober::parse_rtt_line(line, data[0] % 16U + 1);
  if (!rtt) return 0;
  if (rtt->rtt <= Micros(0) || rtt->rtt > Seconds(60)) std::abort();
  if (line.find(' ') == line.npos && line.find('\t') == line.npos && line.find('\r') == line.npos) {
    std::abort();
  }
  return 0;
}
