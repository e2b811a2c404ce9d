// SPDX-License-Identifier: Apache-2.0
#include "app/node_http.h"

#include <utility>

namespace isochrone::app {

Result<std::unique_ptr<NodeHttp>> NodeHttp::start(const Endpoint& listen, const ApiOptions& api,
                                                  Fd listener,
                                                  std::function<void(Metrics&)> measure,
                                                  std::function<std::string()> status_json) {
  auto node = std::make_unique<NodeHttp>(api.access);
  node->measure_ = std::move(measure);
  node->status_json_ = std::move(status_json);
  HttpServer::Limits limits;
  limits.max_body_bytes = 0;     // nothing is posted here
  limits.max_connections = 100;  // a few scrapers and a person
  limits.threads = 1;
  auto server = HttpServer::start(
      listen, limits,
      [self = node.get()](const HttpRequest& request) { return self->handle(request); },
      std::move(listener), api.tls);
  if (!server) return tl::unexpected(server.error().within("node.http"));
  node->server_ = std::move(*server);
  return node;
}

Result<void> NodeHttp::reload(const ApiOptions& api) {
  if (auto taken = server_->set_tls(api.tls); !taken) return taken;
  gate_.replace(api.access);
  return {};
}

HttpResponse NodeHttp::handle(const HttpRequest& request) {
  HttpResponse response;
  if (request.method != "GET") return http_error(405, "only GET here", "post to the collector");
  if (request.path == "/healthz") {
    response.body = R"({"status":"ok"})";
    return response;
  }
  const auto caller = gate_.admit(request);
  if (!caller) return caller.error();
  if (!caller->may_query()) return gate_.forbid(*caller, "look at this node");
  if (request.path == "/metrics") {
    Metrics metrics;
    measure_(metrics);
    gate_.measure(metrics);
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics.text();
  } else if (request.path == "/v1/status") {
    response.body = status_json_();
  } else {
    return http_error(
        404, "no such path",
        "this node serves /healthz, /metrics and /v1/status; the rest is the collector's");
  }
  return response;
}

}  // namespace isochrone::app
