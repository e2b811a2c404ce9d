// SPDX-License-Identifier: Apache-2.0
//
// SiteHealth: which sites may be named, from heartbeats and from what operators say.
//
// A prober's heartbeat says that its site is there. A site that was heard and falls silent for the
// timeout is down, until it is heard again; one that was never heard has no prober and counts as up.
// An operator's word stands beside that until the operator takes it back: the last one by its own time,
// in whatever order they arrive.
//
// Threads:  one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "event/event.h"
#include "routing/topology.h"

namespace isochrone::collector {

class SiteHealth {
 public:
  struct Site {
    std::optional<Instant> last_heard;
    bool is_silent = false;
    event::HealthStatus by_operator = event::HealthStatus::up;
    Instant said{};  // when the operator said so
    std::string reason;
    Instant since{};  // of the last change
  };

  SiteHealth(std::size_t sites, Millis timeout) : sites_(sites), timeout_(timeout) {}

  // `said` is the event's own time. Whether the mask changed.
  bool apply(routing::SiteId site, const event::Health& health, Instant said, Instant now);

  // Verdicts that have become due: sites that fell silent, or were heard again.
  struct Verdict {
    routing::SiteId site;
    event::HealthStatus status;
    std::string reason;
  };
  std::vector<Verdict> judge(Instant now);

  // Between these two nobody could have been heard, so that it is no silence: the collector stood still,
  // or its clock was set, forward or back.
  void excuse(Instant before, Instant now);

  // What was known in an earlier life; a site that was heard then gets a full timeout to be heard.
  void restore(routing::SiteId site, bool was_heard, bool was_silent,
               event::HealthStatus by_operator, Instant said, Instant now);
  // What was known of the site under another number.
  void take_over(routing::SiteId site, const Site& known) { sites_[site.index()] = known; }

  routing::SiteMask up() const;
  routing::SiteMask draining() const;  // heard, and asked by the operator to be left
  const std::vector<Site>& sites() const noexcept { return sites_; }

 private:
  std::vector<Site> sites_;  // by SiteId
  Millis timeout_;
};

}  // namespace isochrone::collector
