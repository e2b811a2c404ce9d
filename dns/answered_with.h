// SPDX-License-Identifier: Apache-2.0
//
// AnsweredWith: the snapshots of the last seconds, for what workers report of answers after a newer one
// has come.
//
// Threads:  a value of the thread that publishes.
// Memory:   kKept of snapshots, and at most kMaxChanges prefixes that changed in them; the oldest go first.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "dns/snapshot.h"

namespace isochrone::dns {

class AnsweredWith {
 public:
  // Workers report once a second; twice that for one that is late.
  static constexpr Seconds kKept{3};
  static constexpr std::size_t kMaxChanges = 100'000;

  struct Snapshot {
    std::uint64_t generation = 0;
    std::uint64_t table_generation = 0;
    std::uint64_t state_position = 0;
    std::uint64_t health_position = 0;
  };

  // `changed`: what its table knows otherwise than the one before.
  void published(const dns::Snapshot& snapshot, const std::map<Prefix, bool>& changed,
                 Monotonic now);
  // What reasons rest on is another now: no earlier snapshot can be spoken of.
  void forget() { kept_.clear(), changes_ = 0; }

  // The snapshot of this generation, unless it is forgotten, or what is known about the client has
  // changed after it; `pending`: what no table knows yet.
  std::optional<Snapshot> find(std::uint64_t generation, const Address& client,
                               const std::map<Prefix, bool>& pending) const;

 private:
  struct Kept {
    Snapshot snapshot;
    Monotonic since;
    std::vector<Prefix> changed;  // in order
  };

  std::deque<Kept> kept_;  // the oldest first
  std::size_t changes_ = 0;
};

}  // namespace isochrone::dns
