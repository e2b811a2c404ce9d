// SPDX-License-Identifier: Apache-2.0
#include "app/api.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/config.h"

namespace isochrone::app {
namespace {

constexpr std::string_view kDefaultUrl = "http://127.0.0.1:8053";

// {"error": "...", "hint": "..."} as one line; whatever else the body is, shortened.
std::string reason_in(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) {
    std::string reason = json["error"];
    if (json.contains("hint") && json["hint"].is_string()) {
      reason += "; " + json["hint"].get<std::string>();
    }
    return reason;
  }
  return body.substr(0, 200);
}

}  // namespace

std::string url_of(const Endpoint& listen, bool has_tls) {
  const bool is_wildcard = listen.address.high() == 0 && listen.address.low() == 0;
  const std::string any =
      is_wildcard ? (listen.address.is_v4() ? "127.0.0.1" : "::1") : listen.address.to_string();
  return fmt::format(fmt::runtime(listen.address.is_v4() ? "{}://{}:{}" : "{}://[{}]:{}"),
                     has_tls ? "https" : "http", any, listen.port);
}

namespace {

// As a configuration says it.
Result<HttpAccess> configured_address(const ApiArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return tl::unexpected(config.error().front());
  HttpAccess access = config->collector_access;
  if (config->node.has_collector && config->collector.listen.port != 0) {
    access.url = url_of(config->collector.listen, !config->api.tls.empty());
    access.trust = HttpTrust::exactly;  // it need not be called by the name in its certificate
    access.authorities = config->api.certificate_file;
  }
  if (!access.empty()) return access;
  return fail(Errc::not_found,
              fmt::format("{}: no address of a collector in it; add collector.url, or "
                          "say --collector URL",
                          arguments.config.string()));
}

}  // namespace

Result<HttpAccess> collector_address(const ApiArguments& arguments) {
  HttpAccess access = std::string(kDefaultUrl);
  if (!arguments.collector.empty()) {
    access.url = arguments.collector;
  } else if (!arguments.config.empty()) {
    auto configured = configured_address(arguments);
    if (!configured) return configured;
    access = std::move(*configured);
  }
  if (!arguments.token_file.empty()) access.token_file = arguments.token_file;
  if (!arguments.authorities.empty()) {
    access.authorities = arguments.authorities;
    access.trust = HttpTrust::named;
  }
  return access;
}

Result<Api> Api::open(const ApiArguments& arguments) {
  auto access = collector_address(arguments);
  if (!access) return tl::unexpected(access.error());
  while (access->url.ends_with('/')) access->url.pop_back();
  return Api(std::move(*access));
}

Result<std::string> Api::get(std::string_view path_and_query, Millis timeout) {
  return body_of(client_.get(path_and_query, timeout));
}

Result<std::string> Api::post_events(std::string_view channel, std::string_view ndjson) {
  return body_of(client_.post(fmt::format("/v1/channels/{}/events", channel),
                              "application/x-ndjson", ndjson, kTimeout));
}

Result<std::string> Api::body_of(Result<HttpReply> reply) const {
  if (!reply) {
    return fail(reply.error().code(),
                fmt::format("no answer from the collector: {}; is it running? say where it is with "
                            "--collector URL or --config FILE",
                            reply.error().text()));
  }
  if (reply->status == 200) return std::move(reply->body);
  return fail(Errc::invalid,
              fmt::format("{} says {}: {}", url_, reply->status, reason_in(reply->body)));
}

int complain(const Error& error) {
  fmt::print(stderr, "isochrone: {}\n", error.text());
  return 1;
}

}  // namespace isochrone::app
