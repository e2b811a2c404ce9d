// SPDX-License-Identifier: Apache-2.0
//
// What the core learns of resolvers: who is behind each, and which site is best for all of them together.
//
// A resolver is a host row of the performance state, so that whoever compiles a table has one for it: a
// query without Client Subnet is answered for the address that it comes from.
#include <algorithm>
#include <utility>

#include "collector/core.h"
#include "collector/resolver_rows.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

constexpr std::string_view kResolverNote = "resolver/";
constexpr std::string_view kClosedNote = "resolvers-closed";
// Every row is looked at so often: a path that changes reaches resolvers a little after its own network.
constexpr Seconds kBlendEvery{10};
// No slot is open for longer: the longest life of a token (app/config_keys_beacon), and some.
constexpr Seconds kMaxOpen{3'600 + 120};
constexpr std::size_t kPage = 10'000;

std::string bytes_of(Instant instant) {
  std::string bytes(8, '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  out.u64(static_cast<std::uint64_t>(unix_nanos(instant)));
  return bytes;
}

Prefix host(const Address& address) { return {address, address.width()}; }

}  // namespace

bool Core::note_beacon(const event::Event& event, Instant now) {
  const auto task = event::parse_beacon_task(event.task);
  if (!task) return false;
  bool is_kept = true;
  const auto* demand = std::get_if<event::Demand>(&event.payload);
  if (demand != nullptr) is_kept = resolvers_.saw_resolver(*task, demand->resolver, now);
  const auto* measurement = std::get_if<event::Measurement>(&event.payload);
  if (measurement != nullptr) is_kept = resolvers_.saw_client(*task, measurement->prefix, now);
  ++counts_.sightings;
  if (!is_kept) ++counts_.sightings_lost;
  return true;
}

void Core::restore_resolvers(const EventLog& log, Instant now) {
  log.notes(kResolverNote, [&](std::string_view key, std::string_view bytes) {
    const auto resolver = Address::parse(key.substr(kResolverNote.size()));
    if (resolver) resolvers_.restore(*resolver, bytes);
  });
  Instant from{};
  if (const auto note = log.note(kClosedNote); note && note->size() == 8) {
    ByteReader in({reinterpret_cast<const std::uint8_t*>(note->data()), note->size()});
    from = from_unix_nanos(static_cast<std::int64_t>(in.u64()));
    resolvers_.restore_closed_until(from);
  }
  // What was seen of the slots that are open was stored after they began.
  for (const auto channel : {event::Channel::demand, event::Channel::measurement}) {
    event::Position after = log.before(channel, std::max(from, now - kMaxOpen));
    while (true) {
      const Page page = log.read(channel, after, kPage);
      for (const StoredBytes& stored : page.events) {
        const auto* data = reinterpret_cast<const std::uint8_t*>(stored.event.data());
        const auto event = event::from_protobuf({data, stored.event.size()});
        if (event) note_beacon(*event, now);
      }
      if (page.is_at_end) break;
      after = page.scanned;
    }
  }
}

void Core::blend_resolvers(Instant now) {
  const std::vector<Address> changed = resolvers_.close(now);
  for (const Address& resolver : changed) {
    if (speaks()) {
      outbox_.notes.push_back(
          {std::string(kResolverNote) + resolver.to_string(), resolvers_.record(resolver)});
    }
    blend_one(resolver, now);
  }
  if (!changed.empty() && speaks()) {
    outbox_.notes.push_back({std::string(kClosedNote), bytes_of(resolvers_.closed_until())});
  }
  for (const Address& resolver : resolvers_.due(now, kBlendEvery)) blend_one(resolver, now);
}

void Core::blend_one(const Address& resolver, Instant now) {
  const Prefix prefix = host(resolver);
  if (!windows_.is_mine(prefix)) return;
  const ResolverMap::Mix* mix = resolvers_.find(resolver);
  auto paths = mix != nullptr ? blend(*mix, blocks()) : std::vector<routing::PathState>();
  const bool is_known = state_.find(prefix) != nullptr;
  if (paths.empty() && !is_known) return;
  routing::PrefixState& known = state_.at(prefix);
  const bool is_other = differs(known.paths, paths);
  if (is_other) {
    known.paths = std::move(paths);
  } else {
    // They are what they were, and still so.
    for (std::size_t i = 0; i < paths.size(); ++i)
      known.paths[i].estimate.at = paths[i].estimate.at;
  }
  if (!decide(known, now) && !is_other) return;
  known.changed(now);
  say_state(known, now);
  if (known.paths.empty()) state_.erase(prefix);
  touch(now);
}

}  // namespace isochrone::collector
