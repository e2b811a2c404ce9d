// SPDX-License-Identifier: Apache-2.0
//
// Replay: a past interval computed anew, once as it was configured and once otherwise, and what queries
// would have got.
//
// The core and the compiler are those of production, in virtual time: the events' own. Each query that
// DNS nodes reported is answered from both tables as they are at its time. Nothing is measured anew: of a
// site that a client was never measured from, its RTT is not known, and the report says how many were.
//
// Threads:  one thread; a value.
// Limits:   sites that are named otherwise are other sites; a demand event counts as a whole where it
//           lies, that is at the end of its few seconds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"
#include "collector/core.h"
#include "collector/options.h"
#include "event/event.h"
#include "routing/compile.h"
#include "routing/geo.h"
#include "routing/site_states.h"
#include "routing/topology.h"

namespace isochrone::collector {

struct ReplaySetup {
  Options options;
  routing::Topology topology;
  std::shared_ptr<const routing::GeoPrior> map;  // may be null
};

// The setup without these sites. An Error names one that is not there, or a service left without any.
Result<ReplaySetup> without_sites(ReplaySetup setup, const std::vector<std::string>& names);

struct ReplayMove {
  std::string service;
  std::string from;  // a site; empty: no answer
  std::string to;
  std::uint64_t queries = 0;
  std::set<Prefix> networks;
};

// RTTs of the sites that queries got, by query.
struct ReplayRtts {
  std::uint64_t queries = 0;  // whose network was measured from both sites
  Micros p50_before{0};
  Micros p50_after{0};
  Micros p95_before{0};
  Micros p95_after{0};
};

// How many queries a site gets.
struct ReplaySite {
  std::string site;
  std::uint64_t before = 0;
  std::uint64_t after = 0;
};

struct ReplayReport {
  std::uint64_t measurements = 0;  // read, those before the interval included
  std::uint64_t demands = 0;       // events in the interval
  std::uint64_t decisions = 0;     // likewise
  bool is_by_demand = false;       // queries are those of demand events; else each decision is one
  std::uint64_t queries = 0;
  std::uint64_t moved = 0;
  std::uint64_t unknown = 0;      // queries for services that one of the two does not have
  std::vector<ReplayMove> moves;  // the most queries first
  std::vector<ReplaySite> sites;  // that get any, by name
  ReplayRtts all;
  ReplayRtts of_moved;
  std::uint64_t decisions_agreed = 0;  // decisions that named the site of the replay as it was
};

class Replay {
 public:
  Replay(const ReplaySetup& as_it_was, const ReplaySetup& otherwise, Instant since, Instant until);

  // In the order of the times they are taken at, which never go back; measurements may be older than
  // that by what windows allow.
  void take(const event::Event& event, event::Position position, Instant at);
  ReplayReport report() const;

 private:
  // One of the two courses.
  struct Course {
    explicit Course(const ReplaySetup& setup);

    ReplaySetup setup;
    Core core;
    std::shared_ptr<const routing::RoutingTable> table;
    std::uint64_t compiled = 0;

    void advance(Instant now);
    // The site that a client of the service gets; nothing: no answer. `is_known` is false when the
    // service is not.
    std::optional<routing::SiteId> answer(std::string_view service, const Prefix& client,
                                          bool& is_known);
    std::string name(std::optional<routing::SiteId> site) const;
  };
  using Weights = std::map<Micros, std::uint64_t>;
  struct Rtts {
    Weights before;
    Weights after;
  };
  struct Tally {
    std::uint64_t queries = 0;
    std::uint64_t moved = 0;
    std::uint64_t unknown = 0;
    std::map<std::tuple<std::string, std::string, std::string>, ReplayMove> moves;
    std::map<std::string, ReplaySite> sites;
    Rtts all;
    Rtts of_moved;
  };

  void advance(Instant now);
  Prefix asked_for(const event::Demand& demand) const;
  void weigh(Tally& tally, std::string_view service, const Prefix& client, std::uint64_t queries);
  std::optional<Micros> rtt(const Prefix& client, std::string_view site) const;

  Course before_;
  Course after_;
  Instant since_;
  Instant until_;
  Instant now_{};
  ReplayReport report_;
  Tally by_demand_;
  Tally by_decision_;
};

}  // namespace isochrone::collector
