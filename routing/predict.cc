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
constexpr double kEvidence = 1.5;
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

// A covariance of the seen and what it tells of every site: how far a place is off where it was seen is
// carried over to where it was not.
struct Predictor::Transfer {
  std::vector<double> lower;      // L: the covariance of the seen is L L'
  std::vector<double> whitened;   // by site, then seen: L^-1 times the covariance with the seen
  std::vector<double> deviation;  // by site, given the seen
};

struct Predictor::Like {
  double weight;  // sums to 1
  std::size_t place;
  std::vector<double> mean;       // by site, as a logarithm
  std::vector<double> deviation;  // by site
};

// The posterior over places.
struct Predictor::Belief {
  std::optional<Places::Point> point;
  std::vector<double> map;   // by site; what is added to logs against the map
  std::vector<double> logs;  // of the seen, less the map
  Transfer shared;           // of all places that are no examples
  std::vector<Like> likes;
};

// L of what was seen, for a place that is unsure of what it sees by so much.
std::vector<double> Predictor::factor(const ClientView& client,
                                      std::span<const double> variances) const {
  const std::size_t sites = places_.sites();
  const std::size_t n = client.seen.size();
  std::vector<double> lower(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    const Seen& seen = client.seen[i];
    const std::size_t site = seen.site.index();
    for (std::size_t j = 0; j < n; ++j) {
      lower[i * n + j] = places_.covariance()[site * sites + client.seen[j].site.index()];
    }
    lower[i * n + i] += kMeasured * kMeasured + chance_of_jump(seen.age) * kJump * kJump;
    if (!variances.empty()) lower[i * n + i] += variances[site];
  }
  factorize(lower, n);
  return lower;
}

Predictor::Transfer Predictor::transfer(const ClientView& client,
                                        std::span<const double> variances) const {
  const std::size_t sites = places_.sites();
  const std::size_t n = client.seen.size();
  Transfer transfer{factor(client, variances), std::vector<double>(sites * n), {}};
  for (std::size_t s = 0; s < sites; ++s) {
    double* row = transfer.whitened.data() + s * n;
    for (std::size_t i = 0; i < n; ++i) {
      row[i] = places_.covariance()[s * sites + client.seen[i].site.index()];
    }
    solve_forward(transfer.lower, n, row);
    double left = places_.covariance()[s * sites + s];
    if (!variances.empty()) left += variances[s];
    for (std::size_t i = 0; i < n; ++i) left -= row[i] * row[i];
    transfer.deviation.push_back(std::sqrt(std::max(left, 1e-4)));
  }
  return transfer;
}

// What a client at this place sees, given what it leaves unexplained (whitened) of the seen.
void Predictor::look(const ClientView& client, const double* residual, const Belief& belief,
                     Like& like) const {
  const std::size_t n = client.seen.size();
  const auto variances = doubts(client, like.place);
  const Transfer own = variances.empty() ? Transfer{} : transfer(client, variances);
  const Transfer& transfer = variances.empty() ? belief.shared : own;
  const auto row = places_.logs(like.place, belief.point.has_value());
  for (std::size_t s = 0; s < places_.sites(); ++s) {
    double log = row[s] + belief.map[s];
    for (std::size_t i = 0; i < n; ++i) log += transfer.whitened[s * n + i] * residual[i];
    like.mean.push_back(log);
  }
  like.deviation = transfer.deviation;
}

// How unsure an example is of what it sees. When much was seen of the client, who it is like matters
// little, and factors of many rows are dear.
std::span<const double> Predictor::doubts(const ClientView& client, std::size_t place) const {
  constexpr std::size_t kMostSeen = 6;
  if (client.seen.size() > kMostSeen) return {};
  return places_.variances(place);
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
    const auto variances = doubts(client, p);
    solve_forward(variances.empty() ? belief.shared.lower : factor(client, variances), n, residual);
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
    belief.likes.push_back({share, place, {}, {}});
    look(client, residuals.data() + place * n, belief, belief.likes.back());
    total += share;
  }
  for (Like& like : belief.likes) like.weight /= total;
}

Predictor::Belief Predictor::believe(const ClientView& client, bool with_examples) const {
  Belief belief;
  if (client.location) belief.point = point_of(*client.location);
  belief.map = belief.point ? places_.map(*belief.point) : std::vector<double>(places_.sites(), 0);
  for (const Seen& seen : client.seen) {
    belief.logs.push_back(log_of(seen.rtt) - belief.map[seen.site.index()]);
  }
  belief.shared = transfer(client, {});
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
    for (const Like& like : belief.likes) {
      const double mean = like.mean[s];
      // With nothing to compare with: the site likely to be nearest, which also tells most of the
      // others.
      gains[s] += like.weight * (leaders.best == nullptr
                                     ? -std::exp(mean)
                                     : expected_gain(bar, log_bar, mean, like.deviation[s]));
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
  // Where the map says who is near whom, other examples help to fill in what was not seen; without it
  // they would confirm each other.
  const Belief belief = believe(client, client.location.has_value());
  std::vector<double> logs(places_.sites(), 0);
  std::vector<double> variances(places_.sites(), 0);
  for (std::size_t s = 0; s < logs.size(); ++s) {
    for (const auto& like : belief.likes) logs[s] += like.weight * like.mean[s];
    for (const auto& like : belief.likes) {
      const double off = like.mean[s] - logs[s];
      variances[s] += like.weight * (off * off + like.deviation[s] * like.deviation[s]);
    }
  }
  for (const Seen& seen : client.seen) {
    logs[seen.site.index()] = log_of(seen.rtt);
    variances[seen.site.index()] = 0;
  }
  for (const auto& like : belief.likes) {
    if (like.place < places_.imagined()) places_.count(like.place, like.weight);
  }
  places_.recount();
  std::optional<Places::Point> point;
  if (client.location) point = point_of(*client.location);
  places_.set_example(client.prefix, point, {logs, variances});
}

}  // namespace isochrone::routing
