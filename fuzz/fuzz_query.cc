// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a query, through the whole of answer(), over both transports.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dns/answer.h"
#include "fuzz/dns_world.h"

using namespace isochrone;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dns::Snapshot snapshot = fuzz::make_dns_world();
  static std::vector<std::uint8_t> out(dns::kMaxMessage);
  const Bytes query(data, size);
  for (const auto transport : {dns::Transport::udp, dns::Transport::tcp}) {
    const auto reply = dns::answer(snapshot, {query, Address::v4(10, 1, 2, 3), transport}, out);
    const bool is_unanswerable = size < dns::kHeaderOctets || (data[2] & 0x80) != 0;
    if ((reply.size == 0) != is_unanswerable) std::abort();
    if (reply.size == 0) continue;
    if (out[0] != data[0] || out[1] != data[1] || (out[2] & 0x80) == 0) std::abort();
    if (transport == dns::Transport::udp && reply.size > snapshot.options.max_udp_payload)
      std::abort();
  }
  return 0;
}
