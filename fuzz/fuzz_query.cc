// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a query, through the whole of answer(), over both transports, in zones unsigned and signed.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dns/answer.h"
#include "fuzz/dns_world.h"
#include "fuzz/reply_check.h"

using namespace isochrone;

namespace {

void ask(const dns::Snapshot& snapshot, dns::Request request) {
  static std::vector<std::uint8_t> out(dns::kMaxMessage);
  dns::Reply reply = dns::answer(snapshot, request, out);
  fuzz::check_reply(snapshot, request, reply, out);
  if (!reply.unsigned_denial) return;
  const dns::OnlineDenial& denial = *reply.unsigned_denial;
  if (!denial.key->sign(denial, MutableBytes(out).first(reply.size))) std::abort();
  if (!fuzz::is_whole(Bytes(out).first(reply.size))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const dns::Snapshot& snapshot : fuzz::dns_worlds()) {
    for (const auto transport : {dns::Transport::udp, dns::Transport::tcp}) {
      dns::Request request;
      request.query = Bytes(data, size);
      request.sender = Address::v4(10, 1, 2, 3);
      request.transport = transport;
      request.now = fuzz::kUnixNow;
      request.may_leave_unsigned = transport == dns::Transport::udp;
      ask(snapshot, request);
      request.must_truncate = true;
      ask(snapshot, request);
    }
  }
  return 0;
}
