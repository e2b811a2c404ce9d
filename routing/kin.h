// SPDX-License-Identifier: Apache-2.0
//
// Kin: what a path probably takes, by the paths of networks that are like it.
//
// A path that few answers are known of is shrunk towards its kin: the networks of the same covering prefix, of the
// same AS, or at about the same distance from the site. Each time a path becomes well known, every one of these
// groups is asked what it would have said before it joins; how far off it was is how much it has proved right. A
// thin path leans on the group that has proved most right, as much as the errors of both say and no more. What was
// never measured is not answered by this.
//
// Source:   empirical Bayes; Efron and Morris, "Data analysis using Stein's estimator and its generalizations" (1975).
// Units:    octaves: logarithms to the base of two, of microseconds.
// Threads:  KinGroups is immutable once made, Kin is a value of the thread that reduces. Known to the reducer alone.
// Cost:     groups_of(): a search in the routed networks and one in the map. Then a look-up per group.
//           32 octets per group and site.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "routing/estimate.h"
#include "routing/geo.h"
#include "routing/routed_networks.h"
#include "routing/state.h"
#include "routing/topology.h"

namespace isochrone::routing {

enum class KinKind : std::uint8_t { covering, as, distance };
constexpr std::size_t kKinKinds = 3;

// Below so many answers a path is thin; with more it is well known.
constexpr std::uint32_t kThin = 8;

// Which groups a prefix belongs to.
class KinGroups {
 public:
  // Either may be null. Without routed networks the covering prefix is the /16 or /32 around a network.
  KinGroups(std::shared_ptr<const RoutedNetworks> networks, std::shared_ptr<const GeoPrior> map,
            const Topology& topology);

  // By kind, of one site; none where it is not known.
  using Of = std::array<std::optional<std::uint64_t>, kKinKinds>;
  struct Place {
    std::uint64_t covering;
    std::uint32_t as = 0;
    std::optional<Location> location;
  };
  Place place_of(const Prefix& prefix) const;
  Of groups_of(const Place& place, SiteId site) const;

 private:
  std::shared_ptr<const RoutedNetworks> networks_;
  std::shared_ptr<const GeoPrior> map_;
  std::vector<std::optional<Location>> sites_;
};

class Kin {
 public:
  struct Forecast {
    double octaves;
    double variance;
    KinKind kind;
  };

  // A path has become well known.
  void learn(const KinGroups::Of& groups, Micros p50);
  // By the group that has proved most right; none when nothing is known of any.
  std::optional<Forecast> forecast(const KinGroups::Of& groups) const;

 private:
  // Of a group, or of all groups of a kind.
  struct Record {
    double mean = 0;
    double squares = 0;  // of how far it was off
    std::uint32_t joined = 0;
    std::uint32_t asked = 0;
  };
  static void remember(Record& record, double off);
  double variance_of(const Record& record, std::size_t kind) const;

  std::unordered_map<std::uint64_t, Record> groups_;
  std::array<Record, kKinKinds> kinds_{};
};

// The estimate of a thin path, leaned on what its kin say.
Estimate lean(const Estimate& thin, const Kin::Forecast& kin);

// Has the thin paths of `seen` lean on their kin; false, and nothing done, when there is none to lean.
bool lean_thin_paths(PrefixState& seen, const KinGroups& groups, const Kin& kin);

}  // namespace isochrone::routing
