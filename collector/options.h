// SPDX-License-Identifier: Apache-2.0
//
// Options of the collector role, as the configuration gives them.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/http_tls.h"
#include "base/ip.h"
#include "base/time.h"
#include "collector/beacon_options.h"
#include "collector/conditions.h"
#include "collector/event_log.h"
#include "collector/nats.h"
#include "collector/policies.h"
#include "event/access.h"
#include "routing/routed_networks.h"

namespace isochrone::collector {

constexpr std::array<Keep, event::kChannels> no_exceptions() {
  std::array<Keep, event::kChannels> keep;
  keep.fill({Nanos(0), 0});
  return keep;
}

struct Options {
  Endpoint listen;
  std::filesystem::path state_dir;  // the event log lives in state_dir/log
  NatsOptions log;                  // with servers: there, and what repeats it in state_dir/replica
  std::string node_name;
  Millis window{5'000};          // samples of one path that are reduced together
  Millis lateness{1'000};        // how long after its end a window takes late events
  Millis site_timeout{3'000};    // a site whose heartbeats stop for so long is down
  Seconds target_lifetime{300};  // how long one demand keeps a prefix measured
  unsigned probe_budget = 0;     // paths per client network and target lifetime; 0: all
  // The prefixes of a BGP table and their AS, by which networks are alike; may be null.
  std::shared_ptr<const routing::RoutedNetworks> routed{};
  // Where rows start (decision 13); null: where was measured. `max_rows`, 0: any number.
  std::shared_ptr<const routing::RoutedNetworks> networks{};
  std::size_t max_rows = 0;
  Seconds path_lifetime{3'600};   // a path nobody measured for so long is forgotten
  Seconds retention{24 * 3'600};  // how long events are kept (newest state per prefix: for ever)
  // Per channel, by Channel: another age, or a bound in octets; 0: the one above, no bound.
  std::array<Keep, event::kChannels> keep = no_exceptions();
  Seconds task_quiet{15};  // a task of which nothing arrived for so long has ended
  std::vector<Condition> conditions;
  std::string alert_webhook;  // empty: nobody is told
  Seconds alert_repeat{300};
  std::size_t max_body_bytes = 8 << 20;
  unsigned max_connections = 1'000;
  unsigned max_connections_per_client = 0;  // of one address; 0: any
  Millis request_deadline{30'000};          // until a request has arrived as a whole
  std::vector<Policy> policies;
  Nanos repeat_window{Seconds(10)};  // how long the answer to a post is kept for its repetition
  std::uint64_t max_event_rate = 0;  // events a second of one token or address; 0: any
  HttpTls tls;                       // empty: plain HTTP
  BeaconOptions beacon;
  event::Access access;
  std::filesystem::path geo_database;  // for route and table; empty: no geographic prior
};

}  // namespace isochrone::collector
