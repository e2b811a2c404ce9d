// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a request to the transfer desk: signed, notifying, asking for a zone.
#include <cstdint>
#include <cstdlib>

#include "dns/transfer_desk.h"
#include "dns/tsig.h"
#include "fuzz/dns_world.h"
#include "fuzz/reply_check.h"

using namespace isochrone;

namespace {

std::shared_ptr<const dns::Snapshot> world() {
  auto snapshot = std::make_shared<dns::Snapshot>(fuzz::make_dns_world());
  auto policy = std::make_shared<dns::TransferPolicy>();
  policy->keys = {{"k", {1, 'k', 0}, dns::HmacAlgorithm::sha256, {1, 2, 3, 4}}};
  auto& zone = policy->zones[{7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0}];
  zone.options.allow = {{Prefix(Address::v4(10, 0, 0, 0), 8), ""}};
  zone.options.primaries = {{{Address::v4(10, 1, 2, 3), 53}, ""}};
  snapshot->transfers = std::move(policy);
  return snapshot;
}

// Whatever is signed with the key reaches what lies behind the signature.
std::vector<std::uint8_t> signed_with(const dns::TsigKey& key, Bytes query) {
  std::vector<std::uint8_t> message(query.begin(), query.end());
  dns::TsigChain(key).sign(message, fuzz::kUnixNow);
  return message;
}

void serve(const std::shared_ptr<const dns::Snapshot>& snapshot, Bytes query) {
  static dns::WorkerCounters counters;
  for (const auto transport : {dns::Transport::udp, dns::Transport::tcp}) {
    dns::TransferDesk desk(counters, [](Bytes, const Address&) {});
    dns::Request request;
    request.query = query;
    request.sender = Address::v4(10, 1, 2, 3);
    request.transport = transport;
    request.now = fuzz::kUnixNow;
    const auto served = desk.serve(snapshot, request);
    if (!served) continue;
    if (!served->reply.empty() && (served->reply[2] & 0x80) == 0) std::abort();
    if (!served->reply.empty() && !fuzz::is_whole(served->reply)) std::abort();
    if (!served->transfer) continue;
    for (auto next = served->transfer->next(request.now); !next.empty();
         next = served->transfer->next(request.now)) {
      if (!fuzz::is_whole(next)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto snapshot = world();
  const Bytes query(data, size);
  dns::Tsig tsig;
  if (dns::find_tsig(query, tsig) == dns::TsigFound::one && tsig.at >= size) std::abort();
  // What is no query never reaches the desk.
  if (size < dns::kHeaderOctets || (data[2] & 0x80) != 0) return 0;
  serve(snapshot, query);
  if (size < 60'000) serve(snapshot, signed_with(snapshot->transfers->keys.front(), query));
  return 0;
}
