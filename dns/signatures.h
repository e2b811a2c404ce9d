// SPDX-License-Identifier: Apache-2.0
//
// Signatures: what signing adds to a zone: RRSIGs, the apex' key sets, and proofs of what is missing.
//
// Threads:   immutable once built (zone_signer.h); any number of readers, no locks.
// Ownership: keeps nothing of the zone, but its ids are those of the zone it was made from.
// Cost:      everything is wire bytes already: a look-up by id, a binary search for what is missing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "dns/denial_chain.h"
#include "dns/name_hash.h"
#include "dns/online_denial.h"
#include "dns/routed_sets.h"
#include "dns/signing_policy.h"
#include "dns/site_sets.h"
#include "dns/zone.h"
#include "routing/topology.h"

namespace isochrone::dns {

class Signatures {
 public:
  // An RRset and its RRSIGs; `rrsig` has no records where nothing is signed.
  struct Pair {
    Rrset set;
    Rrset rrsig;
  };
  // A denial: its owner's labels up to the apex, and the record.
  struct Proof {
    Bytes owner;
    Pair record;
  };

  Denial denial() const noexcept { return denial_; }

  Rrset rrsig(const Rrset& set) const noexcept { return get(rrsigs_[set.id]); }
  // Of a service's records at the sites named, the best first, among those that have the type.
  Rrset routed_rrsig(routing::ServiceId service, RoutedType type,
                     std::span<const routing::SiteId> named,
                     routing::SiteMask among) const noexcept;
  // DNSKEY, CDS, CDNSKEY, NSEC3PARAM at the apex, and the SOA where its serial is not the zone's.
  std::optional<Pair> apex_set(std::uint16_t type) const noexcept;

  // The serial that is served: the zone's own, or a newer one where signatures make versions.
  std::uint32_t serial() const noexcept { return serial_; }
  // The SOA of negative answers, with that serial.
  Rrset negative_soa(const Zone& zone) const noexcept {
    return negative_soa_.records == 0 ? zone.negative_soa() : get(negative_soa_);
  }

  // For those who need all of it: what signing adds beside the RRSIGs of the zone's sets.
  std::size_t apex_sets() const noexcept { return apex_.size(); }
  Pair apex_set_at(std::size_t i) const noexcept { return get(apex_[i].pair); }
  std::size_t denials() const noexcept { return chain_.size(); }
  Proof denial_at(std::size_t i) const noexcept { return proof(static_cast<std::uint32_t>(i)); }

  // The NSEC that a question for it gets; none where NSEC3 denies or at an empty non-terminal.
  std::optional<Pair> nsec_at(const Zone& zone, const Zone::Node& node) const noexcept;

  // Compact denial: what signs the names that are missing; null where nothing can.
  const OnlineKey* online_key() const noexcept { return online_key_.get(); }

  // Whether the name has a denial of its own, or one around it in an NSEC zone: not where it was opted
  // out of an NSEC3 chain (RFC 5155 section 6).
  bool has_denial(const Zone& zone, const Zone::Node& node) const noexcept {
    return entry_of_node_[zone.id(node)] != kNone;
  }
  // The denial at a name that exists, or the one whose interval holds it when it is an empty
  // non-terminal of an NSEC zone.
  Proof at(const Zone& zone, const Zone::Node& node) const noexcept;
  // The same for a service's name while no site that is up has records of the type.
  Proof at_without(const Zone& zone, const Zone::Node& node, RoutedType without) const noexcept;
  // The record of the chain there, which compact denial has besides.
  Proof in_chain(const Zone& zone, const Zone::Node& node,
                 std::optional<RoutedType> without) const noexcept;
  // The denial whose interval holds a missing name (folded wire form).
  Proof covering(Bytes name) const noexcept;
  // The one that holds "*" below `encloser`, which has no such child.
  Proof covering_wildcard(const Zone& zone, const Zone::Node& encloser) const noexcept;

  Instant earliest_expiration() const noexcept { return earliest_expiration_; }
  std::size_t signatures_made() const noexcept { return made_; }
  std::size_t signatures_kept() const noexcept { return kept_; }
  std::size_t memory_bytes() const noexcept;

 private:
  friend class CarriedSignatures;
  friend class ZoneSigner;
  friend class RrsetSigner;
  static constexpr std::uint32_t kNone = DenialChain::kNone;
  struct ApexSet {
    std::uint16_t type = 0;
    SignedSet pair;
  };
  // By the type that the bit map lacks.
  using LackingOne = std::array<SignedSet, kRoutedTypes.size()>;
  struct RoutedName {
    routing::ServiceId service;
    // In routed_: all sets of the type, or all orders (site_sets.h).
    std::array<std::uint32_t, kRoutedTypes.size()> first{};
    LackingOne without;  // of its record in the chain
    LackingOne compact_without;
  };
  // Which signature belongs to which content, so that it can be kept when zones are signed again.
  struct Remembered {
    std::array<std::uint8_t, 16> digest;
    RrsetArena::Handle rrsig;
  };

  Rrset get(const RrsetArena::Handle& handle) const noexcept { return arena_.get(handle); }
  Pair get(const SignedSet& pair) const noexcept { return {get(pair.set), get(pair.rrsig)}; }
  const RoutedName* routed_name(routing::ServiceId service) const noexcept;
  const RoutedName* routed_name(const Zone& zone, const Zone::Node& node) const noexcept;
  Proof proof(std::uint32_t entry) const noexcept;

  Denial denial_ = Denial::nsec;
  RrsetArena arena_;
  std::vector<RrsetArena::Handle> rrsigs_;  // by the zone's RRset
  std::vector<ApexSet> apex_;
  std::vector<RoutedName> routed_names_;  // sorted by service
  std::vector<RrsetArena::Handle> routed_;
  HashTerms hash_terms_;
  DenialChain chain_;
  std::vector<std::uint32_t> entry_of_node_;
  std::vector<std::uint32_t> star_of_node_;  // NSEC3: what holds the missing wildcard below it
  std::vector<SignedSet> compact_;           // by node
  std::shared_ptr<const OnlineKey> online_key_;
  std::vector<Remembered> memory_;  // sorted by digest
  RrsetArena::Handle negative_soa_;
  std::uint32_t serial_ = 0;
  std::uint32_t zone_serial_ = 0;  // of the zone it was made from
  Instant earliest_expiration_{};
  std::size_t made_ = 0;
  std::size_t kept_ = 0;
};

}  // namespace isochrone::dns
