// SPDX-License-Identifier: Apache-2.0
//
// Any text as a zone file; what loads is asked for its apex and for names that it may hold: unsigned, with
// the signatures that it came with, and signed here.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "dns/answer.h"
#include "dns/follower.h"
#include "dns/name.h"
#include "fuzz/dns_world.h"
#include "fuzz/reply_check.h"

using namespace isochrone;

namespace {

void ask(const dns::Snapshot& snapshot, std::string_view name, std::uint16_t type) {
  static std::vector<std::uint8_t> out(dns::kMaxMessage);
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  const auto wire = dns::name_from_text(name);
  query.insert(query.end(), wire->begin(), wire->end());
  // Class IN, and an OPT record with DO.
  query.insert(query.end(), {static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
                             0, 1, 0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0});
  dns::Request request;
  request.query = query;
  for (const auto transport : {dns::Transport::udp, dns::Transport::tcp}) {
    request.transport = transport;
    fuzz::check_reply(snapshot, request, dns::answer(snapshot, request, out), out);
  }
}

void ask_all(const dns::Snapshot& snapshot) {
  for (const char* name : {"example.com", "a.example.com", "b.a.example.com", "*.example.com",
                           "x.w.example.com", "x.cut.example.com"}) {
    for (const std::uint16_t type :
         std::initializer_list<std::uint16_t>{1, 2, 5, 6, 15, 16, 43, 46, 47, 48, 51, 255})
      ask(snapshot, name, type);
  }
}

}  // namespace

// ldns 1.8.3 keeps a few octets of each IPSECKEY that it refuses.
extern "C" const char* __lsan_default_suppressions() { return "leak:ldns_str2rdf_ipseckey\n"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Longer files repeat what shorter ones do, slowly.
  if (size > 4'096) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  dns::BuildInputs inputs;
  inputs.topology = std::make_shared<const routing::Topology>();
  auto loaded = dns::ZoneSet::parse({{"example.com", text}}, *inputs.topology);
  if (!loaded.zones) {
    if (loaded.errors.empty()) std::abort();
    return 0;
  }
  inputs.zones = loaded.zones;
  inputs.signatures = dns::SignedZones::sign(loaded.zones, {}, Instant(), nullptr).zones;
  dns::Snapshot snapshot = *dns::build_snapshot(inputs, {}, 1);
  ask_all(snapshot);
  // Signing takes a hundred times longer than loading: of the short files, each with one denial.
  if (size > 256) return 0;
  fuzz::sign_world(snapshot, static_cast<dns::Denial>(size % 3));
  ask_all(snapshot);
  return 0;
}
