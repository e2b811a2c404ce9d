// SPDX-License-Identifier: Apache-2.0
//
// PerformanceState: all estimates, per client prefix, and the site each service now prefers there.
//
// Threads:    a value of the thread that reduces it; compile_table() reads it there.
// Cost:       apply() O(1) expected; memory about 100 bytes per path.
// Invariant:  a PrefixState's paths are sorted by site and unique, preferences by service: fill them
//             through set() and prefer(), which keep it so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "routing/estimate.h"
#include "routing/habit.h"
#include "routing/topology.h"

namespace isochrone::routing {

struct PathState {
  SiteId site;
  Usual usual;  // known to the reducer alone
  Estimate estimate;

  friend bool operator==(const PathState& a, const PathState& b) {
    return a.site == b.site && a.estimate == b.estimate;
  }
};
static_assert(sizeof(PathState) == 8 + sizeof(Estimate));

// What one method alone says of a path, where that is not the path's estimate.
struct View {
  SiteId site;
  Excess more;  // than an ICMP echo would say
  Estimate estimate;
  friend bool operator==(const View&, const View&) = default;
};

// The hysteresis' memory: what the service answers with until something is better by enough.
struct Preference {
  ServiceId service;
  SiteId site;
  // Known to the reducer alone: no part of events and files. A restart begins them anew.
  Instant chosen{};      // when the site was chosen
  Instant beaten{};      // since when another is worth moving to; the epoch: none is
  Instant hour{};        // when `changes` began to count
  unsigned changes = 0;  // in that hour, the first choice not counted
  // Where the network has to be served, because nearer sites have no room for it.
  std::optional<SiteId> placed{};

  friend bool operator==(const Preference& a, const Preference& b) {
    return a.service == b.service && a.site == b.site;
  }
};

struct PrefixState {
  Prefix prefix;
  std::uint64_t version = 0;  // raised with every change; an older one is refused
  std::vector<PathState> paths;
  std::vector<Preference> preferences;
  std::vector<View> views{};  // by site, then method
  Instant aged{};             // until when its silence is decided upon; known to the reducer alone

  // Valid until the next change; null when there is none.
  const Estimate* find(SiteId site) const;
  // The path's estimate from now on; what it usually is stays.
  PathState& set(SiteId site, const Estimate& estimate);
  // Forgets paths, and what was seen of them; how many.
  std::size_t forget(const std::function<bool(const PathState&)>& is_gone);
  const SiteId* preferred(ServiceId service) const;
  Preference* find_preference(ServiceId service);
  void prefer(ServiceId service, SiteId site);
  bool forget_preference(ServiceId service);  // false when there was none
  // Raises the version, to the microseconds of that time if those are more.
  void changed(Instant at);
  // Nothing was before `now`: the clock was set back.
  void forget_the_future(Instant now);
};

class PerformanceState {
 public:
  // False when the version is not newer than what is known: late or repeated.
  bool apply(PrefixState next);
  bool erase(const Prefix& prefix);

  const PrefixState* find(const Prefix& prefix) const;
  PrefixState& at(const Prefix& prefix);  // made empty when absent
  void forget_the_future(Instant now);
  std::size_t size() const { return prefixes_.size(); }
  const std::unordered_map<Prefix, PrefixState>& prefixes() const { return prefixes_; }

 private:
  std::unordered_map<Prefix, PrefixState> prefixes_;
};

}  // namespace isochrone::routing
