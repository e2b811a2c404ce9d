// SPDX-License-Identifier: Apache-2.0
//
// NodeHttp: /healthz, /metrics and /v1/status of a node without the collector role.
//
// Threads:  `measure` and `status` are called on the HTTP server's threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "app/config.h"
#include "base/fd.h"
#include "base/http_server.h"
#include "base/ip.h"
#include "base/metrics.h"
#include "base/result.h"
#include "event/gate.h"

namespace isochrone::app {

class NodeHttp {
 public:
  static Result<std::unique_ptr<NodeHttp>> start(const Endpoint& listen, const ApiOptions& api,
                                                 Fd listener, std::function<void(Metrics&)> measure,
                                                 std::function<std::string()> status_json);
  Result<void> reload(const ApiOptions& api);
  std::uint16_t port() const { return server_->port(); }

  explicit NodeHttp(event::Access access) : gate_(std::move(access)) {}

 private:
  HttpResponse handle(const HttpRequest& request);

  event::Gate gate_;
  std::function<void(Metrics&)> measure_;
  std::function<std::string()> status_json_;
  std::unique_ptr<HttpServer> server_;  // last: its handlers use the others
};

}  // namespace isochrone::app
