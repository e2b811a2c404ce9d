// SPDX-License-Identifier: Apache-2.0
#include "dns/signatures.h"

#include <algorithm>

#include "dns/canonical.h"

namespace isochrone::dns {

const Signatures::RoutedName* Signatures::routed_name(routing::ServiceId service) const noexcept {
  const auto at =
      std::lower_bound(routed_names_.begin(), routed_names_.end(), service,
                       [](const RoutedName& a, routing::ServiceId b) { return a.service < b; });
  return at != routed_names_.end() && at->service == service ? &*at : nullptr;
}

Rrset Signatures::routed_rrsig(routing::ServiceId service, RoutedType type,
                               std::span<const routing::SiteId> named,
                               routing::SiteMask among) const noexcept {
  const RoutedName* name = routed_name(service);
  if (name == nullptr) return {};
  const std::size_t first = name->first[index(type)];
  if (is_binding(type)) return get(routed_[first + index_of_order(named, among)]);
  routing::SiteMask set = 0;
  for (const routing::SiteId site : named) set |= routing::site_bit(site);
  return get(routed_[first + index_of_set(set, among)]);
}

std::optional<Signatures::Pair> Signatures::apex_set(std::uint16_t type) const noexcept {
  for (const ApexSet& one : apex_) {
    if (one.type == type) return get(one.pair);
  }
  return std::nullopt;
}

const Signatures::RoutedName* Signatures::routed_name(const Zone& zone,
                                                      const Zone::Node& node) const noexcept {
  const auto service = zone.service(node);
  return service ? routed_name(*service) : nullptr;
}

Signatures::Proof Signatures::proof(std::uint32_t entry) const noexcept {
  if (entry >= chain_.size()) return {};  // a signed zone that came with holes
  return {chain_.owner(entry), get(chain_.record(entry))};
}

Signatures::Proof Signatures::at(const Zone& zone, const Zone::Node& node) const noexcept {
  const std::size_t id = zone.id(node);
  if (compact_.empty() || compact_[id].set.records == 0) return in_chain(zone, node, std::nullopt);
  const Bytes name = zone.name(node);
  return {name.first(name.size() - zone.origin().size()), get(compact_[id])};
}

Signatures::Proof Signatures::in_chain(const Zone& zone, const Zone::Node& node,
                                       std::optional<RoutedType> without) const noexcept {
  Proof whole = proof(entry_of_node_[zone.id(node)]);
  const RoutedName* name = without ? routed_name(zone, node) : nullptr;
  if (name == nullptr) return whole;
  const SignedSet& pair = name->without[index(*without)];
  if (pair.set.records != 0) whole.record = get(pair);
  return whole;
}

Signatures::Proof Signatures::at_without(const Zone& zone, const Zone::Node& node,
                                         RoutedType without) const noexcept {
  if (compact_.empty()) return in_chain(zone, node, without);
  Proof whole = at(zone, node);
  const RoutedName* name = routed_name(zone, node);
  if (name == nullptr) return whole;
  const SignedSet& pair = name->compact_without[index(without)];
  if (pair.set.records == 0) return in_chain(zone, node, without);
  whole.record = get(pair);
  return whole;
}

std::optional<Signatures::Pair> Signatures::nsec_at(const Zone& zone,
                                                    const Zone::Node& node) const noexcept {
  if (denial_ == Denial::nsec3) return std::nullopt;
  if (!compact_.empty()) return at(zone, node).record;
  const std::uint32_t entry = entry_of_node_[zone.id(node)];
  if (!chain_.has_key(entry, CanonicalKey(zone.name(node)).bytes())) return std::nullopt;
  return proof(entry).record;
}

Signatures::Proof Signatures::covering(Bytes name) const noexcept {
  if (denial_ == Denial::nsec3) return proof(chain_.covering(hash_name(name, hash_terms_)));
  return proof(chain_.covering(CanonicalKey(name).bytes()));
}

Signatures::Proof Signatures::covering_wildcard(const Zone& zone,
                                                const Zone::Node& encloser) const noexcept {
  if (denial_ == Denial::nsec3) return proof(star_of_node_[zone.id(encloser)]);
  const Bytes parent = zone.name(encloser);
  std::array<std::uint8_t, kMaxNameOctets + 2> name{1, '*'};
  std::copy(parent.begin(), parent.end(), name.begin() + 2);
  return covering(Bytes(name).first(parent.size() + 2));
}

std::size_t Signatures::memory_bytes() const noexcept {
  return arena_.memory_bytes() + chain_.memory_bytes() +
         (rrsigs_.capacity() + routed_.capacity()) * sizeof(RrsetArena::Handle) +
         (entry_of_node_.capacity() + star_of_node_.capacity()) * sizeof(std::uint32_t) +
         compact_.capacity() * sizeof(SignedSet) + routed_names_.capacity() * sizeof(RoutedName) +
         memory_.capacity() * sizeof(Remembered);
}

}  // namespace isochrone::dns
