// SPDX-License-Identifier: Apache-2.0
//
// Changes: what moved in a past interval, why, and how much traffic it carries, from the event log.
//
// A change is a preference that `state` tells otherwise than before. Its traffic is what DNS nodes reported
// as asked for that service from that network in the interval.
//
// Threads:  values; changes_in() reads the log in the caller's thread, which need not be the engine's.
// Cost:     that of Past, of the interval's state and demand; memory O(networks), and the newest changes.
// Limits:   sites and services are those of the setup. Where a pin or fence applies, or sites are down,
//           an answer may differ from what is preferred.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "collector/past.h"
#include "event/event.h"

namespace isochrone::collector {

enum class WhyMoved : std::uint8_t {
  first,      // nothing was known of the network before
  faster,     // by the service's objective, losses included
  silent,     // the site before was not measured for long, or is not any more
  site_down,  // or draining
  made_room,  // none of that: a site was full, or has room again
  gone,       // nothing is known of the network any more
};
std::string_view to_string(WhyMoved why);

struct Change {
  Instant time{};
  routing::ServiceId service;
  Prefix network;
  std::optional<routing::SiteId> from;
  std::optional<routing::SiteId> to;
  WhyMoved why = WhyMoved::first;
  std::optional<Micros> from_rtt{};  // medians, as they were known then
  std::optional<Micros> to_rtt{};
  std::uint64_t queries = 0;  // in the interval
};

// A site that went, came back or is to be left, which moves all that were there.
struct SiteChange {
  Instant time{};
  routing::SiteId site;
  event::HealthStatus status = event::HealthStatus::up;
  event::HealthOrigin origin = event::HealthOrigin::collector;
  std::string reason;
};

struct ChangesAsked {
  Instant since{};
  Instant until{};
  std::optional<routing::ServiceId> service;  // nothing: each
  std::size_t limit = 1'000;
};

struct ChangesReport {
  Instant since{};              // later than asked for where the log begins
  std::vector<Change> changes;  // the newest first, at most `limit`
  std::uint64_t total = 0;
  std::vector<SiteChange> sites;  // likewise
  std::uint64_t queries = 0;      // of the services asked for, in the interval
  std::uint64_t moved = 0;        // of them, of networks that a listed change is about; each once
  bool is_whole = true;           // as Past
};

Result<ChangesReport> changes_in(const EventLog& log, const PastSetup& setup,
                                 const ChangesAsked& asked, const std::function<bool()>& goes_on);

}  // namespace isochrone::collector
