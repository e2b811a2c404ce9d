// SPDX-License-Identifier: Apache-2.0
//
// ZoneWalk: the records of a zone one after the other, as a transfer carries them.
//
// Routed:  a service's name has what its order of last resort answers without regard to the client
//          (routing/pick.h): the only answer that holds for everyone.
// Signed:  with signatures, every set is followed by its RRSIGs; the key sets and all denials come last.
//          The bit maps name both families of a routed name, which are both there.
// SOA:     left out; it frames a transfer and is asked for by itself. Its RRSIG is not.
// Threads: zone set, topology and signatures are immutable; a walk belongs to one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "dns/signatures.h"
#include "dns/zone_set.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct ZoneRecord {
  Bytes owner;  // folded wire name
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  Bytes data;  // uncompressed
};

// One version of a zone. All must outlive it.
struct ZoneVersion {
  const ZoneSet& zones;
  const routing::Topology& topology;
  const Zone& zone;
  const Signatures* signatures = nullptr;  // null: not signed

  std::uint32_t serial() const {
    return signatures == nullptr ? zone.serial() : signatures->serial();
  }
};

class ZoneWalk {
 public:
  explicit ZoneWalk(const ZoneVersion& version) : version_(version) {}

  // The next record, valid until the next call; false at the end.
  bool next(ZoneRecord& record);
  // The apex' SOA, valid until the next call of any member.
  ZoneRecord soa();

 private:
  bool next_set();
  bool next_set_of(const Zone::Node& node);
  bool next_made_here();
  bool next_named(routing::ServiceId service);
  void name_sites(routing::ServiceId service, RoutedType type);
  void take(ZoneRecord& record);

  const ZoneVersion version_;
  std::size_t node_ = 0;
  std::size_t set_index_ = 0;           // of the node: its routed types, then its RRsets
  std::vector<routing::SiteId> named_;  // of the routed type before, the last first
  std::uint16_t place_ = 0;             // of the site in set_ among those named, from 1
  std::uint16_t priority_ = 0;          // of the binding in set_; 0: as it is
  Rrset routed_rrsig_;                  // comes after the last of them
  std::size_t made_here_ = 0;           // behind the nodes: the apex' sets, then the denials
  Bytes owner_;
  std::vector<std::uint8_t> denial_owner_;
  Rrset set_;
  Rrset rrsig_;            // comes after set_
  std::size_t at_ = 0;     // in set_.wire
  std::size_t patch_ = 0;  // in set_.patches
  std::vector<std::uint8_t> data_;
};

}  // namespace isochrone::dns
