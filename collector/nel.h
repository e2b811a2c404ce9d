// SPDX-License-Identifier: Apache-2.0
//
// NetworkErrors: what browsers report by themselves when a connection fails (W3C Network Error Logging).
//
// Form:     a JSON array of reports of the Reporting API (application/reports+json); those of other types
//           are left out. Only what says that packets did not come through is a lost measurement: a
//           connection that timed out or had no route. A reset or a refusal is an answer.
// Threads:  pure functions.
// Limits:   kMaxNelBytes, kMaxNelReports; fields that are not needed are not looked at.
// Errors:   one text when it is no list of reports; a single report that cannot be read is skipped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone::collector {

constexpr std::size_t kMaxNelBytes = 65'536;
constexpr std::size_t kMaxNelReports = 64;

struct NetworkError {
  std::string host;               // of the URL that failed, lower case
  std::optional<Address> server;  // whom the browser tried to reach
  Millis age{0};                  // when it was sent, since it happened
  bool is_loss = false;  // of packets; otherwise of a name, a certificate or an application

  friend bool operator==(const NetworkError&, const NetworkError&) = default;
};

Result<std::vector<NetworkError>> parse_network_errors(std::string_view body);

// The host of "https://HOST[:PORT]/...", lower case; empty when it is no such URL.
std::string host_of_url(std::string_view url);

}  // namespace isochrone::collector
