// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as what a prober's sockets receive: nothing that it did not send is ever believed.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "prober/dns_probe.h"
#include "prober/hop.h"
#include "prober/icmp.h"
#include "prober/icmp_error.h"
#include "prober/tcp.h"

using namespace isochrone;
using namespace isochrone::prober;

namespace {

// The key of another process: that of the seeds is unknown here.
constexpr SipKey kKey{0x0123'4567'89ab'cdef, 0xfedc'ba98'7654'3210};
const HopFlow kFlow{kKey, 61'440, "isochrone latency probe"};

void check(const std::optional<Arrival>& arrival) {
  if (arrival && !arrival->is_forged) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes message(data + 1, size - 1);
  const bool is_v4 = (data[0] & 1) == 0;
  const Address from =
      is_v4 ? Address::v4(192, 0, 2, 9) : Address::from_bits(Family::v6, 0x2001'0db8'0000'0000, 9);
  const std::uint16_t identifier = message.size() >= 6 ? load_be<std::uint16_t>(&message[4]) : 0;
  check(decode_echo_reply({kKey, identifier, ""}, from, message));
  if (const auto answer = decode_dns_answer(kKey, from, message)) check(answer->arrival);
  if (const auto error = parse_icmp_error(from.family(), message)) {
    if (error->payload.size() > message.size()) std::abort();
    check(decode_quoted_query(kKey, error->destination, error->payload));
    if (const auto answer = decode_hop(kFlow, *error)) check(answer->arrival);
  }
  if (const auto answer = decode_syn_answer(kKey, {61'440, 443}, from, message)) {
    if (answer->claimed > kSequenceMask || answer->port < 61'440) std::abort();
  }
  return 0;
}
