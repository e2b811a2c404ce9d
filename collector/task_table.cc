// SPDX-License-Identifier: Apache-2.0
#include "collector/task_table.h"

namespace isochrone::collector {

void TaskTable::note(const std::vector<event::Event>& events, Instant now) {
  table_.with([&](Table& table) {
    Entry* entry = nullptr;  // of the event before
    for (const event::Event& event : events) {
      const auto* measurement = std::get_if<event::Measurement>(&event.payload);
      if (measurement == nullptr || event.task.empty()) continue;
      if (entry == nullptr || entry->task != event.task) {
        const auto found = table.by_name.find(event.task);
        if (found == table.by_name.end()) {
          table.order.push_front({event.task, measurement->site, {}, 0, {}});
          table.by_name.emplace(event.task, table.order.begin());
        } else {
          table.order.splice(table.order.begin(), table.order, found->second);
        }
        entry = &table.order.front();
        entry->seen = now;
        entry->summary.reset();
      }
      ++entry->events;
    }
    while (table.order.size() > kMaxTasks) {
      table.by_name.erase(table.order.back().task);
      table.order.pop_back();
    }
  });
}

std::vector<TaskTable::Entry> TaskTable::newest(std::size_t limit, std::string_view site) const {
  return table_.with([&](const Table& table) {
    std::vector<Entry> found;
    for (const Entry& entry : table.order) {
      if (found.size() == limit) break;
      if (site.empty() || entry.site == site) found.push_back(entry);
    }
    return found;
  });
}

TaskSummary TaskTable::summary(const EventLog& log, const Entry& entry, bool has_ended) {
  if (entry.summary) return *entry.summary;
  TaskSummary made = summarize_task(events_of_task(log, entry.task, kMaxTaskEvents));
  if (!has_ended) return made;
  table_.with([&](Table& table) {
    const auto found = table.by_name.find(entry.task);
    // Not when more of it arrived meanwhile.
    const bool is_current = found != table.by_name.end() && found->second->events == entry.events;
    if (is_current) found->second->summary = made;
  });
  return made;
}

}  // namespace isochrone::collector
