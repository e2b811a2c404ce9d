// SPDX-License-Identifier: Apache-2.0
#include "dns/signed_zones.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "dns/key_store.h"
#include "dns/wire.h"
#include "dns/zone_signer.h"

namespace isochrone::dns {
namespace {

using Keys = std::vector<SigningKey>;

const Zone* find_zone(const ZoneSet& zones, const std::string& name) {
  const auto wire = name_from_text(name);
  const auto& all = zones.zones();
  const auto at = std::find_if(all.begin(), all.end(), [&](const Zone& zone) {
    return wire &&
           std::equal(wire->begin(), wire->end(), zone.origin().begin(), zone.origin().end());
  });
  return at == all.end() ? nullptr : &*at;
}

Result<void> check_records(const Zone& zone, const std::string& name) {
  for (const std::uint16_t made_here : {type::dnskey, type::cds, type::cdnskey}) {
    if (!zone.rrset(zone.nodes().front(), made_here)) continue;
    return fail(Errc::invalid,
                fmt::format("zone {} is signed here and its file has a record of type {} at the "
                            "apex; remove it, it is made from the keys",
                            name, made_here));
  }
  return {};
}

// At least one signs, and no algorithm is announced by a key whose algorithm signs nothing
// (RFC 4035 section 2.2).
Result<void> check_states(const Keys& keys, const std::string& name,
                          const std::filesystem::path& folder, Instant now) {
  const auto signs = [&](KeyAlgorithm algorithm) {
    return std::any_of(keys.begin(), keys.end(), [&](const SigningKey& key) {
      return key.algorithm() == algorithm && key.state(now) == KeyState::active;
    });
  };
  const bool has_active = signs(KeyAlgorithm::ecdsap256sha256) || signs(KeyAlgorithm::ed25519);
  if (!has_active) {
    return fail(Errc::not_found,
                fmt::format("zone {} has no active key in {}; run `isochrone key generate {}` or "
                            "correct the times of one",
                            name, folder.string(), name));
  }
  for (const SigningKey& key : keys) {
    const KeyState state = key.state(now);
    const bool is_announced = state == KeyState::published || state == KeyState::retired;
    if (!is_announced || signs(key.algorithm())) continue;
    return fail(Errc::invalid,
                fmt::format("{}: {} while no key of {} is active; a zone cannot change its "
                            "algorithm by publishing a key first",
                            key.file_name(), to_string(state), to_string(key.algorithm())));
  }
  return {};
}

Result<Keys> usable_keys(const Zone& zone, const ZonePolicy& signing, Instant now) {
  if (auto checked = check_records(zone, signing.zone); !checked) {
    return tl::unexpected(checked.error());
  }
  auto keys = KeyStore(signing.policy.keys).load(zone.origin());
  if (!keys) return tl::unexpected(keys.error().within("zone " + signing.zone));
  if (auto checked = check_states(*keys, signing.zone, signing.policy.keys, now); !checked) {
    return tl::unexpected(checked.error());
  }
  return keys;
}

void warn_of_ttls(const Zone& zone, const ZonePolicy& signing, std::vector<std::string>& warnings) {
  for (std::size_t i = 0; i < zone.rrsets(); ++i) {
    const std::uint32_t ttl = zone.rrset_at(i).ttl();
    if (ttl <= signing.policy.refresh.count()) continue;
    warnings.push_back(
        fmt::format("zone {}: a TTL of {} s is longer than dnssec.refresh, so caches may keep a "
                    "record beyond its signature; lower it",
                    signing.zone, ttl));
    return;
  }
}

}  // namespace

// One run over all zones.
struct SignedZones::Signing {
  Made& made;
  SignedZones& to;
  const SignedZones* before;
  Instant now;

  // Zones that came signed and are not signed here.
  void add_carried(const std::vector<ZonePolicy>& policies) {
    for (const Zone& zone : to.zones_->zones()) {
      if (!zone.carried()) continue;
      const std::string name = name_to_text(zone.origin());
      const bool is_signed_here = std::any_of(policies.begin(), policies.end(),
                                              [&](const auto& one) { return one.zone == name; });
      if (!is_signed_here) to.entries_.push_back({&zone, zone.carried(), {}});
    }
  }

  void add(const ZonePolicy& signing) {
    const Zone* zone = find_zone(*to.zones_, signing.zone);
    if (zone == nullptr) return;  // its own errors have been told
    const Entry* old = old_of(*zone);
    if (!zone->is_available()) {
      // Kept for its serial: what comes next must be newer than what was.
      if (old != nullptr) to.entries_.push_back({zone, old->signatures, old->keys});
      return;
    }
    auto keys = usable_keys(*zone, signing, now);
    if (!keys) {
      made.errors.push_back(keys.error());
      if (can_go_on(old, *zone, signing)) keys = old->keys;
    }
    if (keys && sign(*zone, signing, std::move(*keys), old)) return;
    // Better what is still valid than nothing, and tried again soon.
    if (old != nullptr && old->zone == zone) to.entries_.push_back(*old);
  }

 private:
  // Whether the keys of the last time, which nobody took back, still serve.
  bool can_go_on(const Entry* old, const Zone& zone, const ZonePolicy& signing) const {
    return old != nullptr && check_records(zone, signing.zone) &&
           check_states(old->keys, signing.zone, signing.policy.keys, now);
  }

  bool sign(const Zone& zone, const ZonePolicy& signing, Keys keys, const Entry* old) {
    const Signatures* before_it = old == nullptr ? nullptr : old->signatures.get();
    auto signatures = ZoneSigner(*to.zones_, zone, keys, signing.policy, now, before_it).sign();
    if (!signatures) {
      made.errors.push_back(signatures.error());
      return false;
    }
    warn_of_ttls(zone, signing, made.warnings);
    note((*signatures)->earliest_expiration() - signing.policy.refresh);
    for (const SigningKey& key : keys) note(key.times().next_change(now));
    to.entries_.push_back({&zone, std::move(*signatures), std::move(keys)});
    return true;
  }

  void note(std::optional<Instant> change) {
    if (change && (!to.next_change_ || *change < *to.next_change_)) to.next_change_ = change;
  }

  const Entry* old_of(const Zone& zone) const {
    if (before == nullptr) return nullptr;
    for (const Entry& entry : before->entries_) {
      const Bytes a = entry.zone->origin();
      const Bytes b = zone.origin();
      if (std::equal(a.begin(), a.end(), b.begin(), b.end())) return &entry;
    }
    return nullptr;
  }
};

SignedZones::Made SignedZones::sign(std::shared_ptr<const ZoneSet> zones,
                                    const std::vector<ZonePolicy>& policies, Instant now,
                                    const SignedZones* before) {
  Made made;
  auto to = std::make_shared<SignedZones>();
  to->zones_ = std::move(zones);
  Signing signing{made, *to, before, now};
  for (const ZonePolicy& policy : policies) signing.add(policy);
  signing.add_carried(policies);
  std::sort(to->entries_.begin(), to->entries_.end(), [](const Entry& a, const Entry& b) {
    return std::less<const Zone*>()(a.zone, b.zone);
  });
  made.zones = std::move(to);
  return made;
}

const Signatures* SignedZones::of(const Zone* zone) const noexcept {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), zone,
      [](const Entry& a, const Zone* b) { return std::less<const Zone*>()(a.zone, b); });
  return at != entries_.end() && at->zone == zone ? at->signatures.get() : nullptr;
}

std::vector<Error> check_keys(const ZoneSet& zones, const std::vector<ZonePolicy>& policies,
                              Instant now) {
  std::vector<Error> errors;
  for (const ZonePolicy& signing : policies) {
    const Zone* zone = find_zone(zones, signing.zone);
    if (zone == nullptr || !zone->is_available()) continue;
    if (auto keys = usable_keys(*zone, signing, now); !keys) errors.push_back(keys.error());
  }
  return errors;
}

}  // namespace isochrone::dns
