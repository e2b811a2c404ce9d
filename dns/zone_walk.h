// SPDX-License-Identifier: Apache-2.0
//
// ZoneWalk: the records of a zone one after the other, as a transfer carries them.
//
// Routed:  a service's name has what its order of last resort answers without regard to the client
//          (routing/pick.h): the only answer that holds for everyone.
// SOA:     left out; it frames a transfer and is asked for by itself.
// Threads: the zone set and the topology are immutable; a walk belongs to one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "dns/zone_set.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct ZoneRecord {
  Bytes owner;  // folded wire name
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  Bytes data;  // uncompressed
};

class ZoneWalk {
 public:
  // All must outlive the walk.
  ZoneWalk(const ZoneSet& zones, const routing::Topology& topology, const Zone& zone)
      : zones_(zones), topology_(topology), zone_(zone) {}

  // The next record, valid until the next call; false at the end.
  bool next(ZoneRecord& record);
  // Starts at this node and ends behind it.
  void restrict_to(const Zone::Node& node);
  // The apex' SOA, valid until the next call of any member.
  ZoneRecord soa();

 private:
  bool next_set();
  bool next_named(const Zone::Node& node);
  void take(ZoneRecord& record, const Zone::Node& node);

  const ZoneSet& zones_;
  const routing::Topology& topology_;
  const Zone& zone_;
  std::size_t node_ = 0;
  std::size_t end_ = static_cast<std::size_t>(-1);
  std::size_t set_index_ = 0;           // of the node: its routed types, then its RRsets
  std::vector<routing::SiteId> named_;  // of the routed type before, the last first
  Rrset set_;
  std::size_t at_ = 0;     // in set_.wire
  std::size_t patch_ = 0;  // in set_.patches
  std::vector<std::uint8_t> data_;
};

}  // namespace isochrone::dns
