// SPDX-License-Identifier: Apache-2.0
//
// Scores, preferences with hysteresis, and orders of sites.
#include "routing/policy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>

#include "routing/estimate.h"
#include "routing/integer_sqrt.h"

namespace isochrone::routing {
namespace {

// What one lost packet costs a user: the initial retransmission timeout (RFC 6298 section 2.1).
constexpr Micros kRetransmission{1'000'000};
// A change of the answer on noise alone: four standard errors beyond min_gain is less than once in
// 30 000 independent windows of two paths that are exactly equal.
constexpr int kGainErrors = 4;
// Sending a client so much further than need be is harm: it is ended at once.
constexpr Micros kHarm{25'000};
// The first measurements of a network come site by site within a round or two.
constexpr Seconds kSettling{60};
// A network whose answers moved so often in an hour has paths that alternate; it is held still.
constexpr unsigned kChangesPerHour = 4;
constexpr Seconds kHour{3'600};
constexpr Seconds kHeldStill{300};

bool has_answers(const Estimate* estimate) { return estimate != nullptr && estimate->samples > 0; }

// Two standard deviations of a binomial below the seen loss: one lost probe of thirty is no loss.
std::int64_t certain_loss_permille(const Estimate& estimate) {
  const std::int64_t loss = estimate.loss_permille;
  const std::int64_t probes = std::min<std::int64_t>(probes_behind(estimate), kMemoryProbes);
  return std::max<std::int64_t>(0, loss - 2 * integer_sqrt(loss * (1'000 - loss) / probes));
}

// The RTT of a path without loss that carries a long download as fast. Without loss a window is carried per
// RTT; with a share p of loss TCP carries sqrt(3 / 2p) segments per RTT (Mathis et al., "The macroscopic
// behavior of the TCP congestion avoidance algorithm", 1997), where that is less.
Micros as_slow_as(Micros rtt, std::int64_t loss_permille) {
  // 64 segments are 90 KB: what a receiver that never tuned its buffers lets be under way.
  constexpr std::int64_t kWindow = 64;
  constexpr std::int64_t kParts = 1'024;
  const std::int64_t slower =
      integer_sqrt(kParts * kParts * kWindow * kWindow * 2 * loss_permille / 3'000);
  return rtt * std::max(slower, kParts) / kParts;
}

// Of the difference of two medians.
Micros noise(const Estimate& a, const Estimate& b) {
  const auto squared = [](const Estimate& estimate) {
    // A running average over a memory of n answers is as sure as a plain one of 2 n.
    const std::uint32_t answers = std::min(estimate.samples, 2 * kMemoryAnswers);
    const auto error = standard_error(estimate, answers).count();
    return error * error;
  };
  return Micros(integer_sqrt(squared(a) + squared(b)));
}

// Light in fibre takes a millisecond for 100 km there and back.
bool is_faster_than_light(const Site& a, const Site& b, Micros both) {
  constexpr double kMicrosPerKm = 10;
  return a.location && b.location &&
         static_cast<double>(both.count()) < distance_km(*a.location, *b.location) * kMicrosPerKm;
}

// A client cannot be nearer to two sites than light lets them be to each other. A site that most
// others contradict so is lied about, or not where it is said to be; one that a single other
// contradicts may be the honest one.
bool is_possible(const Topology& topology, const Service& service, const PrefixState& prefix,
                 SiteId site) {
  const Micros seen = prefix.find(site)->min;
  std::size_t others = 0;
  std::size_t contradicted = 0;
  for (const SiteId other : service.sites) {
    const Estimate* estimate = prefix.find(other);
    if (other == site || !has_answers(estimate)) continue;
    ++others;
    const Micros both = seen + estimate->min;
    if (is_faster_than_light(topology.sites[site.index()], topology.sites[other.index()], both)) {
      ++contradicted;
    }
  }
  return contradicted < 2 || contradicted * 2 <= others;
}

// The best measured site of the service that is up; when none is up, all count as up.
std::optional<SiteId> best_site(const Topology& topology, const Service& service,
                                const PrefixState& prefix, SiteMask up) {
  std::optional<SiteId> best;
  while (true) {
    best.reset();
    for (const SiteId site : service.sites) {
      const Estimate* estimate = prefix.find(site);
      if ((up & site_bit(site)) == 0 || !has_answers(estimate)) continue;
      if (!best ||
          score(*estimate, service.objective) < score(*prefix.find(*best), service.objective)) {
        best = site;
      }
    }
    if (!best || is_possible(topology, service, prefix, *best)) return best;
    up &= ~site_bit(*best);
  }
}

bool is_worth_moving(const Service& service, const Estimate& incumbent, const Estimate& best) {
  const Micros from = score(incumbent, service.objective);
  const Micros share(
      static_cast<Micros::rep>(service.min_gain_share * static_cast<double>(from.count())));
  return from - score(best, service.objective) >
         std::max(service.min_gain, share) + kGainErrors * noise(incumbent, best);
}

SiteMask mask_of(const Service& service) {
  SiteMask mask = 0;
  for (const SiteId site : service.sites) mask |= site_bit(site);
  return mask;
}

// How long a gain must have lasted for this preference to move.
Seconds patience(const Preference& held, const Service& service, Micros gain, Instant now) {
  if (held.changes >= kChangesPerHour && now < held.hour + kHour) return kHeldStill;
  if (gain >= kHarm) return Seconds(0);
  const bool is_settling = held.changes == 0 && now < held.chosen + kSettling;
  return is_settling ? Seconds(0) : service.dwell;
}

void choose(PrefixState& prefix, ServiceId id, SiteId site, Instant now) {
  Preference* held = prefix.find_preference(id);
  if (held == nullptr) {
    prefix.prefer(id, site);
    prefix.find_preference(id)->chosen = now;
    return;
  }
  const bool is_settling = held->changes == 0 && now < held->chosen + kSettling;
  held->site = site;
  held->beaten = Instant{};
  if (is_settling) return;
  if (now >= held->hour + kHour) {
    held->hour = now;
    held->changes = 0;
  }
  ++held->changes;
  held->chosen = now;
}

// Whether the incumbent, which can stay, keeps its place against the best.
bool stays(Preference& held, const Service& service, const Estimate& incumbent,
           const Estimate& best, Instant now) {
  if (!is_worth_moving(service, incumbent, best)) {
    held.beaten = Instant{};
    return true;
  }
  // Since both were last heard of: silence does not contradict.
  if (held.beaten == Instant{}) held.beaten = std::min(now, std::max(incumbent.at, best.at));
  const Micros gain = score(incumbent, service.objective) - score(best, service.objective);
  return now < held.beaten + patience(held, service, gain, now);
}

bool may_be_placed(const Preference& held, const PrefixState& seen, SiteMask candidates) {
  return held.placed && (candidates & site_bit(*held.placed)) != 0 &&
         has_answers(seen.find(*held.placed));
}

// `seen`: the prefix, its paths as they are expected to be now.
bool decide_preference(PrefixState& prefix, const PrefixState& seen, const Topology& topology,
                       ServiceId id, SiteMask up, Instant now) {
  const Service& service = topology.services[id.index()];
  const Term* term = service.terms ? service.terms->around(prefix.prefix) : nullptr;
  const SiteMask sites = mask_of(service) & (term != nullptr ? term->allowed : kAllSites);
  const SiteMask candidates = (up & sites) != 0 ? up & sites : sites;
  const std::optional<SiteId> best = best_site(topology, service, seen, candidates);
  Preference* held = prefix.find_preference(id);
  if (term != nullptr && term->pin && (candidates & site_bit(*term->pin)) != 0) {
    if (held != nullptr && held->site == *term->pin) return false;
    choose(prefix, id, *term->pin, now);
    return true;
  }
  const bool is_sound = held != nullptr && has_answers(seen.find(held->site));
  if (!best) {
    // Nothing that is up was measured. A measured incumbent that is down may return.
    return !is_sound && prefix.forget_preference(id);
  }
  if (held != nullptr && may_be_placed(*held, seen, candidates)) {
    held->beaten = Instant{};
    if (held->site == *held->placed) return false;
    choose(prefix, id, *held->placed, now);
    return true;
  }
  if (held != nullptr && held->site == *best) {
    held->beaten = Instant{};
    return false;
  }
  const bool can_stay = is_sound && (candidates & site_bit(held->site)) != 0;
  if (can_stay && stays(*held, service, *seen.find(held->site), *seen.find(*best), now)) {
    return false;
  }
  choose(prefix, id, *best, now);
  return true;
}

// The sites by their keys; those of equal keys stay as they were.
template <class Key>
std::vector<SiteId> in_order(std::vector<std::pair<Key, SiteId>> keyed) {
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<SiteId> sites;
  sites.reserve(keyed.size());
  for (const auto& [key, site] : keyed) sites.push_back(site);
  return sites;
}

// Of `sites`, best first and with their scores, again and again the earliest in the service's order
// among those less than merge_within behind the first that is left. Equal but for noise, they come in
// one order for every client, and none costs more than merge_within over what was first.
void merge(std::vector<SiteId>& sites, std::vector<Micros> scores, const Service& service) {
  const auto place_of = [&](SiteId site) {
    return std::find(service.sites.begin(), service.sites.end(), site);
  };
  for (std::size_t first = 0; first < scores.size(); ++first) {
    std::size_t chosen = first;
    for (std::size_t i = first + 1; i < scores.size(); ++i) {
      const bool is_near = scores[i] < scores[first] + service.merge_within;
      if (is_near && place_of(sites[i]) < place_of(sites[chosen])) chosen = i;
    }
    const auto rotate = [&](auto& all) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
      const auto at = all.begin() + static_cast<std::ptrdiff_t>(chosen);
      std::rotate(begin, at, at + 1);
    };
    rotate(sites);
    rotate(scores);
  }
}

}  // namespace

Micros score(const Estimate& estimate, Objective objective) {
  if (estimate.samples == 0) return Micros::max();
  // A packet lost with probability p is lost p / (1 - p) times; at 1 that is capped, not infinite.
  const std::int64_t loss = std::min<std::int64_t>(certain_loss_permille(estimate), 999);
  if (objective == Objective::throughput) return as_slow_as(estimate.p50, loss);
  const Micros rtt = objective == Objective::min   ? estimate.min
                     : objective == Objective::p90 ? estimate.p90
                                                   : estimate.p50;
  return rtt + kRetransmission * loss / (1'000 - loss);
}

double chance_better(const Estimate& a, const Estimate& b, Objective objective) {
  const auto gap = static_cast<double>((score(b, objective) - score(a, objective)).count());
  // A microsecond is what times are kept in: nothing is surer than that.
  const auto error = static_cast<double>(std::max(noise(a, b), Micros(1)).count());
  return std::erfc(-gap / error / std::numbers::sqrt2) / 2;
}

bool is_measured(const Service& service, const PrefixState& prefix) {
  return std::any_of(service.sites.begin(), service.sites.end(),
                     [&](SiteId site) { return has_answers(prefix.find(site)); });
}

std::optional<PrefixState> as_expected(const PrefixState& prefix, Instant now,
                                       const Persistence& persistence) {
  const bool has_aged =
      std::any_of(prefix.paths.begin(), prefix.paths.end(), [&](const auto& path) {
        return path.usual.is_known() && Persistence::span(now - path.estimate.at) > 0;
      });
  if (!has_aged) return std::nullopt;
  PrefixState expected{prefix.prefix, prefix.version, prefix.paths, {}};
  for (PathState& path : expected.paths) {
    path.estimate = expect(path.estimate, path.usual, now, persistence);
  }
  return expected;
}

bool decide_preferences(PrefixState& prefix, const Topology& topology, SiteMask up, Instant now,
                        const Persistence& persistence) {
  const std::optional<PrefixState> aged = as_expected(prefix, now, persistence);
  return decide_preferences(prefix, aged ? *aged : prefix, topology, up, now);
}

bool decide_preferences(PrefixState& prefix, const PrefixState& seen, const Topology& topology,
                        SiteMask up, Instant now) {
  bool changed = false;
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    const ServiceId id(static_cast<std::uint16_t>(i));
    changed = decide_preference(prefix, seen, topology, id, up, now) || changed;
  }
  return changed;
}

std::vector<SiteId> rank_sites(const Service& service, ServiceId id, const PrefixState& prefix,
                               const std::vector<SiteId>& fallback) {
  enum Tier { first_choice, answered, unknown, in_vain };
  using Place = std::pair<Tier, Micros>;
  const SiteId* preferred = prefix.preferred(id);
  const auto place_of = [&](SiteId site) -> Place {
    if (preferred != nullptr && site == *preferred) return {first_choice, Micros(0)};
    const Estimate* estimate = prefix.find(site);
    if (estimate == nullptr) return {unknown, Micros(0)};
    if (estimate->samples == 0) return {in_vain, Micros(0)};
    return {answered, score(*estimate, service.objective)};
  };
  std::vector<std::pair<Place, SiteId>> places;
  places.reserve(service.sites.size());
  for (const SiteId site : fallback) places.emplace_back(place_of(site), site);
  std::vector<SiteId> sites = in_order(std::move(places));
  if (service.merge_within == Micros(0)) return sites;
  std::vector<Micros> scores;
  for (const SiteId site : sites) {
    const Estimate* estimate = prefix.find(site);
    if (estimate == nullptr || estimate->samples == 0) break;
    scores.push_back(score(*estimate, service.objective));
  }
  merge(sites, std::move(scores), service);
  return sites;
}

std::vector<SiteId> by_distance(const Service& service, const Topology& topology,
                                const Location& from) {
  constexpr double kNowhere = std::numeric_limits<double>::infinity();
  std::vector<std::pair<double, SiteId>> distances;
  distances.reserve(service.sites.size());
  for (const SiteId site : service.sites) {
    const auto& location = topology.sites[site.index()].location;
    distances.emplace_back(location ? distance_km(*location, from) : kNowhere, site);
  }
  return in_order(std::move(distances));
}

}  // namespace isochrone::routing
