// SPDX-License-Identifier: Apache-2.0
//
// Roles::Impl: the parts of a node, shared by roles.cc, which makes and reloads them, and
// roles_hand_over.cc, which passes them on to another process.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/api.h"
#include "app/door.h"
#include "app/node_http.h"
#include "app/roles.h"
#include "app/token.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "collector/collector.h"
#include "dns/server.h"
#include "prober/prober.h"

namespace isochrone::app {

// The parts that the collector's or the node's HTTP threads ask for numbers. The lock keeps them
// from being asked while they reload or go away.
struct Measured {
  std::unique_ptr<dns::Server> dns;
  std::unique_ptr<prober::Prober> prober;
};

inline tl::unexpected<std::vector<Error>> refused(Error error) {
  return tl::unexpected(std::vector<Error>{std::move(error)});
}

struct Roles::Impl {
  explicit Impl(const Config& first) : config(first) {}

  void measure(Metrics& metrics) const;
  std::string status_json() const;

  // The options of this process: an address that is not configured is the collector's in here, which
  // knows its own roles by a token of this life.
  Config wired(Config next) const {
    if (!next.collector_access.empty() || !collector_door) return next;
    HttpAccess own(url_of({next.collector.listen.address, collector_door->place.bound.port},
                          !next.collector.tls.empty()));
    own.trust = HttpTrust::own;
    if (!next.collector.access.is_open()) {
      own.token = own_token;
      next.collector.access.tokens.push_back(
          {"own", sha256(own_token), {event::Role::operate}, {}, {}, true});
    }
    next.dns.collector = own;
    next.prober.collector = own;
    next.collector_access = std::move(own);
    return next;
  }

  Checked<void> open_doors(const Offer& offer);
  Checked<void> start_collector();
  Checked<void> start_dns();
  Checked<void> start_prober();
  Checked<void> start_http();
  Checked<void> start_all_but_dns();
  Checked<void> apply(const Config& next);
  // The server of this process; null without one. Used by the controlling thread, which alone makes
  // and ends it.
  dns::Server* dns() const {
    return parts.with([](const Measured& measured) { return measured.dns.get(); });
  }

  Config config;
  const std::string name = config.node.name;
  const std::string own_token = make_token();
  bool is_standing_by = false;
  std::optional<Door> collector_door;
  std::optional<Door> http_door;
  std::unique_ptr<collector::Collector> collector;
  Guarded<std::function<void()>> collector_is_stale;
  std::atomic<bool> was_stale{false};
  Guarded<Measured> parts;
  Guarded<Metrics::Counters> earlier;  // counted by what is gone
  Metrics::Counters of_dns;            // by dns alone, when counters() was last asked
  std::unique_ptr<NodeHttp> http;
};

}  // namespace isochrone::app
