// SPDX-License-Identifier: Apache-2.0
//
// Any text as a zone file; what loads is then asked for its apex and for names that it may hold.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "dns/answer.h"
#include "dns/follower.h"
#include "dns/name.h"

using namespace isochrone;

namespace {

void ask(const dns::Snapshot& snapshot, std::string_view name, std::uint16_t type) {
  static std::vector<std::uint8_t> out(dns::kMaxMessage);
  std::vector<std::uint8_t> query{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  const auto wire = dns::name_from_text(name);
  query.insert(query.end(), wire->begin(), wire->end());
  query.insert(query.end(),
               {static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type), 0, 1});
  const auto reply = dns::answer(snapshot, {query, Address(), dns::Transport::tcp}, out);
  if (reply.size == 0) std::abort();
}

}  // namespace

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
  const dns::Snapshot snapshot = *dns::build_snapshot(inputs, {}, 1);
  for (const char* name : {"example.com", "a.example.com", "b.a.example.com", "*.example.com"}) {
    for (const std::uint16_t type :
         std::initializer_list<std::uint16_t>{1, 2, 5, 6, 15, 16, 43, 255})
      ask(snapshot, name, type);
  }
  return 0;
}
