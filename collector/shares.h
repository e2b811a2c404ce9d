// SPDX-License-Identifier: Apache-2.0
//
// Shares: which collector of a shared log reduces which partition.
//
// Everything is a note in the log: `member/NAME` is said again and again by a collector that lives,
// `owner/NN` says whose a partition is. Who appends has read all that was appended before, so the last
// word on a partition is known to whoever writes, and one who lost it writes nothing more of it: no
// clock is compared, and nothing depends on how long anybody stood still. Time only says when to take
// over: after nothing was heard of the owner for a lease, by this collector's own clock.
//
// Fair:     of those that live, a partition belongs to the one whose name and its number hash highest
//           (rendezvous hashing), so one that comes or goes moves its own share only. An owner hands over
//           what belongs to another.
// Threads:  one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/event_log.h"
#include "collector/partition.h"

namespace isochrone::collector {

class Shares {
 public:
  // `life` is another one after each start.
  Shares(std::string name, std::uint64_t life, Millis lease)
      : me_{std::move(name), life}, lease_(lease) {}

  // What was said before; everybody gets a full lease to be heard again.
  void restore(const EventLog& log, Monotonic now);
  // What is to be appended now: that this one lives, what it takes and what it hands over.
  std::vector<Note> due(Monotonic now) const;
  // What was appended, by whomever, in the order of the log.
  void take(const std::vector<Note>& notes, Monotonic now);

  Parts mine() const;
  struct Owner {
    std::string name;
    std::uint64_t life = 0;
    friend bool operator==(const Owner&, const Owner&) = default;
  };
  const std::array<Owner, kPartitions + 1>& owners() const noexcept { return owners_; }

 private:
  struct Member {
    std::uint64_t life = 0;
    Monotonic heard{};
  };
  bool lives(const Owner& owner, Monotonic now) const;
  Owner best(Partition partition, Monotonic now) const;

  const Owner me_;
  const Millis lease_;
  std::map<std::string, Member> members_;      // by name
  std::array<Owner, kPartitions + 1> owners_;  // by Partition; no name: nobody's
};

}  // namespace isochrone::collector
