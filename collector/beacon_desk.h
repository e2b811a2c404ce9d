// SPDX-License-Identifier: Apache-2.0
//
// BeaconDesk: gives tasks out to browsers, and judges what they report.
//
// A report counts when its token is ours, has not expired, was given to the network that it comes from and
// names the sites it tells of; when no result is faster than light or slower than the timeout; and once.
//
// Threads:  any.
// Memory:   which sites a task was reported for, until its token expires: at most kMaxTasks.
// Limits:   a report is judged as a whole: who lies about one site is not believed about another. A token
//           that was used counts again after a restart, and at each of several collectors, once: until it
//           expires.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/metrics.h"
#include "collector/beacon_options.h"
#include "collector/beacon_report.h"
#include "collector/beacon_token.h"
#include "event/event.h"
#include "routing/geo.h"
#include "routing/topology.h"

namespace isochrone::collector {

enum class BeaconOutcome : std::uint8_t {
  task,  // given out
  taken,
  blind,      // nothing in it says how long anything took
  malformed,  // no report, or no token
  forged,
  expired,
  network,  // not the one that the token was given to
  site,     // not one of the task's
  light,    // faster than light
  timeout,  // slower than a browser waits
  replayed,
  origin,
  client,  // asked too often
  prefix,  // likewise, its network
  rate,    // likewise, everybody
  failed   // the event log could not be written
};
constexpr std::size_t kBeaconOutcomes = 16;
std::string_view to_string(BeaconOutcome outcome);
int status_of(BeaconOutcome outcome);

struct BeaconRefusal {
  BeaconOutcome why;
  std::string error;
};

class BeaconDesk {
 public:
  static constexpr std::size_t kMaxTasks = 200'000;

  // `map` may be null. `source` and `epoch` name the events that come of reports.
  BeaconDesk(const BeaconOptions& options, const routing::Topology& topology,
             std::shared_ptr<const routing::GeoPrior> map, std::string source, std::uint64_t epoch);
  void reconfigure(const BeaconOptions& options, const routing::Topology& topology,
                   std::shared_ptr<const routing::GeoPrior> map);

  // The task, and the token that says so.
  std::string give_out(BeaconTask& task, Instant now);
  // Measurements of the report; none when it is blind.
  tl::expected<std::vector<event::Event>, BeaconRefusal> judge(std::string_view body,
                                                               const Prefix& client, Instant now);
  // Lost measurements of what browsers saw fail at one of our sites.
  std::vector<event::Event> judge_errors(const std::vector<struct NetworkError>& errors,
                                         const Prefix& client, Instant now);

  void count(BeaconOutcome outcome, std::uint64_t times = 1) {
    counts_[static_cast<std::size_t>(outcome)].fetch_add(times, std::memory_order_relaxed);
  }
  void measure(Metrics& metrics) const;

 private:
  struct Rules {
    BeaconOptions options;
    routing::Topology topology;
    std::shared_ptr<const routing::GeoPrior> map;
  };
  struct Used {
    std::unordered_map<event::BeaconNumber, std::uint8_t> sites;  // bits by place in the task
    std::deque<std::pair<Instant, event::BeaconNumber>> order;    // as they were used first
  };

  std::optional<BeaconRefusal> objection(const Rules& rules, const BeaconTask& task,
                                         const BeaconResult& result) const;
  // False when one of them was used before; otherwise all of them are now.
  bool use(const BeaconTask& task, std::uint8_t sites, Instant now);
  event::Event make(event::Measurement measurement, std::string task, Instant now);
  std::shared_ptr<const Rules> rules() const {
    return rules_.with([](const auto& current) { return current; });
  }

  Guarded<std::shared_ptr<const Rules>> rules_;
  Guarded<Used> used_;
  const std::string source_;
  const std::uint64_t epoch_;
  std::atomic<std::uint64_t> sequence_{0};
  std::array<std::atomic<std::uint64_t>, kBeaconOutcomes> counts_{};
  std::atomic<std::uint64_t> losses_{0};        // that NEL reports told
  std::atomic<std::uint64_t> other_errors_{0};  // that they told and that are no loss of ours
};

// The least time that light takes from a site to a network and back, as far as the map is right; zero when
// one of the two is not on it.
Micros least_rtt(const routing::Site& site, const Prefix& client, const routing::GeoPrior* map);

}  // namespace isochrone::collector
