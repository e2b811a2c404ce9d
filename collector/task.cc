// SPDX-License-Identifier: Apache-2.0
#include "collector/task.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "event/codec.h"

namespace isochrone::collector {
namespace {

Micros quantile(const std::vector<Micros>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

std::vector<event::Event> events_of_task(const EventLog& log, std::string_view task,
                                         std::size_t limit) {
  constexpr std::size_t kPage = 10'000;
  std::vector<event::Event> events;
  const Only only{std::string(task), std::nullopt};
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    event::Position after = 0;
    for (Page page; events.size() < limit; after = page.scanned) {
      page = log.read(static_cast<event::Channel>(i), after, kPage, only);
      for (const StoredBytes& stored : page.events) {
        const auto* data = reinterpret_cast<const std::uint8_t*>(stored.event.data());
        auto event = event::from_protobuf({data, stored.event.size()});
        if (event && event->task == task) events.push_back(std::move(*event));
      }
      if (page.is_at_end) break;
    }
  }
  if (events.size() > limit) events.resize(limit);
  return events;
}

TaskSummary summarize_task(const std::vector<event::Event>& events) {
  TaskSummary summary;
  std::vector<Micros> rtts;
  std::unordered_map<Prefix, std::uint64_t> prefixes;  // and how many probes each got
  std::set<std::string> sites;
  std::uint64_t most = 0;
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
    most = std::max(most, ++prefixes[measurement->prefix]);
    sites.insert(measurement->site);
    if (measurement->rtt) {
      ++summary.answered;
      rtts.push_back(*measurement->rtt);
    } else {
      ++summary.lost;
    }
  }
  summary.prefixes = prefixes.size();
  summary.expected = prefixes.size() * most;
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
