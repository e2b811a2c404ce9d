// SPDX-License-Identifier: Apache-2.0
#include "dns/prover.h"

#include <algorithm>
#include <span>

namespace isochrone::dns {

// Of a chain with opt-out an ancestor may have no part, but the apex has (RFC 5155 section 7.2.1).
std::size_t Prover::provable(std::size_t skip) const noexcept {
  while (!signatures_.has_denial(zone_, *zone_.find_node(name_, skip))) ++skip;
  return skip;
}

// NSEC3: the closest encloser that can be proven, and that the name below it, towards ours, cannot be.
bool Prover::deny_from(std::size_t encloser_skip) noexcept {
  const std::size_t skip = provable(encloser_skip);
  return add(signatures_.at(zone_, *zone_.find_node(name_, skip))) && cover_name(skip);
}

// NSEC: the interval around the name itself. NSEC3: around the next closer name, the ancestor just
// below the closest encloser, which is as missing as the name.
bool Prover::cover_name(std::size_t encloser_skip) noexcept {
  const bool is_nsec3 = signatures_.denial() == Denial::nsec3;
  return add(signatures_.covering(is_nsec3 ? name_.suffix(encloser_skip - 1) : name_.wire()));
}

bool Prover::no_name(const Zone::Match& match) noexcept {
  if (signatures_.denial() != Denial::nsec3) {
    return cover_name(match.skip) &&
           add(signatures_.covering_wildcard(zone_, *zone_.find_node(name_, match.skip)));
  }
  const Zone::Node& closest = *zone_.find_node(name_, provable(match.skip));
  return deny_from(match.skip) && add(signatures_.covering_wildcard(zone_, closest));
}

bool Prover::no_data(const Zone::Match& match, std::optional<RoutedType> without,
                     std::optional<std::uint32_t> ttl) noexcept {
  if (!match.is_wildcard && !signatures_.has_denial(zone_, *match.node)) return deny_from(0);
  const auto proof = match.is_wildcard ? signatures_.in_chain(zone_, *match.node, without)
                     : without         ? signatures_.at_without(zone_, *match.node, *without)
                                       : signatures_.at(zone_, *match.node);
  if (!add(proof, ttl)) return false;
  if (!match.is_wildcard) return true;
  return signatures_.denial() == Denial::nsec3 ? deny_from(match.skip) : cover_name(match.skip);
}

std::optional<OnlineDenial> Prover::compact(const Zone::Match& match,
                                            std::optional<RoutedType> without,
                                            std::uint32_t ttl) noexcept {
  const OnlineKey* key = signatures_.online_key();
  if (key == nullptr) return std::nullopt;
  if (match.node == nullptr) return key->write(response_, name_, owner_, nxname_bitmap(), ttl);
  if (!match.is_wildcard) return std::nullopt;
  const auto proof = without ? signatures_.at_without(zone_, *match.node, *without)
                             : signatures_.at(zone_, *match.node);
  const Bytes data = proof.record.set.first_data();
  return key->write(response_, name_, owner_, data.subspan(name_size(data).value_or(0)), ttl);
}

bool Prover::expansion(std::size_t encloser_skip) noexcept { return cover_name(encloser_skip); }

bool Prover::no_ds(const Zone::Node& cut) noexcept {
  if (signatures_.has_denial(zone_, cut)) return add(signatures_.at(zone_, cut));
  std::size_t skip = 0;
  while (name_.suffix(skip).size() > zone_.name(cut).size()) ++skip;
  return deny_from(skip);
}

bool Expansions::prove(Response& response, Prover::Added& added) noexcept {
  for (const Expansion& one : std::span(noted_).first(count_)) {
    Name name;
    response.read_name(one.owner, name);
    const std::size_t apex =
        response.place_of_suffix(one.owner, name.labels() - one.zone->origin_labels());
    Prover prover(response, *one.zone, *one.signatures, name, one.owner, apex, added);
    if (!prover.expansion(one.encloser_skip)) return false;
  }
  count_ = 0;
  return true;
}

bool Prover::add(const Signatures::Proof& proof, std::optional<std::uint32_t> ttl) noexcept {
  const auto met = std::span(added_.records).first(added_.count);
  if (proof.record.set.records == 0) return true;  // a hole in the chain of whoever signed
  const std::uint8_t* record = proof.record.set.wire.data();
  if (std::find(met.begin(), met.end(), record) != met.end()) return true;
  added_.records[added_.count++] = record;
  const auto& [set, rrsig] = proof.record;
  const Bytes labels = name_.wire().first(name_.wire().size() - zone_.origin().size());
  std::size_t place = response_.position();
  if (std::equal(labels.begin(), labels.end(), proof.owner.begin(), proof.owner.end())) {
    place = owner_;
    if (!response_.add(Response::authority, set, place, apex_, ttl)) return false;
  } else if (proof.owner.empty()) {
    place = apex_;
    if (!response_.add(Response::authority, set, place, apex_, ttl)) return false;
  } else if (!response_.add_below(Response::authority, proof.owner, set, apex_, ttl)) {
    return false;
  }
  return response_.add(Response::authority, rrsig, place, apex_, ttl);
}

}  // namespace isochrone::dns
