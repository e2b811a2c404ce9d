// SPDX-License-Identifier: Apache-2.0
//
// Api: the collector's HTTP API as the commands use it.
//
// Errors: what the collector says is wrong, with its hint, as one line.
#pragma once

#include <string>
#include <string_view>

#include "app/commands.h"
#include "base/http_client.h"
#include "base/ip.h"
#include "base/result.h"

namespace isochrone::app {

// The collector's address: named, or found in a configuration, or http://127.0.0.1:8053.
Result<HttpAccess> collector_address(const ApiArguments& arguments);

// The URL over which this machine reaches a collector that listens there: a wildcard over loopback.
std::string url_of(const Endpoint& listen, bool has_tls);

class Api {
 public:
  static Result<Api> open(const ApiArguments& arguments);

  static constexpr Millis kTimeout{10'000};  // a table of a million prefixes takes seconds

  static constexpr Millis kLogTimeout{120'000};  // the log may have millions of events to read

  // The body of a 200.
  Result<std::string> get(std::string_view path_and_query, Millis timeout = kTimeout);
  Result<std::string> post_events(std::string_view channel, std::string_view ndjson);

 private:
  explicit Api(HttpAccess access) : url_(access.url), client_(std::move(access)) {}
  Result<std::string> body_of(Result<HttpReply> reply) const;

  std::string url_;
  HttpClient client_;
};

// "message: error" on standard error, one line each; the exit status 1.
int complain(const Error& error);

}  // namespace isochrone::app
