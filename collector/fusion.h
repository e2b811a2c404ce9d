// SPDX-License-Identifier: Apache-2.0
//
// Fusion: one estimate of a path from what several methods say of it.
//
// Each method that saw a path keeps an estimate of its own, a view. The path's estimate is the view of the most
// trusted method that still answers, unless another has answered for kStale since (a browser: kWatched). Where
// not all paths of a network are seen by the same method, what a method says more than an ICMP echo is taken
// off, so that its paths can be compared: as it was seen on that very path, or on others of the network, or
// else on all networks of the partition. It is learnt whenever a path answers to two methods at about the same
// time, and differences that are another path's, or a lie, teach nothing.
//
// Exact:    integers only; a function of the views, the learnt differences and the window, whatever the clock.
// Cost:     of one window: the views and paths of its network.
// Threads:  values.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "routing/estimate.h"
#include "routing/state.h"

namespace isochrone::collector {

// How much more each method says than an ICMP echo would, over all networks.
class MethodBias {
 public:
  static constexpr std::size_t kBytes = routing::kMethods * 6 * 4;

  const routing::Excess& of(routing::Method method) const noexcept;
  // Follows the last sixteen or so; none moves a time by more than a quarter of a millisecond.
  void learn(routing::Method method, const routing::Excess& seen) noexcept;

  std::string to_bytes() const;
  // What is not kBytes is left alone.
  void restore(std::string_view bytes);

 private:
  std::array<routing::Excess, routing::kMethods> more_{};
};

// A view is stale when another method was answered so much later.
constexpr Seconds kStale{60};
// Or so much later, when it was not answered: what is silent to one method is tried with the next. And so much
// later by browsers: they may lie together. Under a budget each path is seen once in the lifetime of a target,
// five minutes.
constexpr Seconds kWatched{330};

// A window of one method into its view of the path, and all of the network's estimates after it. `teaches`:
// what it says beside other methods may be learnt.
void fuse(routing::PrefixState& known, routing::SiteId site, const routing::WindowSummary& window,
          MethodBias& bias, bool teaches);

// The path's estimate is what it was before, whatever was said since; false when it is.
bool set_back(routing::PrefixState& known, routing::SiteId site, const routing::Estimate& before);
// Forgets what was not said by browsers of the site's path, and the path if nothing is left; false when there was
// nothing to forget.
bool forget_probes(routing::PrefixState& known, routing::SiteId site, const MethodBias& bias);

}  // namespace isochrone::collector
