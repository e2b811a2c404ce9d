// SPDX-License-Identifier: Apache-2.0
//
// History: what was posted and what of it was acknowledged, and whether the log agrees.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "event/event.h"

namespace isochrone::test {

// What the checker found; all is to be 0 but the rounds, what was acknowledged and what a bit hit.
struct Findings {
  std::uint64_t rounds = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;     // acknowledged, and not in the log
  std::uint64_t twice = 0;    // more than once in the log
  std::uint64_t altered = 0;  // in the log with other content than was posted, or never posted
  std::uint64_t states = 0;   // paths whose state is not what the log gives
  std::uint64_t hit = 0;      // lost to a bit that was flipped in it, and counted by the collector
  std::uint64_t untold = 0;   // lost, and the collector does not count it as lost
  std::uint64_t incidents = 0;  // that were reported and should not have been, or the reverse

  Findings& operator+=(const Findings& other);
  bool is_clean() const { return lost + twice + altered + states + untold + incidents == 0; }
  // "kill9: rounds 100 acknowledged 81230 lost 0 twice 0 altered 0 state 0 hit 0 untold 0 incidents 0".
  std::string to_string(std::string_view fault) const;
};

class History {
 public:
  void posted(const std::vector<event::Event>& events);
  void acknowledged(const std::vector<event::Event>& events);
  std::uint64_t acknowledged() const;

  // What lies in the log beside what should.
  Findings compare(const std::vector<event::StoredEvent>& log) const;
  // Of a measurement that was posted.
  Prefix network_of(const event::EventId& id) const;
  // The ids that compare() counts as lost.
  std::set<event::EventId> missing(const std::vector<event::StoredEvent>& log) const;

 private:
  struct Known {
    event::Event event;
    bool is_acknowledged = false;
  };
  Guarded<std::map<event::EventId, Known>> known_;
};

}  // namespace isochrone::test
