// SPDX-License-Identifier: Apache-2.0
#include "dns/zone_signer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "dns/base32.h"
#include "dns/journal.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

// SHA-1, no flags, no iterations, no salt (RFC 9276 section 3.1).
constexpr std::uint8_t kNsec3Parameters[] = {1, 0, 0, 0, 0};
constexpr std::uint8_t kHashOctets = 20;
constexpr std::size_t kSoaNumbers = 20;  // the last octets of SOA data, the serial first
constexpr std::size_t kUsualRrsig =
    128;  // octets of a record with a signer's name of common length

RecordData copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// What an answer of the type can name, each at the number of its signature.
std::vector<std::vector<routing::SiteId>> namings_of(RoutedType type, routing::SiteMask among,
                                                     std::size_t most) {
  if (is_binding(type)) return orders_of(among, most);
  std::vector<std::vector<routing::SiteId>> namings;
  for (const routing::SiteMask set : sets_of(among, most)) namings.push_back(members_of(set));
  return namings;
}

}  // namespace

ZoneSigner::ZoneSigner(const ZoneSet& zones, const Zone& zone, std::span<const SigningKey> keys,
                       const SigningPolicy& policy, Instant now, const Signatures* before)
    : zones_(zones),
      zone_(zone),
      keys_(keys),
      policy_(policy),
      now_(now),
      before_(before),
      made_(std::make_shared<Signatures>()),
      signer_(zone.origin(), keys, policy, now, before, *made_) {}

Result<std::shared_ptr<const Signatures>> ZoneSigner::sign() {
  made_->denial_ = policy_.denial;
  made_->arena_.reserve((zone_.rrsets() + 2 * zone_.nodes().size()) * kUsualRrsig);
  for (const auto step :
       {&ZoneSigner::sign_sets, &ZoneSigner::sign_routed, &ZoneSigner::add_apex_sets,
        &ZoneSigner::add_denials, &ZoneSigner::add_compact, &ZoneSigner::sign_soa}) {
    if (auto done = (this->*step)(); !done) return tl::unexpected(done.error());
  }
  auto& memory = made_->memory_;
  std::sort(memory.begin(), memory.end(),
            [](const auto& a, const auto& b) { return a.digest < b.digest; });
  memory.shrink_to_fit();
  made_->chain_.shrink();
  return made_;
}

Result<void> ZoneSigner::sign_sets() {
  made_->rrsigs_.resize(zone_.rrsets());
  for (const Zone::Node& node : zone_.nodes()) {
    if (!is_authoritative(node)) continue;
    for (std::size_t i = 0; i < node.rrsets; ++i) {
      const Rrset set = zone_.rrset_at(node.first_rrset + i);
      // At a cut all but DS is the child's (RFC 4035 section 2.2).
      if (node.is_cut && set.type != type::ds) continue;
      if (set.type == type::soa) continue;  // last: its serial depends on all the others
      auto rrsig =
          signer_.sign({zone_.name(node), set.type, set.ttl(), uncompressed(set, zone_.origin())});
      if (!rrsig) return tl::unexpected(rrsig.error());
      made_->rrsigs_[set.id] = *rrsig;
    }
  }
  return {};
}

// Secondaries take over what has a newer serial, and nothing else: so whatever was signed anew has one.
std::uint32_t ZoneSigner::next_serial() const {
  const std::uint32_t own = zone_.serial();
  if (!policy_.raises_serial) return own;
  const auto last = before_ != nullptr ? std::optional(before_->serial_) : policy_.last_serial;
  if (!last) return own;
  if (policy_.taken_serial && !is_newer_serial(*last, *policy_.taken_serial)) {
    return is_newer_serial(own, *policy_.taken_serial) ? own : *policy_.taken_serial + 1;
  }
  const bool is_unchanged = before_ != nullptr && before_->zone_serial_ == own && made_->made_ == 0;
  if (is_unchanged) return *last;
  return is_newer_serial(own, *last) ? own : *last + 1;
}

Result<void> ZoneSigner::sign_soa() {
  made_->zone_serial_ = zone_.serial();
  made_->serial_ = next_serial();
  const Rrset soa = zone_.soa();
  SetToSign set{zone_.origin(), type::soa, soa.ttl(), uncompressed(soa, zone_.origin())};
  if (made_->serial_ == zone_.serial()) {
    auto rrsig = signer_.sign(set);
    if (!rrsig) return tl::unexpected(rrsig.error());
    made_->rrsigs_[soa.id] = *rrsig;
    return {};
  }
  RecordData& data = set.data.front();
  for (std::size_t i = 0; i < 4; ++i) {
    data[data.size() - kSoaNumbers + i] =
        static_cast<std::uint8_t>(made_->serial_ >> (8 * (3 - i)));
  }
  auto pair = signer_.add(set);
  if (!pair) return tl::unexpected(pair.error());
  made_->apex_.push_back({type::soa, *pair});
  made_->rrsigs_[soa.id] = pair->rrsig;
  const Bytes numbered(data);
  const auto negative =
      made_->arena_.add(type::soa, zone_.negative_ttl(), std::span(&numbered, 1), zone_.origin());
  if (negative) made_->negative_soa_ = *negative;
  return {};
}

Result<void> ZoneSigner::sign_routed() {
  auto& names = made_->routed_names_;
  for (const Zone::Node& node : zone_.nodes()) {
    const auto service = zone_.service(node);
    if (!service) continue;
    names.push_back({*service, {}, {}, {}});
    for (const RoutedType type : kRoutedTypes) {
      names.back().first[index(type)] = static_cast<std::uint32_t>(made_->routed_.size());
      if (auto done = sign_sets_of(*service, zone_.name(node), type); !done) return done;
    }
  }
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return a.service < b.service; });
  return {};
}

// One signature for each set of sites that an answer can name, or for each order of them.
Result<void> ZoneSigner::sign_sets_of(routing::ServiceId service, Bytes owner, RoutedType type) {
  const RoutedSets::Service& routed = zones_.routed().service(service);
  for (const auto& named : namings_of(type, routed.sites_with(type), routed.count)) {
    SetToSign whole{owner, record_type(type), routed.ttl, {}};
    for (std::size_t i = 0; i < named.size(); ++i) {
      auto data = uncompressed(zones_.routed().get(service, type, named[i]), {});
      if (is_binding(type)) store_be(data.front().data(), static_cast<std::uint16_t>(i + 1));
      std::move(data.begin(), data.end(), std::back_inserter(whole.data));
    }
    auto rrsig = signer_.sign(whole);
    if (!rrsig) return tl::unexpected(rrsig.error());
    made_->routed_.push_back(*rrsig);
  }
  return {};
}

Result<void> ZoneSigner::add_apex_set(std::uint16_t record_type, std::uint32_t ttl,
                                      std::vector<RecordData> data) {
  if (data.empty()) return {};
  auto pair = signer_.add({zone_.origin(), record_type, ttl, std::move(data)});
  if (!pair) return tl::unexpected(pair.error());
  made_->apex_.push_back({record_type, *pair});
  return {};
}

Result<void> ZoneSigner::add_apex_sets() {
  std::vector<RecordData> dnskeys;
  std::vector<RecordData> cds;
  std::vector<RecordData> cdnskeys;
  for (const SigningKey& key : keys_) {
    const KeyState state = key.state(now_);
    if (state == KeyState::planned || state == KeyState::removed) continue;
    dnskeys.push_back(copy(key.dnskey()));
    // The parent shall have the keys that sign now (RFC 7344 section 4).
    if (!policy_.publish_cds || state != KeyState::active || !key.is_secure_entry_point()) continue;
    cds.push_back(key.ds());
    cdnskeys.push_back(copy(key.dnskey()));
  }
  const auto ttl = static_cast<std::uint32_t>(policy_.dnskey_ttl.count());
  std::vector<RecordData> parameters;
  if (policy_.denial == Denial::nsec3) parameters.push_back(copy(kNsec3Parameters));
  for (auto& [record_type, data] :
       {std::pair(type::dnskey, &dnskeys), std::pair(type::cds, &cds),
        std::pair(type::cdnskey, &cdnskeys), std::pair(type::nsec3param, &parameters)}) {
    if (auto done = add_apex_set(record_type, ttl, std::move(*data)); !done) return done;
  }
  return {};
}

bool ZoneSigner::has_data(const Zone::Node& node) const {
  return node.rrsets > 0 || zone_.service(node).has_value();
}

bool ZoneSigner::is_routed(const Zone::Node& node, RoutedType type) const {
  const auto service = zone_.service(node);
  return service && zones_.routed().service(*service).sites_with(type) != 0;
}

// All that can ever be answered at the name: a bit map is used to deny without asking again
// (RFC 8198), so it names a routed type even while no site that is up has it.
ZoneSigner::Types ZoneSigner::types_at(const Zone::Node& node) const {
  Types types;
  bool is_signed = false;
  const auto add = [&](std::uint16_t record_type, bool signs) {
    types.push_back(record_type);
    is_signed |= signs;
  };
  for (std::size_t i = 0; i < node.rrsets; ++i) {
    const std::uint16_t record_type = zone_.rrset_at(node.first_rrset + i).type;
    if (node.is_cut && record_type != type::ns && record_type != type::ds) continue;
    add(record_type, !node.is_cut || record_type == type::ds);
  }
  for (const RoutedType type : kRoutedTypes) {
    if (is_routed(node, type)) add(record_type(type), true);
  }
  if (&node == &zone_.nodes().front()) {
    for (const auto& set : made_->apex_) add(set.type, true);
  }
  const bool is_nsec = policy_.denial != Denial::nsec3;
  if (is_nsec) types.push_back(type::nsec);
  if (is_nsec || is_signed) types.push_back(type::rrsig);
  return types;
}

Result<void> ZoneSigner::add_denials() {
  std::vector<Keyed> sorted;
  for (const Zone::Node& node : zone_.nodes()) {
    if (!is_authoritative(node)) continue;
    const Bytes name = zone_.name(node);
    if (policy_.denial == Denial::nsec3) {
      sorted.push_back({copy(hash_name(name)), zone_.id(node)});
    } else if (has_data(node)) {
      // An empty non-terminal has no NSEC (RFC 4035 section 2.3).
      sorted.push_back({copy(CanonicalKey(name).bytes()), zone_.id(node)});
    }
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Keyed& a, const Keyed& b) { return compare_keys(a.key, b.key) < 0; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Keyed& next = sorted[(i + 1) % sorted.size()];
    if (i > 0 && sorted[i].key == sorted[i - 1].key) {
      return fail(Errc::invalid,
                  fmt::format("two names of zone {} have one NSEC3 hash; use denial: nsec",
                              name_to_text(zone_.origin())));
    }
    if (auto done = add_denial(sorted[i], next); !done) return done;
  }
  place_nodes(sorted);
  return {};
}

Result<void> ZoneSigner::add_denial(const Keyed& at, const Keyed& next) {
  const Zone::Node& node = zone_.nodes()[at.node];
  const bool is_nsec3 = policy_.denial == Denial::nsec3;
  const Bytes name = zone_.name(node);
  RecordData labels = copy(name.first(name.size() - zone_.origin().size()));
  if (is_nsec3) labels = hash_label(at.key);
  RecordData owner = labels;
  owner.insert(owner.end(), zone_.origin().begin(), zone_.origin().end());
  RecordData data;
  if (is_nsec3) {
    data = copy(kNsec3Parameters);
    data.push_back(kHashOctets);
    data.insert(data.end(), next.key.begin(), next.key.end());
  } else {
    data = copy(zone_.name(zone_.nodes()[next.node]));
  }
  const Types types = types_at(node);
  auto whole = add_denial_set(owner, data, types);
  if (!whole) return tl::unexpected(whole.error());
  made_->chain_.add(at.key, labels, *whole);
  return add_variants(node, owner, data, types, &Signatures::RoutedName::without);
}

Result<SignedSet> ZoneSigner::add_denial_set(Bytes owner, RecordData data, Types types) {
  const auto bitmap = type_bitmap(std::move(types));
  data.insert(data.end(), bitmap.begin(), bitmap.end());
  const std::uint16_t record_type = policy_.denial == Denial::nsec3 ? type::nsec3 : type::nsec;
  // RFC 9077 section 3: min(SOA TTL, MINIMUM), like the SOA of a negative answer.
  return signer_.add({owner, record_type, zone_.negative_ttl(), {std::move(data)}});
}

// While no site that is up has a type, its absence is proven by a record without its bit.
Result<void> ZoneSigner::add_variants(const Zone::Node& node, Bytes owner, const RecordData& data,
                                      const Types& types, Variants to) {
  const auto service = zone_.service(node);
  if (!service) return {};
  auto& names = made_->routed_names_;
  const auto name = std::lower_bound(names.begin(), names.end(), *service,
                                     [](const auto& a, auto b) { return a.service < b; });
  for (const RoutedType type : kRoutedTypes) {
    if (!is_routed(node, type)) continue;
    Types without = types;
    std::erase(without, record_type(type));
    auto made = add_denial_set(owner, data, std::move(without));
    if (!made) return tl::unexpected(made.error());
    ((*name).*to)[index(type)] = *made;
  }
  return {};
}

// RFC 9824 section 3.1: the interval at a name that exists ends at the first name below it. Too long a
// name has none; the chain denies there.
Result<void> ZoneSigner::add_compact() {
  if (policy_.denial != Denial::compact) return {};
  made_->online_key_ = signer_.online_key();
  made_->compact_.resize(zone_.nodes().size());
  for (const Zone::Node& node : zone_.nodes()) {
    const Bytes name = zone_.name(node);
    if (!is_authoritative(node) || name.size() + 2 > kMaxNameOctets) continue;
    RecordData next{1, 0};
    next.insert(next.end(), name.begin(), name.end());
    const Types types = types_at(node);
    auto made = add_denial_set(name, next, types);
    if (!made) return tl::unexpected(made.error());
    made_->compact_[zone_.id(node)] = *made;
    auto variants = add_variants(node, name, next, types, &Signatures::RoutedName::compact_without);
    if (!variants) return variants;
  }
  return {};
}

void ZoneSigner::place_nodes(const std::vector<Keyed>& sorted) {
  auto& entries = made_->entry_of_node_;
  entries.assign(zone_.nodes().size(), DenialChain::kNone);
  for (std::uint32_t i = 0; i < sorted.size(); ++i) entries[sorted[i].node] = i;
  const bool is_nsec3 = policy_.denial == Denial::nsec3;
  auto& stars = made_->star_of_node_;
  if (is_nsec3) stars.assign(zone_.nodes().size(), DenialChain::kNone);
  for (const Zone::Node& node : zone_.nodes()) {
    if (!is_authoritative(node)) continue;
    const Bytes name = zone_.name(node);
    const std::size_t id = zone_.id(node);
    if (entries[id] == DenialChain::kNone) {
      entries[id] = made_->chain_.covering(CanonicalKey(name).bytes());
    }
    // Below a longer name there is no place for a wildcard, nor for any other child.
    if (!is_nsec3 || node.has_wildcard || node.is_cut || name.size() + 2 > kMaxNameOctets) continue;
    RecordData star{1, '*'};
    star.insert(star.end(), name.begin(), name.end());
    stars[id] = made_->chain_.covering(hash_name(star));
  }
}

}  // namespace isochrone::dns
