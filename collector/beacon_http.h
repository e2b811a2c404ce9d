// SPDX-License-Identifier: Apache-2.0
//
// BeaconDoors: what browsers may ask for, behind an address of its own: docs/formats.md has every path.
//
// Nobody is asked who they are here, so there is nothing here but this: a script, tasks in small numbers,
// and reports that are believed as far as their token goes.
//
// Threads:  handle() runs on the HTTP server's threads.
// Privacy:  an address is looked at to count and to cut; what is kept, said or logged is its network.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/http_server.h"
#include "collector/beacon_desk.h"
#include "collector/beacon_quota.h"
#include "collector/engine.h"
#include "collector/options.h"

namespace isochrone::collector {

class BeaconDoors {
 public:
  BeaconDoors(Engine& engine, const Options& options, const routing::Topology& topology,
              std::shared_ptr<const routing::GeoPrior> map);
  void reconfigure(const Options& options, const routing::Topology& topology,
                   std::shared_ptr<const routing::GeoPrior> map);

  HttpResponse handle(const HttpRequest& request);
  void measure(Metrics& metrics) const { desk_.measure(metrics); }

 private:
  struct Rules {
    BeaconOptions options;
    std::string script;
    SipKey label_key{};
    std::shared_ptr<const routing::GeoPrior> map;
  };
  using Headers = std::map<std::string, std::string>;

  std::shared_ptr<const Rules> rules() const {
    return rules_.with([](const auto& current) { return current; });
  }
  HttpResponse script(const Rules& rules) const;
  HttpResponse task(const std::shared_ptr<const Rules>& rules, const Address& client,
                    Headers headers);
  HttpResponse give_task(Engine& engine, const Rules& rules, const Prefix& client,
                         const Headers& headers);
  HttpResponse report(const HttpRequest& request, const Address& client, Headers headers);
  HttpResponse errors(const HttpRequest& request, const Address& client, Headers headers);
  HttpResponse submit(std::vector<event::Event> events, Headers headers);
  HttpResponse refuse(BeaconOutcome why, std::string_view error, const Headers& headers);

  Engine& engine_;
  BeaconDesk desk_;
  BeaconQuota tasks_;
  BeaconQuota errors_;  // reports of network errors, which need no task
  Guarded<std::shared_ptr<const Rules>> rules_;
};

}  // namespace isochrone::collector
