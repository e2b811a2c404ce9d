// SPDX-License-Identifier: Apache-2.0
#include "collector/task.h"

#include <algorithm>
#include <set>

namespace isochrone::collector {
namespace {

Micros quantile(const std::vector<Micros>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

TaskSummary summarize_task(const std::vector<event::Event>& events) {
  TaskSummary summary;
  std::vector<Micros> rtts;
  std::set<Prefix> prefixes;
  std::set<std::string> sites;
  for (const event::Event& event : events) {
    const bool is_first = summary.first == Instant{} || event.time < summary.first;
    if (is_first) summary.first = event.time;
    summary.last = std::max(summary.last, event.time);
    const auto* measurement = std::get_if<event::Measurement>(&event.payload);
    if (measurement == nullptr) {
      ++summary.other_events;
      continue;
    }
    ++summary.sent;
    prefixes.insert(measurement->prefix);
    sites.insert(measurement->site);
    if (measurement->rtt) {
      ++summary.answered;
      rtts.push_back(*measurement->rtt);
    } else {
      ++summary.lost;
    }
  }
  summary.prefixes = prefixes.size();
  summary.sites.assign(sites.begin(), sites.end());
  std::sort(rtts.begin(), rtts.end());
  if (!rtts.empty()) {
    summary.p50 = quantile(rtts, 0.5);
    summary.p90 = quantile(rtts, 0.9);
    summary.max = rtts.back();
  }
  return summary;
}

}  // namespace isochrone::collector
