// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_http.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "collector/beacon_candidates.h"
#include "collector/beacon_script.h"
#include "collector/nel.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

// Where the script's sampling rate stands.
constexpr std::string_view kRateMark = "@RATE@";

std::uint64_t epoch_of(Instant start) {
  return static_cast<std::uint64_t>(unix_nanos(start) / 1000);
}

QuotaLimits limits_of(const BeaconOptions& options) {
  return {options.quota_window, options.max_per_prefix, options.max_per_client, options.max_rate};
}

std::string_view header(const HttpRequest& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string_view() : found->second;
}

bool is_proxy(const BeaconOptions& options, const Address& address) {
  return std::any_of(options.proxies.begin(), options.proxies.end(),
                     [&](const Prefix& proxy) { return proxy.contains(address); });
}

// Who asks: the last address that a proxy of ours saw and that is none itself.
Address client_of(const HttpRequest& request, const BeaconOptions& options) {
  Address client = request.peer;
  auto hops = split(header(request, "x-forwarded-for"), ',');
  while (is_proxy(options, client) && !hops.empty()) {
    const auto before = Address::parse(trim(hops.back()));
    hops.pop_back();
    if (!before) break;
    client = *before;
  }
  return client;
}

// What browsers want to hear before they show an answer to the page (Fetch, section 3.2).
std::map<std::string, std::string> cors(std::string_view origin) {
  std::map<std::string, std::string> headers{{"Cache-Control", "no-store"}};
  if (origin.empty()) return headers;
  headers["Access-Control-Allow-Origin"] = origin;
  headers["Vary"] = "Origin";
  return headers;
}

HttpResponse empty(int status, std::map<std::string, std::string> headers) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  return response;
}

HttpResponse preflight(std::map<std::string, std::string> headers) {
  headers["Access-Control-Allow-Methods"] = "GET, POST";
  headers["Access-Control-Allow-Headers"] = "content-type";
  headers["Access-Control-Max-Age"] = "86400";
  headers["Allow"] = "GET, HEAD, OPTIONS, POST";
  return empty(204, std::move(headers));
}

// A page of ours, or one of a server that hands the doors on as its own.
bool is_welcome(const HttpRequest& request, const BeaconOptions& options) {
  const auto& known = options.origins;
  const std::string_view origin = header(request, "origin");
  return std::find(known.begin(), known.end(), origin) != known.end() ||
         std::find(known.begin(), known.end(), "*") != known.end() ||
         (origin.empty() && header(request, "sec-fetch-site") == "same-origin");
}

// What the engine answers, with what browsers want to hear.
class WithHeaders final : public HttpReplyLater {
 public:
  WithHeaders(std::shared_ptr<HttpReplyLater> client, std::map<std::string, std::string> headers)
      : client_(std::move(client)), headers_(std::move(headers)) {}
  bool reply(HttpResponse response) override {
    for (const auto& [name, value] : headers_) response.headers[name] = value;
    return client_->reply(std::move(response));
  }
  bool is_open() const override { return client_->is_open(); }

 private:
  std::shared_ptr<HttpReplyLater> client_;
  std::map<std::string, std::string> headers_;
};

}  // namespace

BeaconDoors::BeaconDoors(Engine& engine, const Options& options, const routing::Topology& topology,
                         std::shared_ptr<const routing::GeoPrior> map)
    : engine_(engine),
      desk_(options.beacon, topology, map, "beacon-" + options.node_name,
            epoch_of(engine.started_at())),
      tasks_(limits_of(options.beacon)),
      errors_(limits_of(options.beacon)) {
  reconfigure(options, topology, std::move(map));
}

void BeaconDoors::reconfigure(const Options& options, const routing::Topology& topology,
                              std::shared_ptr<const routing::GeoPrior> map) {
  const BeaconOptions& beacon = options.beacon;
  desk_.reconfigure(beacon, topology, map);
  tasks_.set_limits(limits_of(beacon));
  errors_.set_limits(limits_of(beacon));
  std::string script(kBeaconScript);
  if (const auto at = script.find(kRateMark); at != std::string::npos) {
    script.replace(at, kRateMark.size(), fmt::format("{}", beacon.sample_rate));
  }
  auto next = std::make_shared<const Rules>(Rules{
      beacon, std::move(script), event::beacon_label_key(beacon.secrets.front()), std::move(map)});
  rules_.with([&](auto& current) { current = std::move(next); });
}

HttpResponse BeaconDoors::refuse(BeaconOutcome why, std::string_view error,
                                 const Headers& headers) {
  desk_.count(why);
  HttpResponse response = http_error(status_of(why), error);
  response.headers = headers;
  if (response.status == 429) response.headers["Retry-After"] = "60";
  return response;
}

HttpResponse BeaconDoors::handle(const HttpRequest& request) {
  const auto rules = this->rules();
  const std::string_view path = request.path;
  const bool is_get = request.method == "GET";
  if (path == "/healthz" && is_get) return empty(204, {});
  if (path == "/v1/beacon.js" && is_get) return script(*rules);
  // The name that a task alone asks for leads to whatever: it was looked up, which was all of it.
  if (path == "/" && is_get) return empty(204, cors("*"));
  const Address client = client_of(request, rules->options);
  if (path == "/v1/nel") {
    // Browsers report without a page, and ask first.
    Headers headers = cors("*");
    if (request.method == "OPTIONS") return preflight(std::move(headers));
    if (request.method == "POST") return errors(request, client, std::move(headers));
  }
  const bool is_task = path == "/v1/beacon/task";
  if (is_task || path == "/v1/beacon/report") {
    if (!is_welcome(request, rules->options)) {
      return refuse(BeaconOutcome::origin, "pages of this origin are not asked to measure", {});
    }
    Headers headers = cors(header(request, "origin"));
    if (request.method == "OPTIONS") return preflight(std::move(headers));
    if (is_get && is_task && to_lower(header(request, "save-data")) == "on") {
      return empty(204, std::move(headers));
    }
    if (is_get && is_task) return task(rules, client, std::move(headers));
    if (!is_get && !is_task) return report(request, client, std::move(headers));
  } else if (path != "/v1/nel") {
    return http_error(404, "nothing is here",
                      "GET /v1/beacon.js, /v1/beacon/task; POST /v1/beacon/report, /v1/nel");
  }
  return http_error(405, request.method + " is not for " + request.path);
}

HttpResponse BeaconDoors::script(const Rules& rules) const {
  HttpResponse response;
  response.content_type = "text/javascript; charset=utf-8";
  response.body = rules.script;
  response.headers = {{"Access-Control-Allow-Origin", "*"},
                      {"Cross-Origin-Resource-Policy", "cross-origin"},
                      {"Cache-Control", "public, max-age=3600"},
                      {"X-Content-Type-Options", "nosniff"}};
  return response;
}

HttpResponse BeaconDoors::task(const std::shared_ptr<const Rules>& rules, const Address& client,
                               Headers headers) {
  switch (tasks_.take(client, std::chrono::steady_clock::now())) {
    case BeaconQuota::Verdict::client:
      return refuse(BeaconOutcome::client, "this client has its tasks", headers);
    case BeaconQuota::Verdict::prefix:
      return refuse(BeaconOutcome::prefix, "this network has its tasks", headers);
    case BeaconQuota::Verdict::rate:
      return refuse(BeaconOutcome::rate, "there are enough tasks", headers);
    case BeaconQuota::Verdict::granted:
      break;
  }
  HttpResponse response;
  response.later = [this, rules, network = client_network(client),
                    headers](std::shared_ptr<HttpReplyLater> reply) {
    engine_.ask([this, rules, network, headers, reply](Engine& engine) {
      reply->reply(give_task(engine, *rules, network, headers));
    });
  };
  return response;
}

HttpResponse BeaconDoors::give_task(Engine& engine, const Rules& rules, const Prefix& client,
                                    const Headers& headers) {
  const BeaconOptions& options = rules.options;
  const Core& core = engine.core();
  Random dice(random_u64());
  std::optional<routing::Location> location;
  if (rules.map != nullptr) {
    const auto* network = rules.map->find(client.address());
    if (network != nullptr) location = rules.map->location(*network);
  }
  BeaconTask task{0, {}, client, {}};
  json sites = json::array();
  for (const routing::SiteId site :
       beacon_candidates(core.topology(), options.sites, core.health().up(),
                         core.state().find(client), location, options.candidates, dice)) {
    const std::string& name = core.topology().sites[site.index()].name;
    const auto found = std::find_if(options.sites.begin(), options.sites.end(),
                                    [&](const BeaconSite& each) { return each.site == name; });
    task.sites.push_back(name);
    sites.push_back({{"site", name}, {"object", found->object}});
  }
  if (task.sites.empty()) return empty(204, headers);
  json reporters = json::array();
  for (const BeaconSite* site : beacon_reporters(options.sites, task.sites, dice)) {
    reporters.push_back({{"site", site->site}, {"url", site->report}});
  }
  json body{{"token", desk_.give_out(task, engine.now())},
            {"timeout_ms", options.timeout.count()},
            {"lifetime_ms", Millis(options.token_lifetime).count()},
            {"sites", std::move(sites)},
            {"report", std::move(reporters)}};
  if (!options.zone.empty()) {
    body["host"] = event::beacon_label(rules.label_key, task.number) + "." + options.zone;
  }
  HttpResponse response;
  response.body = body.dump() + "\n";
  response.headers = headers;
  return response;
}

HttpResponse BeaconDoors::submit(std::vector<event::Event> events, Headers headers) {
  HttpResponse response;
  if (events.empty()) {
    response.body = "{\"accepted\":0,\"duplicates\":0,\"rejected\":[]}\n";
    response.headers = std::move(headers);
    return response;
  }
  response.later = [this, events = std::move(events),
                    headers = std::move(headers)](std::shared_ptr<HttpReplyLater> reply) {
    Batch batch;
    batch.events = events;
    for (std::size_t i = 0; i < events.size(); ++i) batch.indexes.push_back(i);
    batch.lines.resize(events.size());
    engine_.submit(std::move(batch), std::make_shared<WithHeaders>(std::move(reply), headers));
  };
  return response;
}

HttpResponse BeaconDoors::report(const HttpRequest& request, const Address& client,
                                 Headers headers) {
  auto events = desk_.judge(request.body, client_network(client), engine_.now());
  if (events) return submit(std::move(*events), std::move(headers));
  HttpResponse response = http_error(status_of(events.error().why), events.error().error);
  response.headers = std::move(headers);
  return response;
}

HttpResponse BeaconDoors::errors(const HttpRequest& request, const Address& client,
                                 Headers headers) {
  if (errors_.take(client, std::chrono::steady_clock::now()) != BeaconQuota::Verdict::granted) {
    return refuse(BeaconOutcome::rate, "enough was reported", headers);
  }
  const auto reported = parse_network_errors(request.body);
  if (!reported) {
    return refuse(BeaconOutcome::malformed, reported.error().text(), headers);
  }
  return submit(desk_.judge_errors(*reported, client_network(client), engine_.now()),
                std::move(headers));
}

}  // namespace isochrone::collector
