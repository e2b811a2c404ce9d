// SPDX-License-Identifier: Apache-2.0
//
// Imagining places from what sites see of each other.
#include "routing/places.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace isochrone::routing {
namespace {

constexpr double kEarthKm = 6371.0088;
// Light in fibre makes 100 km of distance one millisecond there and back; real paths about twice that.
constexpr double kKmPerMs = 50;
// The share of a difference in distance that shows as a difference in RTT between places that
// resemble each other: paths follow cables, so not all of it.
constexpr double kMapShare = 0.8;
// Clients between two sites are as much rarer as those sites are apart, by e per so many ms.
constexpr double kApart = 50;
constexpr double kLeastWeight = 1e-3;
constexpr std::array<double, 3> kShares{0.2, 0.35, 0.5};
// So many clients are as good as what was imagined without any.
constexpr double kFewExamples = 30;
// Deviations of a client from its place, in logarithms: shared by all sites (its access network),
// by sites near each other (its continent's cables), and a path's own.
constexpr double kAccess = 0.13;
constexpr double kRegion = 0.08;
constexpr double kOwn = 0.07;
constexpr double kRegionMs = 30;

using Point = Places::Point;

double chord_km(const Point& a, const Point& b) {
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return kEarthKm * 2 * std::asin(std::min(1.0, std::sqrt(sum) / 2));
}

// On the great circle from a to b.
Point between_points(const Point& a, const Point& b, double share) {
  Point point{};
  double norm = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    point[i] = (1 - share) * a[i] + share * b[i];
    norm += point[i] * point[i];
  }
  if (norm < 1e-12) return a;  // opposite ends of the earth
  for (double& x : point) x /= std::sqrt(norm);
  return point;
}

SiteId site_at(std::size_t index) { return SiteId(static_cast<std::uint16_t>(index)); }

}  // namespace

Point point_of(const Location& location) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double north = location.latitude * kRadians;
  const double east = location.longitude * kRadians;
  return {std::cos(north) * std::cos(east), std::cos(north) * std::sin(east), std::sin(north)};
}

std::optional<Micros> Mesh::get(SiteId from, SiteId to) const {
  const std::int64_t there = micros_[index(from, to)];
  const std::int64_t back = micros_[index(to, from)];
  if (there == kUnknown && back == kUnknown) return std::nullopt;
  if (there == kUnknown || back == kUnknown) return Micros(std::max(there, back));
  return Micros((there + back) / 2);
}

struct Places::Pair {
  double weight;
  std::size_t from;
  std::size_t to;
  double share;
};

Places::Places(const std::vector<std::optional<Location>>& sites, const Mesh& mesh) {
  for (const auto& site : sites) {
    locations_.push_back(site ? std::optional(point_of(*site)) : std::nullopt);
  }
  const std::vector<double> ms = complete(mesh);
  relate(ms);
  imagine(ms);
}

// Milliseconds between all sites: measured, else the shortest way over measured pairs, else what the
// map makes likely, else the mean of what is known.
std::vector<double> Places::complete(const Mesh& mesh) const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  constexpr double kAnyMs = 100;  // the middle of what the Internet has
  const std::size_t n = sites();
  std::vector<double> ms(n * n, kNone);
  double sum = 0;
  std::size_t known = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const auto rtt = mesh.get(site_at(i), site_at(j));
      if (i == j) ms[i * n + j] = 0;
      if (i == j || !rtt) continue;
      ms[i * n + j] = static_cast<double>(rtt->count()) / 1'000;
      sum += ms[i * n + j];
      ++known;
    }
  }
  std::vector<double> full = ms;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double& value = full[i * n + j];
      if (value != kNone) continue;
      for (std::size_t k = 0; k < n; ++k) value = std::min(value, ms[i * n + k] + ms[k * n + j]);
      if (value == kNone && locations_[i] && locations_[j]) {
        value = chord_km(*locations_[i], *locations_[j]) / kKmPerMs;
      }
      if (value == kNone) value = known > 0 ? sum / static_cast<double>(known) : kAnyMs;
    }
  }
  return full;
}

// Two sites go together as far as they see the same neighbours near: a Gram matrix, so that it is a
// covariance whatever the RTTs are.
void Places::relate(const std::vector<double>& ms) {
  const std::size_t n = sites();
  std::vector<double> view(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    double norm = 0;
    for (std::size_t j = 0; j < n; ++j) {
      view[i * n + j] = std::exp(-ms[i * n + j] / kRegionMs);
      norm += view[i * n + j] * view[i * n + j];
    }
    for (std::size_t j = 0; j < n; ++j) view[i * n + j] /= std::sqrt(norm);
  }
  covariance_.assign(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double together = 0;
      for (std::size_t k = 0; k < n; ++k) together += view[i * n + k] * view[j * n + k];
      covariance_[i * n + j] = kAccess * kAccess + kRegion * kRegion * together;
    }
    covariance_[i * n + i] += kOwn * kOwn;
  }
}

void Places::imagine(const std::vector<double>& ms) {
  const std::size_t n = sites();
  std::vector<Pair> pairs;
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    pairs.push_back({1, i, i, 0});
    for (std::size_t j = 0; j < n; ++j) {
      const double weight = std::exp(-ms[i * n + j] / kApart);
      if (i == j || weight < kLeastWeight) continue;
      for (const double share : kShares) {
        if (share == 0.5 && j < i) continue;  // the middle of a pair once
        pairs.push_back({weight, i, j, share});
      }
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.weight > b.weight; });
  pairs.resize(std::min(pairs.size(), kMaxImagined));
  for (const Pair& pair : pairs) total += pair.weight;
  for (Pair& pair : pairs) {
    prior_.push_back(pair.weight / total);
    pair.weight = std::log(prior_.back());
    between(ms, pair);
  }
  imagined_ = size();
  counts_.assign(imagined_, 0);
}

void Places::between(const std::vector<double>& ms, const Pair& pair) {
  const std::size_t n = sites();
  std::vector<double> logs(n);
  for (std::size_t k = 0; k < n; ++k) {
    const double seen = (1 - pair.share) * ms[pair.from * n + k] + pair.share * ms[pair.to * n + k];
    logs[k] = std::log(seen + kNearby);
  }
  std::optional<Point> point;
  if (locations_[pair.from] && locations_[pair.to]) {
    point = between_points(*locations_[pair.from], *locations_[pair.to], pair.share);
  }
  add(pair.weight, point, logs);
}

void Places::add(double weight, const std::optional<Point>& point, std::span<const double> logs) {
  weights_.push_back(weight);
  points_.push_back(point);
  logs_.insert(logs_.end(), logs.begin(), logs.end());
  against_.insert(against_.end(), logs.begin(), logs.end());
  if (!point) return;
  const std::vector<double> likely = map(*point);
  for (std::size_t i = 0; i < sites(); ++i) against_[against_.size() - sites() + i] -= likely[i];
}

std::span<const double> Places::logs(std::size_t place, bool against_map) const {
  return {(against_map ? against_ : logs_).data() + place * sites(), sites()};
}

std::span<const double> Places::variances(std::size_t place) const {
  if (place < imagined_) return {};
  return {variances_.data() + (place - imagined_) * sites(), sites()};
}

std::vector<double> Places::map(const Point& point) const {
  std::vector<double> likely(sites(), 0);
  for (std::size_t i = 0; i < sites(); ++i) {
    if (!locations_[i]) continue;
    likely[i] = kMapShare * std::log(chord_km(point, *locations_[i]) / kKmPerMs + kNearby);
  }
  return likely;
}

void Places::recount() {
  const double clients = std::accumulate(counts_.begin(), counts_.end(), 0.0);
  if (clients <= 0) return;
  for (std::size_t p = 0; p < imagined_; ++p) {
    weights_[p] = std::log((prior_[p] + counts_[p] / clients) / 2);
  }
}

void Places::set_example(const Prefix& client, const std::optional<Point>& point,
                         const View& view) {
  const auto& [logs, variances] = view;
  std::size_t place = example(client);
  if (place == size() && examples_.size() < kMaxExamples) {
    examples_.push_back(client);
    add(0, point, logs);
    variances_.insert(variances_.end(), variances.begin(), variances.end());
  } else {
    if (place == size()) {
      place = imagined_ + next_example_;
      next_example_ = (next_example_ + 1) % kMaxExamples;
      examples_[place - imagined_] = client;
    }
    const std::vector<double> likely = point ? map(*point) : std::vector<double>(sites(), 0);
    points_[place] = point;
    for (std::size_t i = 0; i < sites(); ++i) {
      logs_[place * sites() + i] = logs[i];
      against_[place * sites() + i] = logs[i] - likely[i];
      variances_[(place - imagined_) * sites() + i] = variances[i];
    }
  }
  // All together as likely as all that was imagined once they are many; a few say little of the rest.
  const double each = -std::log(static_cast<double>(examples_.size()) + kFewExamples);
  std::fill(weights_.begin() + static_cast<std::ptrdiff_t>(imagined_), weights_.end(), each);
}

std::size_t Places::example(const Prefix& client) const {
  const auto found = std::find(examples_.begin(), examples_.end(), client);
  return imagined_ + static_cast<std::size_t>(found - examples_.begin());
}

}  // namespace isochrone::routing
