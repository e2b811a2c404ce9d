// SPDX-License-Identifier: Apache-2.0
#include "collector/site_health.h"

#include <algorithm>

#include "event/event.h"

namespace isochrone::collector {

bool SiteHealth::apply(routing::SiteId id, const event::Health& health, Instant said, Instant now) {
  Site& site = sites_[id.index()];
  const routing::SiteMask before = up();
  switch (health.origin) {
    case event::HealthOrigin::prober:
      if (health.status == event::HealthStatus::up) site.last_heard = now;
      break;
    case event::HealthOrigin::collector:
      site.is_silent = health.status == event::HealthStatus::down;
      site.reason = health.reason;
      break;
    case event::HealthOrigin::operators:
      if (said < site.said) break;
      site.by_operator = health.status;
      site.said = said;
      site.reason = health.reason;
      break;
  }
  const bool changed = up() != before;
  if (changed) site.since = now;
  return changed;
}

std::vector<SiteHealth::Verdict> SiteHealth::judge(Instant now) {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const Site& site = sites_[i];
    if (!site.last_heard) continue;
    const bool is_silent = *site.last_heard + timeout_ < now;
    if (is_silent == site.is_silent) continue;
    const routing::SiteId id(static_cast<std::uint16_t>(i));
    verdicts.push_back(is_silent ? Verdict{id, event::HealthStatus::down,
                                           "no heartbeat for " + format_duration(timeout_)}
                                 : Verdict{id, event::HealthStatus::up, "heartbeat is back"});
  }
  return verdicts;
}

void SiteHealth::excuse(Instant before, Instant now) {
  for (Site& site : sites_) {
    // Long ago, of one that was silent in an earlier life, stays so.
    if (!site.last_heard || *site.last_heard == Instant{}) continue;
    Instant& heard = *site.last_heard;
    if (now >= before) heard = std::min(heard + (now - before), now);
    // What is not ahead was heard since the clock was set.
    if (now < before && heard > now) heard = std::min(heard - (before - now), now);
  }
}

void SiteHealth::restore(routing::SiteId id, bool was_heard, bool was_silent,
                         event::HealthStatus by_operator, Instant said, Instant now) {
  Site& site = sites_[id.index()];
  // A site that was silent stays so until it is heard: long ago is before any timeout.
  if (was_heard) site.last_heard = was_silent ? Instant{} : now;
  site.is_silent = was_silent;
  site.by_operator = by_operator;
  site.said = said;
  site.since = now;
}

routing::SiteMask SiteHealth::up() const {
  routing::SiteMask mask = 0;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const bool is_up = !sites_[i].is_silent && sites_[i].by_operator == event::HealthStatus::up;
    if (is_up) mask |= routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)));
  }
  return mask;
}

routing::SiteMask SiteHealth::draining() const {
  routing::SiteMask mask = 0;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const bool is_draining =
        !sites_[i].is_silent && sites_[i].by_operator == event::HealthStatus::draining;
    if (is_draining) mask |= routing::site_bit(routing::SiteId(static_cast<std::uint16_t>(i)));
  }
  return mask;
}

}  // namespace isochrone::collector
