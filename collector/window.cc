// SPDX-License-Identifier: Apache-2.0
#include "collector/window.h"

#include <algorithm>
#include <boost/accumulators/accumulators.hpp>
#include <boost/accumulators/statistics/mean.hpp>
#include <boost/accumulators/statistics/min.hpp>
#include <boost/accumulators/statistics/stats.hpp>
#include <boost/accumulators/statistics/tail_quantile.hpp>
#include <cmath>
#include <utility>

namespace isochrone::collector {
namespace {

namespace acc = boost::accumulators;

// The tail cache holds every sample of a window, so both quantiles are exact.
using RttStatistics =
    acc::accumulator_set<double, acc::stats<acc::tag::min, acc::tag::tail_quantile<acc::left>>>;
using DeviationStatistics = acc::accumulator_set<double, acc::stats<acc::tag::mean>>;

Micros rounded(double micros) { return Micros(std::llround(micros)); }

}  // namespace

routing::WindowSummary summarize(std::vector<Sample> samples, Instant end) {
  std::sort(samples.begin(), samples.end());
  routing::WindowSummary summary;
  summary.end = end;
  summary.method = samples.back().method;
  RttStatistics rtts(acc::tag::tail<acc::left>::cache_size = samples.size());
  for (const Sample& sample : samples) {
    if (!sample.rtt) {
      ++summary.lost;
      continue;
    }
    ++summary.answered;
    summary.method = sample.method;
    rtts(static_cast<double>(sample.rtt->count()));
  }
  if (summary.answered == 0) return summary;
  const double median = acc::quantile(rtts, acc::quantile_probability = 0.5);
  DeviationStatistics deviations;
  for (const Sample& sample : samples) {
    if (sample.rtt) deviations(std::abs(static_cast<double>(sample.rtt->count()) - median));
  }
  summary.min = rounded(acc::min(rtts));
  summary.p50 = rounded(median);
  summary.p90 = rounded(acc::quantile(rtts, acc::quantile_probability = 0.9));
  summary.jitter = rounded(acc::mean(deviations));
  return summary;
}

OpenWindows::Added OpenWindows::add(const Path& path, const Sample& sample,
                                    event::Position position) {
  const auto since_epoch = sample.time.time_since_epoch();
  const Instant start(since_epoch - since_epoch % Nanos(length_));
  if (start < closed_until_) return Added::late;
  Window& window = windows_[start];
  if (window.oldest == 0 || position < window.oldest) window.oldest = position;
  std::vector<Sample>& samples = window.paths[path];
  if (samples.size() >= kMaxSamples) return Added::over_quota;
  samples.push_back(sample);
  ++samples_;
  return Added::kept;
}

std::vector<ClosedWindow> OpenWindows::close(Instant now) {
  std::vector<ClosedWindow> closed;
  while (!windows_.empty() && windows_.begin()->first + length_ + lateness_ <= now) {
    const Instant end = windows_.begin()->first + length_;
    const std::size_t first = closed.size();
    for (auto& [path, samples] : windows_.begin()->second.paths) {
      samples_ -= samples.size();
      closed.push_back({path, summarize(std::move(samples), end)});
    }
    std::sort(closed.begin() + static_cast<std::ptrdiff_t>(first), closed.end(),
              [](const ClosedWindow& a, const ClosedWindow& b) { return a.path < b.path; });
    windows_.erase(windows_.begin());
  }
  // Also what had no events is closed: nothing may still be added to it.
  const auto latest = (now - lateness_).time_since_epoch();
  closed_until_ = std::max(closed_until_, Instant(latest - latest % Nanos(length_)));
  return closed;
}

std::optional<event::Position> OpenWindows::oldest_position() const {
  std::optional<event::Position> oldest;
  for (const auto& [start, window] : windows_) {
    if (!oldest || window.oldest < *oldest) oldest = window.oldest;
  }
  return oldest;
}

void OpenWindows::renumber(
    const std::function<std::optional<routing::SiteId>(routing::SiteId)>& new_id) {
  samples_ = 0;
  for (auto& [start, window] : windows_) {
    decltype(window.paths) moved;
    for (auto& [path, samples] : window.paths) {
      const auto site = new_id(path.site);
      if (!site) continue;
      samples_ += samples.size();
      moved.emplace(Path{path.prefix, *site}, std::move(samples));
    }
    window.paths = std::move(moved);
  }
}

}  // namespace isochrone::collector
