// SPDX-License-Identifier: Apache-2.0
//
// DemandTable: how many queries came for each (service, client network, resolver) since the last flush.
//
// Threads: belongs to one worker.
// Cost:    count() reads one cache line of tags, and a slot only where a tag fits; it allocates nothing. A
//          query that finds its kWays slots taken by others is not counted: demand is a sample when it
//          outgrows the table, and costs least then.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/ip.h"
#include "dns/answer.h"
#include "dns/beacon_watch.h"
#include "routing/topology.h"

namespace isochrone::dns {

struct DemandCount {
  routing::ServiceId service;
  Prefix network;
  Address resolver;
  std::uint32_t queries = 0;
};

// A decision that was given, for the `decision` channel.
struct DecisionCount {
  routing::ServiceId service;
  Address client;
  Prefix network;
  routing::Choice choice;
  std::uint64_t generation = 0;  // of the snapshot
  bool is_resolver = false;      // the client is who asked
};

// What a worker hands over about once a second. Ids are those of `topology`.
struct DemandReport {
  std::shared_ptr<const routing::Topology> topology;
  std::vector<DemandCount> demand;
  std::vector<DecisionCount> decisions;
  std::vector<Sighting> sightings;
  std::string beacon_zone;  // below which they were
};

class DemandTable {
 public:
  // 8192 keys a second and worker: beyond, one flush would post more events than a prober can use.
  static constexpr std::size_t kSlots = 8'192;
  static constexpr std::size_t kWays = 8;  // slots that a key may be in: neighbours

  DemandTable() : tags_(kSlots / kWays), slots_(kSlots) {}

  // False when there was no room.
  bool count(routing::ServiceId service, const Prefix& network, const Address& resolver) noexcept;
  // Moves out what was counted; empty when nothing was.
  std::vector<DemandCount> take();

 private:
  // Of each slot some bits of its key's hash; 0: the slot is free.
  struct alignas(kWays * sizeof(std::uint32_t)) Tags {
    std::uint32_t of[kWays] = {};
  };

  std::vector<Tags> tags_;
  std::vector<DemandCount> slots_;
  std::size_t used_ = 0;
};

}  // namespace isochrone::dns
