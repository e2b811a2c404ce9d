// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as the messages of a transfer that comes in, each after two octets of length, unsigned and
// signed; what is taken becomes a zone.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "dns/framing.h"
#include "dns/journal_store.h"
#include "dns/master_file.h"
#include "dns/transfer_in.h"
#include "dns/zone_store.h"
#include "fuzz/dns_world.h"

using namespace isochrone;

namespace {

constexpr std::uint8_t kApex[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0};

dns::ZoneRecords held() {
  return dns::read_master_text("@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\na 60 A 192.0.2.1\n",
                               "example.com");
}

const dns::TsigKey kKey{"k", {1, 'k', 0}, dns::HmacAlgorithm::sha256, {1, 2, 3, 4}};

// Signed as the primary signs, once the request is: what is behind the signature is read, too.
class Primary {
 public:
  explicit Primary(Bytes request) {
    dns::Tsig tsig;
    if (dns::find_tsig(request, tsig) != dns::TsigFound::one) std::abort();
    if (chain_.verify(request, tsig, fuzz::kUnixNow) != dns::TsigError::none) std::abort();
  }
  std::vector<std::uint8_t> sign(Bytes message) {
    std::vector<std::uint8_t> out(message.begin(), message.end());
    if (out.size() >= dns::kHeaderOctets) chain_.sign(out, fuzz::kUnixNow);
    return out;
  }

 private:
  dns::TsigChain chain_{kKey};
};

void transfer(Bytes messages, bool is_incremental, bool is_signed) {
  dns::TransferIn in(kApex, is_incremental ? std::optional(1U) : std::nullopt, held,
                     is_signed ? &kKey : nullptr, 0x1234);
  const auto request = in.request(!is_incremental, fuzz::kUnixNow);
  std::optional<Primary> primary;
  if (is_signed) primary.emplace(request);
  auto step = dns::TransferIn::Step::more;
  while (step == dns::TransferIn::Step::more) {
    const auto message = dns::take_message(messages);
    if (!message) return;
    step = primary ? in.take(primary->sign(*message), fuzz::kUnixNow)
                   : in.take(*message, fuzz::kUnixNow);
  }
  if (step == dns::TransferIn::Step::failed && in.why().empty()) std::abort();
  if (step != dns::TransferIn::Step::done) return;
  auto records = in.records();
  if (records.rows.empty() || !records.errors.empty()) std::abort();
  // As the keeper does with what arrived: it becomes a zone, or there is a reason.
  static const auto before = fuzz::make_dns_world();
  const auto made = dns::ZoneSet::replaced(*before.zones, std::move(records), *before.topology);
  if (!made.zones && made.errors.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  for (const bool is_signed : {false, true}) {
    transfer(bytes, false, is_signed);
    transfer(bytes, true, is_signed);
  }
  dns::decode_stored_zone(bytes, "example.com");
  if (const auto journal = dns::decode_journal(bytes)) {
    journal->newest().each([](const dns::ZoneRecord&) {});
  }
  return 0;
}
