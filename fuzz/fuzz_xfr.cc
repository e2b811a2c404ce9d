// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the messages of a transfer that comes in, each after two octets of length; and what is
// taken is stored and read back.
#include <cstdint>
#include <cstdlib>

#include "dns/framing.h"
#include "dns/master_file.h"
#include "dns/transfer_in.h"
#include "dns/zone_store.h"

using namespace isochrone;

namespace {

constexpr std::uint8_t kApex[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0};

dns::ZoneRecords held() {
  return dns::read_master_text("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\na 60 A 192.0.2.1\n",
                               "example.com");
}

void transfer(Bytes messages, bool is_incremental) {
  dns::TransferIn in(kApex, is_incremental ? std::optional(1U) : std::nullopt, held, nullptr,
                     0x1234);
  in.request(!is_incremental, 0);
  auto step = dns::TransferIn::Step::more;
  while (step == dns::TransferIn::Step::more) {
    const auto message = dns::take_message(messages);
    if (!message) return;
    step = in.take(*message, 0);
  }
  if (step == dns::TransferIn::Step::failed && in.why().empty()) std::abort();
  if (step != dns::TransferIn::Step::done) return;
  const auto records = in.records();
  if (records.rows.empty() || !records.errors.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  transfer(bytes, false);
  transfer(bytes, true);
  dns::decode_stored_zone(bytes, "example.com");
  return 0;
}
