// SPDX-License-Identifier: Apache-2.0
//
// BeaconOptions: what browsers are asked to measure, and how much is taken from whom.
#pragma once

#include <string>
#include <vector>

#include "base/http_tls.h"
#include "base/ip.h"
#include "base/time.h"

namespace isochrone::collector {

struct BeaconSite {
  std::string site;
  std::string object;  // URL of the small object that is downloaded
  std::string report;  // URL at this site that leads to POST /v1/beacon/report; empty: none

  friend bool operator==(const BeaconSite&, const BeaconSite&) = default;
};

struct BeaconOptions {
  bool is_on = false;
  HttpTls tls;                       // empty: plain HTTP
  Endpoint listen;                   // its own doors; nothing else of the API is behind them
  std::vector<std::string> secrets;  // the first signs, all are believed
  std::vector<std::string> origins;  // "https://www.example.com"; "*" alone: any
  std::vector<Prefix> proxies;       // who may say by X-Forwarded-For for whom they ask
  std::string zone;                  // below it are the names that tell resolvers; empty: none
  double sample_rate = 1;            // of the pages that load the script
  Millis timeout{4'000};             // for one object
  Seconds token_lifetime{120};
  unsigned candidates = 3;  // sites in a task
  // In each window of quota_window: tasks for one network, and for one address in it.
  unsigned max_per_prefix = 60;
  unsigned max_per_client = 2;
  Seconds quota_window{60};
  unsigned max_rate = 200;  // tasks a second, all networks together
  std::vector<BeaconSite> sites;
};

}  // namespace isochrone::collector
