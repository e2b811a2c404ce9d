// SPDX-License-Identifier: Apache-2.0
#include "app/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/api.h"
#include "app/config.h"
#include "app/table.h"
#include "base/loop.h"
#include "dns/key_store.h"
#include "dns/name.h"

namespace isochrone::app {
namespace {

using dns::KeyState;
using dns::SigningKey;

// How long resolvers need to see a new key beyond its TTL: secondaries, clocks, this node's reload.
constexpr Seconds kPropagation{3'600};
// DS records live for a day at most parents, signatures of the old key no longer than the TTLs they
// cover; a second day is for whoever is late.
constexpr Seconds kRemoval{2 * 86'400};

// A zone of the configuration and its keys.
struct Keyring {
  std::string zone;
  dns::SigningPolicy policy;
  std::vector<std::uint8_t> origin;
  std::vector<SigningKey> keys;
  Instant now;

  dns::KeyStore store() const { return dns::KeyStore(policy.keys); }
  const SigningKey* in_state(KeyState state) const {
    const auto at = std::find_if(keys.begin(), keys.end(),
                                 [&](const SigningKey& key) { return key.state(now) == state; });
    return at == keys.end() ? nullptr : &*at;
  }
};

Result<Keyring> open_keyring(const dns::ZoneSource& zone) {
  if (!zone.signing) {
    return fail(Errc::invalid,
                fmt::format("zone {0} is not signed; add \"dnssec:\" below its name", zone.name));
  }
  Keyring ring{zone.name, *zone.signing, dns::name_from_text(zone.name).value(), {}, Loop().wall()};
  auto keys = ring.store().load(ring.origin);
  if (!keys) return tl::unexpected(keys.error());
  ring.keys = std::move(*keys);
  return ring;
}

// The signed zones that are meant: the one that is named, or all.
Result<std::vector<dns::ZoneSource>> zones_meant(const KeyArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) {
    std::string all;
    for (const Error& error : config.error()) all += (all.empty() ? "" : "\n") + error.text();
    return fail(Errc::invalid, all);
  }
  std::vector<dns::ZoneSource> meant;
  for (const dns::ZoneSource& zone : config->dns.zones) {
    const bool is_meant = arguments.zone.empty() ? zone.signing.has_value()
                                                 : dns::name_from_text(zone.name) ==
                                                       dns::name_from_text(arguments.zone);
    if (is_meant) meant.push_back(zone);
  }
  if (meant.empty() && !arguments.zone.empty()) {
    return fail(Errc::not_found, fmt::format("{}: no zone {}; add it to zones or correct the name",
                                             arguments.config.string(), arguments.zone));
  }
  return meant;
}

Result<Keyring> open_named(const KeyArguments& arguments) {
  const auto zones = zones_meant(arguments);
  if (!zones) return tl::unexpected(zones.error());
  return open_keyring(zones->front());
}

Result<Seconds> delay(const KeyArguments& arguments, Seconds usual) {
  if (arguments.after.empty()) return usual;
  const auto given = parse_duration(arguments.after);
  if (!given) {
    return fail(Errc::invalid,
                fmt::format("\"{}\" is not a duration; write one like 90m or 2d", arguments.after));
  }
  return std::chrono::duration_cast<Seconds>(*given);
}

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string ds_line(const Keyring& ring, const SigningKey& key) {
  const auto ds = key.ds();
  return fmt::format("{}. IN DS {} {} {} {}", ring.zone == "." ? "" : ring.zone, key.tag(),
                     static_cast<int>(key.algorithm()), ds[3], hex(Bytes(ds).subspan(4)));
}

std::string when(const std::optional<Instant>& time) {
  return time ? format_instant(*time).substr(0, 19) + "Z" : std::string();
}

void print_ds(const Keyring& ring, const SigningKey& key) {
  fmt::print("{}\n", ds_line(ring, key));
}

Result<void> generate(const KeyArguments& arguments) {
  const auto ring = open_named(arguments);
  if (!ring) return tl::unexpected(ring.error());
  for (const SigningKey& key : ring->keys) {
    if (key.state(ring->now) == KeyState::removed) continue;
    return fail(Errc::invalid, fmt::format("zone {} has key {} already; replace it with `isochrone "
                                           "key roll {}`",
                                           ring->zone, key.file_name(), ring->zone));
  }
  const auto algorithm = arguments.algorithm.empty() ? ring->policy.algorithm
                                                     : dns::parse_algorithm(arguments.algorithm);
  dns::KeyTimes times;
  times.created = times.publish = times.activate = ring->now;
  auto key = SigningKey::generate(ring->origin, *algorithm, times);
  if (!key) return tl::unexpected(key.error());
  if (auto saved = ring->store().save(*key); !saved) return saved;
  fmt::print("made {}\nreload the node, check that it answers signed, then give the parent:\n",
             (ring->policy.keys / key->file_name()).string());
  print_ds(*ring, *key);
  return {};
}

Result<void> show_ds(const KeyArguments& arguments) {
  const auto ring = open_named(arguments);
  if (!ring) return tl::unexpected(ring.error());
  bool has_one = false;
  for (const SigningKey& key : ring->keys) {
    if (key.state(ring->now) != KeyState::active || !key.is_secure_entry_point()) continue;
    print_ds(*ring, key);
    has_one = true;
  }
  if (has_one) return {};
  return fail(Errc::not_found, fmt::format("zone {} has no active key in {}; run `isochrone key "
                                           "generate {}`",
                                           ring->zone, ring->policy.keys.string(), ring->zone));
}

nlohmann::json describe(const Keyring& ring, const SigningKey& key) {
  const auto time = [](const std::optional<Instant>& at) {
    return at ? nlohmann::json(when(at)) : nlohmann::json();
  };
  const dns::KeyTimes& times = key.times();
  return {{"zone", ring.zone},
          {"tag", key.tag()},
          {"algorithm", std::string(to_string(key.algorithm()))},
          {"flags", key.flags()},
          {"state", std::string(to_string(key.state(ring.now)))},
          {"created", time(times.created)},
          {"publish", time(times.publish)},
          {"activate", time(times.activate)},
          {"inactive", time(times.inactive)},
          {"delete", time(times.remove)},
          {"ds", ds_line(ring, key)},
          {"file", (ring.policy.keys / key.file_name()).string()}};
}

Result<void> show(const KeyArguments& arguments) {
  const auto zones = zones_meant(arguments);
  if (!zones) return tl::unexpected(zones.error());
  auto all = nlohmann::json::array();
  Table table({"zone", "tag", "algorithm", "state", "publish", "activate", "inactive", "delete"});
  for (const dns::ZoneSource& zone : *zones) {
    const auto ring = open_keyring(zone);
    if (!ring) return tl::unexpected(ring.error());
    for (const SigningKey& key : ring->keys) {
      all.push_back(describe(*ring, key));
      const dns::KeyTimes& times = key.times();
      table.add({ring->zone, fmt::to_string(key.tag()), std::string(to_string(key.algorithm())),
                 std::string(to_string(key.state(ring->now))), when(times.publish),
                 when(times.activate), when(times.inactive), when(times.remove)});
    }
  }
  if (arguments.json) {
    fmt::print("{}\n", all.dump(2));
  } else {
    fmt::print("{}", table.text());
  }
  return {};
}

// The one key of a zone that is not being rolled.
Result<const SigningKey*> key_to_replace(const Keyring& ring) {
  for (const KeyState state : {KeyState::planned, KeyState::published}) {
    if (const SigningKey* key = ring.in_state(state)) {
      return fail(Errc::invalid,
                  fmt::format("zone {} is being rolled to {} since {}; wait until it "
                              "is active",
                              ring.zone, key->file_name(), when(key->times().publish)));
    }
  }
  for (const SigningKey& key : ring.keys) {
    if (key.is_secure_entry_point() || key.state(ring.now) == KeyState::removed) continue;
    return fail(Errc::invalid,
                fmt::format("zone {} has separate keys for data ({}); roll is for a zone with one "
                            "key, set the times with dnssec-settime",
                            ring.zone, key.file_name()));
  }
  const SigningKey* key = ring.in_state(KeyState::active);
  if (key != nullptr) return key;
  return fail(Errc::not_found, fmt::format("zone {} has no active key; run `isochrone key generate "
                                           "{}`",
                                           ring.zone, ring.zone));
}

// The new key is in the DNSKEY set for longer than caches keep one without it before it signs; from
// then on it signs everything, and the old one, whose DS the parent still has, the key set beside it.
Result<void> roll(const KeyArguments& arguments) {
  const auto ring = open_named(arguments);
  if (!ring) return tl::unexpected(ring.error());
  const auto replaced = key_to_replace(*ring);
  if (!replaced) return tl::unexpected(replaced.error());
  const SigningKey* old = *replaced;
  const auto wait = delay(arguments, ring->policy.dnskey_ttl + kPropagation);
  if (!wait) return tl::unexpected(wait.error());
  dns::KeyTimes times;
  times.created = times.publish = ring->now;
  times.activate = ring->now + *wait;
  auto key = SigningKey::generate(ring->origin, old->algorithm(), times);
  if (!key) return tl::unexpected(key.error());
  dns::KeyTimes old_times = old->times();
  old_times.inactive = times.activate;
  if (!old_times.activate) old_times.publish = old_times.activate = ring->now - Seconds(1);
  if (auto saved = ring->store().save(*key); !saved) return saved;
  if (auto saved = ring->store().save(old->with_times(old_times)); !saved) return saved;
  fmt::print(
      "made {}; reload the node to publish it\nit signs from {} on; then give the parent, in "
      "the place of the DS of {}:\n",
      (ring->policy.keys / key->file_name()).string(), when(times.activate), old->tag());
  print_ds(*ring, *key);
  fmt::print("when the parent has it: isochrone key retire {} {}\n", ring->zone, old->tag());
  return {};
}

Result<void> retire(const KeyArguments& arguments) {
  const auto ring = open_named(arguments);
  if (!ring) return tl::unexpected(ring.error());
  const auto key = std::find_if(ring->keys.begin(), ring->keys.end(),
                                [&](const SigningKey& one) { return one.tag() == arguments.tag; });
  if (key == ring->keys.end()) {
    return fail(Errc::not_found, fmt::format("zone {} has no key {}; `isochrone key show {}` lists "
                                             "them",
                                             ring->zone, arguments.tag, ring->zone));
  }
  const KeyState state = key->state(ring->now);
  if (state != KeyState::retired) {
    return fail(Errc::invalid,
                fmt::format("key {} of zone {} is {}; only a retired key can go, start with "
                            "`isochrone key roll {}`",
                            key->tag(), ring->zone, to_string(state), ring->zone));
  }
  const auto wait = delay(arguments, std::max(kRemoval, ring->policy.dnskey_ttl + kPropagation));
  if (!wait) return tl::unexpected(wait.error());
  dns::KeyTimes times = key->times();
  times.remove = ring->now + *wait;
  if (auto saved = ring->store().save(key->with_times(times)); !saved) return saved;
  fmt::print("key {} leaves the zone at {}\n", key->tag(), when(times.remove));
  return {};
}

int finish(const Result<void>& done) { return done ? 0 : complain(done.error()); }

}  // namespace

int key_generate_command(const KeyArguments& arguments) { return finish(generate(arguments)); }
int key_ds_command(const KeyArguments& arguments) { return finish(show_ds(arguments)); }
int key_show_command(const KeyArguments& arguments) { return finish(show(arguments)); }
int key_roll_command(const KeyArguments& arguments) { return finish(roll(arguments)); }
int key_retire_command(const KeyArguments& arguments) { return finish(retire(arguments)); }

}  // namespace isochrone::app
