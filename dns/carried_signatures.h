// SPDX-License-Identifier: Apache-2.0
//
// CarriedSignatures: the signatures that a zone came with, from its primary or its file, as answers need
// them: RRSIGs beside their sets, NSEC or NSEC3 as a chain.
//
// Needs:   DNSKEY at the apex and one whole chain that denies; without, what there is of DNSSEC is left out
//          with a warning. Nothing is verified: who gave the zone is believed (TSIG), as with its other data.
// Limits:  SHA-1 with at most kMaxHashIterations; more is an error, for each missing name would cost them
//          three times. Of two NSEC3 chains the first of NSEC3PARAM is served. Names that are routed here
//          have no signatures: a warning.
// Cost:    O(records log records) once.
// Sources: RFC 4034, RFC 5155, RFC 9276.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dns/signatures.h"
#include "dns/zone.h"
#include "dns/zone_records.h"

namespace isochrone::dns {

// RFC 5155 section 10.3: the bound for the shortest keys; validators stop at this or before.
constexpr std::uint16_t kMaxHashIterations = 150;

class CarriedSignatures {
 public:
  // `records` are those that `zone` was built from. Errors and warnings are added to them. All outlive this.
  CarriedSignatures(ZoneRecords& records, const Zone& zone) : records_(records), zone_(zone) {}

  // Null when there is nothing to serve.
  std::shared_ptr<const Signatures> read();

 private:
  using Row = ZoneRecords::Row;
  struct Link {  // of the chain
    std::vector<std::uint8_t> key;
    const Row* row;
  };

  bool collect();
  bool read_hash_terms();
  bool read_chain();
  void read_sets();
  void place_nodes();
  void warn_of_routed() const;
  std::optional<std::vector<std::uint8_t>> key_of(const Row& row) const;
  RrsetArena::Handle rrsig_of(Bytes owner, std::uint16_t covered);
  SignedSet pair_of(Bytes owner, const Row& row);
  void note_expirations();

  ZoneRecords& records_;
  const Zone& zone_;
  std::shared_ptr<Signatures> made_;
  std::vector<const Row*> rrsigs_;  // by owner and covered type
  std::vector<const Row*> denials_;
  const Row* hash_terms_ = nullptr;  // NSEC3PARAM at the apex
};

}  // namespace isochrone::dns
