// SPDX-License-Identifier: Apache-2.0
//
// BeaconWatch: tells the queries that look up the name of a beacon's task from all others.
//
// The collector gives each task a name of its own below one zone; who asks for it is the resolver of the
// browser that has the task. The answer is whatever the zone says, a wildcard usually.
//
// Threads:  constant; part of each snapshot.
// Cost:     one comparison for a query whose first label has another length; about 100 ns for one of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/siphash.h"
#include "base/time.h"
#include "event/beacon_label.h"

namespace isochrone::dns {

// Which resolver asked for which task's name.
struct Sighting {
  event::BeaconNumber task = 0;
  Address resolver;
  friend bool operator==(const Sighting&, const Sighting&) = default;
};

struct BeaconWatch {
  // `zone` in text form, lower case, without a trailing dot; empty: nothing is watched for.
  static BeaconWatch make(const std::string& zone, const std::vector<std::string>& secrets,
                          Seconds lifetime);

  // The task whose name a query asks for; nothing when it does not, or the task is over.
  std::optional<event::BeaconNumber> task_of(Bytes query, std::uint32_t now) const noexcept;

  std::string zone;
  std::vector<std::uint8_t> wire;  // the zone's name, lower case
  std::vector<SipKey> keys;
  Seconds lifetime{0};
};

}  // namespace isochrone::dns
