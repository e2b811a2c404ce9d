// SPDX-License-Identifier: Apache-2.0
#include "collector/window.h"

#include <algorithm>
#include <boost/accumulators/accumulators.hpp>
#include <boost/accumulators/statistics/count.hpp>
#include <boost/accumulators/statistics/mean.hpp>
#include <boost/accumulators/statistics/min.hpp>
#include <boost/accumulators/statistics/stats.hpp>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace isochrone::collector {
namespace {

namespace acc = boost::accumulators;

using RttStatistics = acc::accumulator_set<double, acc::stats<acc::tag::count, acc::tag::min>>;
using DeviationStatistics = acc::accumulator_set<double, acc::stats<acc::tag::mean>>;

// The smallest value that at least this share of all does not exceed: exact, where Boost's quantile
// accumulators need more samples than the handful of a window.
double quantile(const std::vector<double>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(rank) - 1];
}

// Of a voice, so many of its samples that are spread evenly over what it saw; losses are its slowest.
void thin(std::vector<Sample>& voice, std::size_t keep) {
  if (voice.size() <= keep) return;
  std::sort(voice.begin(), voice.end(), [](const Sample& a, const Sample& b) {
    const auto rtt = [](const Sample& each) { return each.rtt.value_or(Micros::max()); };
    return std::pair(rtt(a), a.time) < std::pair(rtt(b), b.time);
  });
  std::vector<Sample> kept;
  for (std::size_t i = 0; i < keep; ++i) {
    kept.push_back(voice[(2 * i + 1) * voice.size() / (2 * keep)]);
  }
  voice = std::move(kept);
}

// No voice has more than the median one.
void even_out(std::vector<Sample>& samples) {
  const bool is_of_one = std::all_of(samples.begin(), samples.end(), [&](const Sample& each) {
    return each.voice == samples.front().voice;
  });
  if (is_of_one) return;
  std::map<std::uint32_t, std::vector<Sample>> voices;
  for (const Sample& sample : samples) voices[sample.voice].push_back(sample);
  std::vector<std::size_t> counts;
  for (const auto& [voice, said] : voices) counts.push_back(said.size());
  std::sort(counts.begin(), counts.end());
  const std::size_t most = counts[(counts.size() - 1) / 2];
  samples.clear();
  for (auto& [voice, said] : voices) {
    thin(said, most);
    samples.insert(samples.end(), said.begin(), said.end());
  }
}

// A path's samples of one window, those of browsers apart.
ClosedWindow reduce(const Path& path, std::vector<Sample> samples, Instant end) {
  ClosedWindow closed{path, end, samples.size(), {}, {}};
  std::sort(samples.begin(), samples.end());
  // Nearly all paths are seen by one method alone.
  const routing::Method method = samples.front().method;
  const bool is_of_one = method != routing::Method::beacon &&
                         std::all_of(samples.begin(), samples.end(),
                                     [&](const Sample& each) { return each.method == method; });
  if (is_of_one) {
    closed.summaries.push_back(summarize(std::move(samples), end));
    return closed;
  }
  const auto votes = std::stable_partition(samples.begin(), samples.end(), [](const Sample& each) {
    return each.method != routing::Method::beacon;
  });
  std::set<std::uint32_t> heard;
  for (auto at = votes; at != samples.end(); ++at) {
    if (heard.insert(at->voice).second) closed.votes.push_back(*at);
  }
  samples.erase(votes, samples.end());
  std::map<routing::Method, std::vector<Sample>> seen;
  for (const Sample& each : samples) seen[each.method].push_back(each);
  for (auto& [each, of_method] : seen) {
    closed.summaries.push_back(summarize(std::move(of_method), end));
  }
  return closed;
}

Micros rounded(double micros) { return Micros(std::llround(micros)); }

}  // namespace

routing::WindowSummary summarize(std::vector<Sample> samples, Instant end) {
  even_out(samples);
  std::sort(samples.begin(), samples.end());
  routing::WindowSummary summary;
  summary.end = end;
  summary.method = samples.back().method;
  RttStatistics statistics;
  std::vector<double> rtts;
  rtts.reserve(samples.size());
  for (const Sample& sample : samples) {
    if (!sample.rtt) continue;
    summary.method = sample.method;
    rtts.push_back(static_cast<double>(sample.rtt->count()));
    statistics(rtts.back());
  }
  summary.answered = static_cast<std::uint32_t>(acc::count(statistics));
  summary.lost = static_cast<std::uint32_t>(samples.size()) - summary.answered;
  if (rtts.empty()) return summary;
  std::sort(rtts.begin(), rtts.end());
  const double median = quantile(rtts, 0.5);
  DeviationStatistics deviations;
  for (const double rtt : rtts) deviations(std::abs(rtt - median));
  summary.min = rounded(acc::min(statistics));
  summary.p50 = rounded(median);
  summary.p90 = rounded(quantile(rtts, 0.9));
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

void OpenWindows::close_first(std::vector<ClosedWindow>& closed) {
  const Instant end = windows_.begin()->first + length_;
  const std::size_t first = closed.size();
  closed.reserve(first + windows_.begin()->second.paths.size());
  for (auto& [path, samples] : windows_.begin()->second.paths) {
    samples_ -= samples.size();
    closed.push_back(reduce(path, std::move(samples), end));
  }
  std::sort(closed.begin() + static_cast<std::ptrdiff_t>(first), closed.end(),
            [](const ClosedWindow& a, const ClosedWindow& b) { return a.path < b.path; });
  windows_.erase(windows_.begin());
}

std::vector<ClosedWindow> OpenWindows::close(Instant now) {
  std::vector<ClosedWindow> closed;
  while (has_due(now)) close_first(closed);
  // Also what had no events is closed: nothing may still be added to it.
  closed_until_ = std::max(closed_until_, takes_from(now));
  return closed;
}

std::vector<ClosedWindow> OpenWindows::close_all() {
  std::vector<ClosedWindow> closed;
  while (!windows_.empty()) close_first(closed);
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
