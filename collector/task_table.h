// SPDX-License-Identifier: Apache-2.0
//
// TaskTable: which tasks there are, and what those that ended came to.
//
// Threads:  note() from the engine; everything else from any.
// Limits:   the kMaxTasks that were heard of last.
// Cost:     one comparison for an event of the same task as the one before it.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/time.h"
#include "collector/event_log.h"
#include "collector/task.h"
#include "event/event.h"

namespace isochrone::collector {

class TaskTable {
 public:
  // A day of rounds every ten seconds; of beacon sessions, the last minutes.
  static constexpr std::size_t kMaxTasks = 10'000;

  struct Entry {
    std::string task;
    std::string site;  // of its first measurement
    Instant seen{};    // when an event of it arrived last
    std::uint64_t events = 0;
    std::optional<TaskSummary> summary;  // of one that ended, once it was asked for

    bool has_ended(Instant now, Nanos quiet) const { return seen + quiet <= now; }
  };

  // The measurements among these are counted to their tasks.
  void note(const std::vector<event::Event>& events, Instant now);
  // The newest first; with `site`, only its.
  std::vector<Entry> newest(std::size_t limit, std::string_view site = {}) const;
  // The entry's summary, from the table or from the log; kept when the task has ended.
  TaskSummary summary(const EventLog& log, const Entry& entry, bool has_ended);

 private:
  struct Table {
    std::list<Entry> order;  // heard of last first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_name;
  };
  Guarded<Table> table_;
};

}  // namespace isochrone::collector
