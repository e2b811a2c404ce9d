// SPDX-License-Identifier: Apache-2.0
//
// Incidents: events refused because their id was another event's, kept aside to be looked at.
//
// A source that numbers its events anew under an old epoch, two that share a name, or a forger: the
// first event with an id stands, the others change nothing and are evidence.
//
// Threads:  one thread; what is kept is read from the log by any.
// Limits:   the newest kKept; of one commit at most kAtOnce are kept, the others counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "collector/event_log.h"
#include "event/event.h"

namespace isochrone::collector {

class Incidents {
 public:
  // Each is two events of at most 32 KiB each as NDJSON: a few MB when all are as large.
  static constexpr std::size_t kKept = 128;
  static constexpr std::size_t kAtOnce = 16;

  // Goes on from what an earlier life kept.
  void restore(const EventLog& log);

  // The event that was refused and the stored one with its id.
  void add(const event::Event& refused, const Found& stored, Instant now);
  // What is to be made durable with the events of this commit; then commit() or rollback().
  const std::vector<Note>& notes() const noexcept { return notes_; }
  void commit();
  void rollback();

  // Of all lives; those that were not kept included.
  std::uint64_t total() const noexcept { return total_; }

 private:
  std::uint64_t total_ = 0;
  std::uint64_t kept_ = 0;
  std::uint64_t total_before_ = 0;
  std::uint64_t kept_before_ = 0;
  std::vector<Note> notes_;
};

// {"incidents":[..]}, the newest first: number, at, and the events refused and stored.
std::string incidents_json(const EventLog& log, std::size_t limit);

}  // namespace isochrone::collector
