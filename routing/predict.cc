// SPDX-License-Identifier: Apache-2.0
//
// Weighing places by what is known of a client, and the gain each path promises.
#include "routing/predict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace isochrone::routing {
namespace {

// Tails of the places' evidence (Student's t): a client that fits nowhere still fits somewhere best.
constexpr double kFreedom = 2;
constexpr double kEvidence = 1.2;
// A client so many kilometres from a place is hardly like it any more; the tail forgives wrong maps.
constexpr double kLikeKm = 1'000;
constexpr double kLikePower = 1.5;
constexpr double kEarthKm = 6371.0088;
// A measurement's own error, in logarithms: 2 %.
constexpr double kMeasured = 0.02;
// Paths jump now and then, by about a third: one in e within six days (planetlab490: about 8 % of paths
// change by more than a tenth between slices half a day apart).
constexpr double kJump = 0.35;
constexpr double kJumpDays = 6;
// The gain is summed over the likeliest places; what is left out weighs next to nothing.
constexpr std::size_t kMostPlaces = 48;
// Nothing known of a client: any RTT is better than so many milliseconds.
constexpr double kWorstMs = 400;

double chance_of_jump(Nanos age) {
  const double days = std::chrono::duration<double, std::ratio<86'400>>(age).count();
  return 1 - std::exp(-std::max(0.0, days) / kJumpDays);
}

double log_of(Micros rtt) {
  return std::log(static_cast<double>(rtt.count()) / 1'000 + Places::kNearby);
}

double normal_share(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

// E[max(0, bar - X)] where log X is normal.
double expected_gain(double bar, double log_bar, double mean, double deviation) {
  const double at = (log_bar - mean) / deviation;
  if (at < -6) return 0;
  return bar * normal_share(at) -
         std::exp(mean + deviation * deviation / 2) * normal_share(at - deviation);
}

double like_on_map(const Places::Point& a, const Places::Point& b) {
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  const double km = kEarthKm * 2 * std::asin(std::min(1.0, std::sqrt(sum) / 2));
  return -kLikePower * std::log1p((km / kLikeKm) * (km / kLikeKm));
}

// The lower triangle L of A = L L', row-major, in place.
void factorize(std::vector<double>& a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / a[j * n + j];
    }
  }
}

// Solves L x = b in place.
void solve_forward(const std::vector<double>& lower, std::size_t n, double* b) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= lower[i * n + k] * b[k];
    b[i] /= lower[i * n + i];
  }
}

// The least and the second least of what was seen.
struct Leaders {
  const Seen* best = nullptr;
  const Seen* second = nullptr;
};

Leaders leaders_of(std::span<const Seen> all) {
  Leaders leaders;
  for (const Seen& seen : all) {
    if (leaders.best == nullptr || seen.rtt < leaders.best->rtt) {
      leaders.second = std::exchange(leaders.best, &seen);
    } else if (leaders.second == nullptr || seen.rtt < leaders.second->rtt) {
      leaders.second = &seen;
    }
  }
  return leaders;
}

// What it promises to measure a path again: it may have jumped since.
double gain_of_repeating(const Seen& seen, const Leaders& leaders) {
  const double jump = chance_of_jump(seen.age);
  const double mean = log_of(seen.rtt);
  if (&seen != leaders.best) {
    const double log_bar = std::min(log_of(leaders.best->rtt), std::log(kWorstMs));
    return jump * expected_gain(std::exp(log_bar), log_bar, mean, kJump);
  }
  // What is lost while the best has become worse than the second and nobody knows.
  const double log_other =
      leaders.second != nullptr ? log_of(leaders.second->rtt) : std::log(kWorstMs);
  const double other = std::exp(log_other);
  return jump * (std::exp(mean + kJump * kJump / 2) - other +
                 expected_gain(other, log_other, mean, kJump));
}

}  // namespace

// The posterior over places, and the normal distribution of each site's deviation from any of them.
struct Predictor::Belief {
  struct Like {
    double weight;  // sums to 1
    std::size_t place;
    std::vector<double> residual;  // of the seen, whitened
  };

  std::optional<Places::Point> point;
  std::vector<double> map;        // by site; what is added to logs against the map
  std::vector<double> logs;       // of the seen, less the map
  std::vector<double> lower;      // L: the covariance of the seen is L L'
  std::vector<double> whitened;   // by site, then seen: L^-1 times the covariance with the seen
  std::vector<double> deviation;  // by site, given the seen
  std::vector<Like> likes;

  double mean(const Places& places, const Like& like, std::size_t site) const {
    const std::size_t n = like.residual.size();
    double log = places.logs(like.place, point.has_value())[site] + map[site];
    for (std::size_t i = 0; i < n; ++i) log += whitened[site * n + i] * like.residual[i];
    return log;
  }
};

// What the seen paths tell of the others, whatever the place.
Predictor::Belief Predictor::condition(const ClientView& client) const {
  const std::size_t sites = places_.sites();
  const std::size_t n = client.seen.size();
  const auto together = [&](std::size_t site, std::size_t i) {
    return places_.covariance()[site * sites + client.seen[i].site.index()];
  };
  Belief belief;
  if (client.location) belief.point = point_of(*client.location);
  belief.map = belief.point ? places_.map(*belief.point) : std::vector<double>(sites, 0);
  belief.lower.resize(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const Seen& seen = client.seen[i];
    const std::size_t site = seen.site.index();
    belief.logs.push_back(log_of(seen.rtt) - belief.map[site]);
    for (std::size_t j = 0; j < n; ++j) belief.lower[i * n + j] = together(site, j);
    belief.lower[i * n + i] += kMeasured * kMeasured + chance_of_jump(seen.age) * kJump * kJump;
  }
  factorize(belief.lower, n);
  belief.whitened.resize(sites * n);
  for (std::size_t s = 0; s < sites; ++s) {
    double* row = belief.whitened.data() + s * n;
    for (std::size_t i = 0; i < n; ++i) row[i] = together(s, i);
    solve_forward(belief.lower, n, row);
    double left = places_.covariance()[s * sites + s];
    for (std::size_t i = 0; i < n; ++i) left -= row[i] * row[i];
    belief.deviation.push_back(std::sqrt(std::max(left, 1e-4)));
  }
  return belief;
}

// How far each place explains what was seen, and what it leaves unexplained.
void Predictor::weigh(const ClientView& client, bool with_examples, Belief& belief) const {
  const std::size_t n = client.seen.size();
  const std::size_t own = places_.example(client.prefix);
  const std::size_t places = with_examples ? places_.size() : places_.imagined();
  std::vector<std::pair<double, std::size_t>> weights;
  std::vector<double> residuals(places * n);
  for (std::size_t p = 0; p < places; ++p) {
    if (p == own) continue;
    const auto row = places_.logs(p, belief.point.has_value());
    double* residual = residuals.data() + p * n;
    for (std::size_t i = 0; i < n; ++i) {
      residual[i] = belief.logs[i] - row[client.seen[i].site.index()];
    }
    solve_forward(belief.lower, n, residual);
    double surprise = 0;
    for (std::size_t i = 0; i < n; ++i) surprise += residual[i] * residual[i];
    double weight = places_.weight(p) - kEvidence * (kFreedom + static_cast<double>(n)) / 2 *
                                            std::log1p(surprise / kFreedom);
    const auto& there = places_.point(p);
    if (belief.point && there) weight += like_on_map(*belief.point, *there);
    weights.emplace_back(weight, p);
  }
  const std::size_t kept = std::min(weights.size(), kMostPlaces);
  std::partial_sort(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(kept),
                    weights.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  weights.resize(kept);
  double total = 0;
  for (const auto& [weight, place] : weights) {
    const double share = std::exp(weight - weights.front().first);
    const auto from = residuals.begin() + static_cast<std::ptrdiff_t>(place * n);
    belief.likes.push_back({share, place, {from, from + static_cast<std::ptrdiff_t>(n)}});
    total += share;
  }
  for (Belief::Like& like : belief.likes) like.weight /= total;
}

Predictor::Belief Predictor::believe(const ClientView& client, bool with_examples) const {
  Belief belief = condition(client);
  weigh(client, with_examples, belief);
  return belief;
}

// By site: the milliseconds a measurement promises to save.
std::vector<double> Predictor::gains(const ClientView& client, const Belief& belief) const {
  std::vector<double> gains(places_.sites(), 0);
  const Leaders leaders = leaders_of(client.seen);
  const double log_bar = leaders.best != nullptr
                             ? std::min(log_of(leaders.best->rtt), std::log(kWorstMs))
                             : std::log(kWorstMs);
  const double bar = std::exp(log_bar);
  for (std::size_t s = 0; s < gains.size(); ++s) {
    for (const Belief::Like& like : belief.likes) {
      const double mean = belief.mean(places_, like, s);
      // With nothing to compare with: the site likely to be nearest, which also tells most of the
      // others.
      gains[s] += like.weight * (leaders.best == nullptr
                                     ? -std::exp(mean)
                                     : expected_gain(bar, log_bar, mean, belief.deviation[s]));
    }
  }
  for (const Seen& seen : client.seen) gains[seen.site.index()] = gain_of_repeating(seen, leaders);
  return gains;
}

std::optional<SiteId> Predictor::next(const ClientView& client, SiteMask candidates) const {
  const std::vector<double> promised = gains(client, believe(client, true));
  std::optional<SiteId> choice;
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t s = 0; s < promised.size(); ++s) {
    const SiteId site(static_cast<std::uint16_t>(s));
    if ((candidates & site_bit(site)) == 0 || promised[s] <= most) continue;
    most = promised[s];
    choice = site;
  }
  return choice;
}

void Predictor::learn(const ClientView& client) {
  if (client.seen.empty()) return;
  const Belief belief = believe(client, false);
  std::vector<double> logs(places_.sites(), 0);
  for (std::size_t s = 0; s < logs.size(); ++s) {
    for (const auto& like : belief.likes) {
      logs[s] += like.weight * belief.mean(places_, like, s);
    }
  }
  for (const Seen& seen : client.seen) logs[seen.site.index()] = log_of(seen.rtt);
  for (const auto& like : belief.likes) places_.count(like.place, like.weight);
  places_.recount();
  std::optional<Places::Point> point;
  if (client.location) point = point_of(*client.location);
  places_.set_example(client.prefix, point, logs);
}

}  // namespace isochrone::routing
