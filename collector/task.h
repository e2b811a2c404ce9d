// SPDX-License-Identifier: Apache-2.0
//
// Task: what one probe round or beacon session came to, computed from its stored events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/event_log.h"
#include "event/event.h"

namespace isochrone::collector {

struct TaskSummary {
  std::uint64_t sent = 0;  // measurements of the task
  std::uint64_t answered = 0;
  std::uint64_t lost = 0;
  std::uint64_t prefixes = 0;  // distinct
  std::vector<std::string> sites;
  std::optional<Micros> p50;
  std::optional<Micros> p90;
  std::optional<Micros> max;
  Instant first{};
  Instant last{};
  std::uint64_t other_events = 0;  // of the task, that are no measurements
  // What it would have sent, had every prefix got as many probes as the one that got most: a round
  // that was cut short sent less.
  std::uint64_t expected = 0;

  double completeness() const {
    return expected == 0 ? 1 : static_cast<double>(sent) / static_cast<double>(expected);
  }
};

// No round is larger: what a prober sends in an hour at its highest rate would be.
constexpr std::size_t kMaxTaskEvents = 1'000'000;

// The events of a task in all channels, through the index; at most `limit`.
std::vector<event::Event> events_of_task(const EventLog& log, std::string_view task,
                                         std::size_t limit);

TaskSummary summarize_task(const std::vector<event::Event>& events);

}  // namespace isochrone::collector
