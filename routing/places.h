// SPDX-License-Identifier: Apache-2.0
//
// Places: what clients at known or imagined points would see of every site.
//
// A place is a site (what the other sites measure to it), a point between two sites, or another
// client. It says, per site, the logarithm of the RTT a client there would see; where map positions
// are known it holds that against what the distance makes likely, so that a client some way off is
// given the distance it really has.
//
// Units:    milliseconds inside, as double; logarithms are of ms + kNearby.
// Threads:  a value of one thread.
// Limits:   kMaxImagined places between sites, the likeliest; kMaxExamples clients, the latest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ip.h"
#include "base/time.h"
#include "routing/topology.h"

namespace isochrone::routing {

// Round-trip times between sites, either direction; what is missing is filled in by places.
class Mesh {
 public:
  explicit Mesh(std::size_t sites) : sites_(sites), micros_(sites * sites, kUnknown) {}

  void set(SiteId from, SiteId to, Micros rtt) { micros_[index(from, to)] = rtt.count(); }
  std::optional<Micros> get(SiteId from, SiteId to) const;
  std::size_t sites() const noexcept { return sites_; }
  friend bool operator==(const Mesh&, const Mesh&) = default;

 private:
  static constexpr std::int64_t kUnknown = -1;
  std::size_t index(SiteId from, SiteId to) const { return from.index() * sites_ + to.index(); }

  std::size_t sites_;
  std::vector<std::int64_t> micros_;
};

class Places {
 public:
  static constexpr std::size_t kMaxImagined = 1'024;
  static constexpr std::size_t kMaxExamples = 512;
  // Added to every RTT before the logarithm: below 5 ms ratios stop to matter to a user.
  static constexpr double kNearby = 5;

  using Point = std::array<double, 3>;  // on the unit sphere

  Places(const std::vector<std::optional<Location>>& sites, const Mesh& mesh);

  std::size_t sites() const noexcept { return locations_.size(); }
  std::size_t imagined() const noexcept { return imagined_; }
  std::size_t size() const noexcept { return weights_.size(); }

  // A priori, as a logarithm: how many clients are at this place.
  double weight(std::size_t place) const { return weights_[place]; }
  const std::optional<Point>& point(std::size_t place) const { return points_[place]; }
  // By site. `against_map`: less map(point of the place).
  std::span<const double> logs(std::size_t place, bool against_map) const;
  // How sites' deviations from a place go together: row-major covariance.
  std::span<const double> covariance() const { return covariance_; }
  // What distance alone makes likely for a client there, by site.
  std::vector<double> map(const Point& point) const;

  // A client was found to be at an imagined place with this probability: what is popular with
  // clients seen becomes likelier for those to come. Takes effect with the next recount().
  void count(std::size_t place, double share) { counts_[place] += share; }
  void recount();

  // The client as a place that sees these logs, in place of what it saw before; how unsure each of them
  // is, as a variance, 0 for what was measured.
  struct View {
    std::span<const double> logs;
    std::span<const double> variances;
  };
  void set_example(const Prefix& client, const std::optional<Point>& point, const View& view);
  // By site; nothing for places that are no examples: what is imagined is what it is.
  std::span<const double> variances(std::size_t place) const;
  // The place this client is; size() when it is none.
  std::size_t example(const Prefix& client) const;

 private:
  struct Pair;
  std::vector<double> complete(const Mesh& mesh) const;
  void imagine(const std::vector<double>& ms);
  void between(const std::vector<double>& ms, const Pair& pair);
  void relate(const std::vector<double>& ms);
  void add(double weight, const std::optional<Point>& point, std::span<const double> logs);

  std::vector<std::optional<Point>> locations_;  // of the sites
  std::vector<double> covariance_;
  std::size_t imagined_ = 0;
  std::size_t next_example_ = 0;  // the slot the next new example takes when all are taken
  std::vector<double> weights_;
  std::vector<double> prior_;   // of imagined places; sums to 1
  std::vector<double> counts_;  // clients found at them
  std::vector<std::optional<Point>> points_;
  std::vector<double> logs_;     // by place, then site
  std::vector<double> against_;  // the same less the map; equal where there is no point
  std::vector<Prefix> examples_;
  std::vector<double> variances_;  // by example, then site
};

Places::Point point_of(const Location& location);

}  // namespace isochrone::routing
