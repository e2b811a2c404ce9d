// SPDX-License-Identifier: Apache-2.0
//
// BeaconReport: what a browser says it saw, taken apart but not believed yet.
//
// Form:     {"token": "...", "results": [{"site": "fra", "rtt_us": 20123}, {"site": "iad", "error":
//           "timeout"}]}; docs/formats.md has it whole.
// Threads:  pure functions.
// Limits:   kMaxReportBytes; as many results as a token has sites. Fields that are not known, or there
//           twice, are errors, as in events.
// Errors:   one text, the first that is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/beacon_token.h"

namespace isochrone::collector {

constexpr std::size_t kMaxReportBytes = 8'192;

struct BeaconResult {
  std::string site;
  std::optional<Micros> rtt;  // none: the download failed
  bool is_blind = false;      // it went well, and the browser may not tell how long it took

  friend bool operator==(const BeaconResult&, const BeaconResult&) = default;
};

struct BeaconReport {
  std::string token;
  std::vector<BeaconResult> results;  // of different sites
};

Result<BeaconReport> parse_beacon_report(std::string_view body);

}  // namespace isochrone::collector
