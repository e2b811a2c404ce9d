// SPDX-License-Identifier: Apache-2.0
#include "dns/look_ahead.h"

#include <algorithm>
#include <array>
#include <optional>

#include "dns/edns.h"
#include "dns/skip_name.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// The share of a second-level cache (1 MiB, half of it on older cores) that packets leave to us.
constexpr std::size_t kNearBytes = 256 << 10;
constexpr std::size_t kAdditionalCount = 10;  // where in the header it is

// Nothing unless the query is as clients write it: one question, then the OPT record.
std::optional<Address> client_of(Bytes query) noexcept {
  if (query.size() <= kHeaderOctets || query[kAdditionalCount + 1] == 0) return std::nullopt;
  ByteReader reader(query.subspan(kHeaderOctets));
  skip_name(reader);
  reader.skip(4);
  if (reader.u8() != 0 || reader.u16() != type::opt) return std::nullopt;
  reader.skip(6);
  reader.u16();  // length of the options: they end with the message
  while (reader.remaining() > 0) {
    const std::uint16_t code = reader.u16();
    const Bytes data = reader.take(reader.u16());
    if (code != kOptionClientSubnet) continue;
    const auto subnet = parse_client_subnet(data);
    return subnet ? std::optional(subnet->address) : std::nullopt;
  }
  return std::nullopt;
}

// A name on its way: zone and hash, then the node it may be.
struct Step {
  const Zone* zone = nullptr;
  std::uint32_t hash = 0;
  const Zone::Node* node = nullptr;
};

void look_names_ahead(const ZoneSet& zones, std::span<const Bytes> queries) noexcept {
  std::array<Step, kMostLookedAhead> steps;
  std::size_t count = 0;
  Name name;
  for (const Bytes query : queries) {
    if (query.size() <= kHeaderOctets || !name.assign(query.subspan(kHeaderOctets))) continue;
    const Zone* zone = zones.find(name, type::a);
    if (zone == nullptr) continue;
    zone->fetch_slot(name.hash());
    steps[count++] = {zone, name.hash(), nullptr};
  }
  const auto begun = std::span(steps).first(count);
  for (Step& step : begun) step.node = step.zone->fetch_node(step.hash);
  for (const Step& step : begun) {
    if (step.node != nullptr) step.zone->fetch_name(*step.node);
  }
  for (const Step& step : begun) {
    if (step.node != nullptr) step.zone->fetch_rrset(*step.node);
  }
}

static_assert(kMostLookedAhead <= routing::RoutingTable::kMostWarmed);

}  // namespace

FarTables far_tables(const Snapshot& snapshot) noexcept {
  return {snapshot.zones->memory_bytes() > kNearBytes * 4,
          snapshot.options.edns_client_subnet && snapshot.table->memory_bytes() > kNearBytes};
}

void look_ahead(const Snapshot& snapshot, FarTables far, std::span<const Bytes> queries) noexcept {
  queries = queries.first(std::min(queries.size(), kMostLookedAhead));
  if (far.names) look_names_ahead(*snapshot.zones, queries);
  if (!far.networks) return;
  std::array<Address, kMostLookedAhead> clients;
  std::size_t count = 0;
  for (const Bytes query : queries) {
    if (const auto client = client_of(query)) clients[count++] = *client;
  }
  snapshot.table->warm(std::span(clients).first(count));
}

}  // namespace isochrone::dns
