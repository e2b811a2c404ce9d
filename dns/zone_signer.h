// SPDX-License-Identifier: Apache-2.0
//
// ZoneSigner: all the signatures and denials of one zone, routed names included.
//
// What:      every authoritative RRset; every set that routing can give a name of the zone; the
//            key sets; NSEC or NSEC3 for every name, whose bit maps name all routed types that any
//            of a service's sites has, and a variant without each for while no site that is up has
//            it. NS and glue at cuts stay unsigned (RFC 4035 section 2.2).
// Cost:      one signature per set; what `before` holds for equal content is kept.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "dns/rrset_signer.h"
#include "dns/signatures.h"
#include "dns/zone_set.h"

namespace isochrone::dns {

class ZoneSigner {
 public:
  // `before` may be null. All outlive this.
  ZoneSigner(const ZoneSet& zones, const Zone& zone, std::span<const SigningKey> keys,
             const SigningPolicy& policy, Instant now, const Signatures* before);

  Result<std::shared_ptr<const Signatures>> sign();

 private:
  using Types = std::vector<std::uint16_t>;
  using Variants = Signatures::LackingOne Signatures::RoutedName::*;
  struct Keyed {
    std::vector<std::uint8_t> key;
    std::size_t node;
  };

  Result<void> sign_sets();
  Result<void> sign_routed();
  Result<void> sign_sets_of(routing::ServiceId service, Bytes owner, RoutedType type);
  Result<void> add_apex_sets();
  Result<void> add_apex_set(std::uint16_t type, std::uint32_t ttl, std::vector<RecordData> data);
  Result<void> add_denials();
  Result<void> add_denial(const Keyed& at, const Keyed& next);
  Result<SignedSet> add_denial_set(Bytes owner, RecordData data, Types types);
  Result<void> add_variants(const Zone::Node& node, Bytes owner, const RecordData& data,
                            const Types& types, Variants to);
  Result<void> add_compact();
  Result<void> sign_soa();
  std::uint32_t next_serial() const;
  void place_nodes(const std::vector<Keyed>& sorted);

  bool is_authoritative(const Zone::Node& node) const { return !node.is_below_cut; }
  bool has_data(const Zone::Node& node) const;
  bool is_routed(const Zone::Node& node, RoutedType type) const;
  Types types_at(const Zone::Node& node) const;

  const ZoneSet& zones_;
  const Zone& zone_;
  std::span<const SigningKey> keys_;
  const SigningPolicy& policy_;
  Instant now_;
  const Signatures* before_;
  std::shared_ptr<Signatures> made_;
  RrsetSigner signer_;
};

}  // namespace isochrone::dns
