// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a frame; and the reply to what is taken is a frame that is taken in its turn.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dns/frame.h"

using namespace isochrone;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The frame, sent to an address that may itself send.
std::vector<std::uint8_t> to_a_host(Bytes frame, const dns::UdpFrame& query) {
  std::vector<std::uint8_t> copy(frame.begin(), frame.end());
  copy[0] &= 0xfe;
  const Address host = query.sender.is_v4()
                           ? Address::v4(192, 0, 2, 1)
                           : Address::from_bits(Family::v6, 0x20010db8ULL << 32, 1);
  const std::size_t width = query.sender.is_v4() ? 4 : 16;
  const auto bytes = host.bytes();
  std::copy_n(bytes.begin(), width, copy.begin() + static_cast<long>(query.headers - 8 - width));
  copy[query.headers - 5] |= 1;  // and from a port that is not 0
  return copy;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes frame(data, size);
  const auto query = dns::parse_udp_frame(frame);
  if (!query) return 0;
  require(query->payload.data() == data + query->headers);
  require(query->headers + query->payload.size() <= size);
  std::vector<std::uint8_t> reply(query->headers + query->payload.size());
  std::reverse_copy(query->payload.begin(), query->payload.end(),
                    reply.begin() + static_cast<long>(query->headers));
  const std::size_t sealed =
      dns::seal_reply(to_a_host(frame, *query), query->payload.size(), 1, reply);
  require(sealed == reply.size());
  const auto back = dns::parse_udp_frame(reply);
  require(back && back->headers == query->headers);
  require(std::equal(back->payload.rbegin(), back->payload.rend(), query->payload.begin(),
                     query->payload.end()));
  return 0;
}
