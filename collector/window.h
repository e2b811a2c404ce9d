// SPDX-License-Identifier: Apache-2.0
//
// OpenWindows: the samples of each (path, window) until the window closes.
//
// A window is [k * length, (k + 1) * length) of event time. It takes events until `lateness` after
// its end; then its samples go through the accumulators in canonical order, so that the same events
// in any order give the same bytes.
//
// Threads:  one thread.
// Voices:   each method has a summary of its own (fusion.h). A source is one voice in it; no voice has more than
//           the median one, so who sends more does not weigh more. What browsers say is kept apart: jury.h.
// Limits:   kMaxSamples per (path, window): more are counted and not kept, so that one source
//           cannot fill the memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "collector/fusion.h"
#include "event/event.h"
#include "routing/estimate.h"
#include "routing/habit.h"
#include "routing/kin.h"
#include "routing/topology.h"

namespace isochrone::collector {

struct Path {
  Prefix prefix;
  routing::SiteId site;

  friend auto operator<=>(const Path&, const Path&) = default;
};

struct Sample {
  Instant time;
  std::optional<Micros> rtt;  // none: lost
  routing::Method method = routing::Method::icmp;
  std::uint32_t voice = 0;  // who says so: samples of one are not independent

  friend auto operator<=>(const Sample&, const Sample&) = default;
};

struct PathHash {
  std::size_t operator()(const Path& path) const noexcept {
    return std::hash<Prefix>{}(path.prefix) ^ (std::size_t{path.site.value()} << 48);
  }
};

struct ClosedWindow {
  Path path;
  Instant end{};
  std::size_t samples = 0;                          // of both kinds
  std::vector<routing::WindowSummary> summaries{};  // of what probers saw, by method
  std::vector<Sample> votes{};                      // of browsers, one each, sorted
};

// What samples say, whatever order they are in: each voice as much as the median one. Not empty.
routing::WindowSummary summarize(std::vector<Sample> samples, Instant end);

class OpenWindows {
 public:
  static constexpr std::size_t kMaxSamples = 1'024;

  enum class Added : std::uint8_t { kept, late, over_quota };

  OpenWindows(Millis length, Millis lateness) : length_(length), lateness_(lateness) {}

  // `position` of the event in the log, for oldest_position().
  Added add(const Path& path, const Sample& sample, event::Position position);

  // Closes all windows that take no more events at `now`; sorted by window, then path.
  std::vector<ClosedWindow> close(Instant now);

  std::vector<ClosedWindow> close_all();

  bool has_due(Instant now) const noexcept {
    return !windows_.empty() && windows_.begin()->first + length_ + lateness_ <= now;
  }

  // Everything before this is closed.
  Instant closed_until() const noexcept { return closed_until_; }
  void restore_closed_until(Instant until) noexcept { closed_until_ = until; }
  // The clock was set back to `now`: what was closed ahead of it is open again.
  void forget_the_future(Instant now) noexcept {
    closed_until_ = std::min(closed_until_, takes_from(now));
  }
  // The oldest event an open window holds: what a restart must read again. None: nothing is open.
  std::optional<event::Position> oldest_position() const;

  // After the sites were numbered anew; samples of sites that are gone are dropped.
  void renumber(const std::function<std::optional<routing::SiteId>(routing::SiteId)>& new_id);

  // What methods say more than others here.
  MethodBias& bias() noexcept { return bias_; }
  const MethodBias& bias() const noexcept { return bias_; }
  // What its paths take, by what is like them.
  routing::Kin& kin() noexcept { return kin_; }
  const routing::Kin& kin() const noexcept { return kin_; }
  // How long its paths stay away from what they usually are.
  routing::Persistence& persistence() noexcept { return persistence_; }
  const routing::Persistence& persistence() const noexcept { return persistence_; }

  std::size_t open_windows() const noexcept { return windows_.size(); }
  std::size_t open_samples() const noexcept { return samples_; }

 private:
  void close_first(std::vector<ClosedWindow>& closed);

  struct Window {
    std::unordered_map<Path, std::vector<Sample>, PathHash> paths;
    event::Position oldest = 0;
  };

  // The start of the oldest window that takes events at `now`.
  Instant takes_from(Instant now) const noexcept {
    const auto latest = (now - lateness_).time_since_epoch();
    return Instant(latest - latest % Nanos(length_));
  }

  Millis length_;
  Millis lateness_;
  Instant closed_until_{};
  MethodBias bias_;
  routing::Persistence persistence_;
  routing::Kin kin_;
  std::size_t samples_ = 0;
  std::map<Instant, Window> windows_;  // by start
};

}  // namespace isochrone::collector
