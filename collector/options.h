// SPDX-License-Identifier: Apache-2.0
//
// Options of the collector role, as the configuration gives them.
#pragma once

#include <filesystem>
#include <string>

#include "base/ip.h"
#include "base/time.h"

namespace isochrone::collector {

struct Options {
  Endpoint listen;
  std::filesystem::path state_dir;  // the event log lives in state_dir/log
  std::string node_name;
  Millis window{5'000};           // samples of one path that are reduced together
  Millis lateness{1'000};         // how long after its end a window takes late events
  Millis site_timeout{3'000};     // a site whose heartbeats stop for so long is down
  Seconds target_lifetime{300};   // how long one demand keeps a prefix measured
  unsigned probe_budget = 0;      // paths per client network and target lifetime; 0: all
  Seconds path_lifetime{3'600};   // a path nobody measured for so long is forgotten
  Seconds retention{24 * 3'600};  // how long events are kept (newest state per prefix: for ever)
  std::size_t max_body_bytes = 8 << 20;
  unsigned max_connections = 1'000;
  std::filesystem::path geo_database;  // for route and table; empty: no geographic prior
};

}  // namespace isochrone::collector
