// SPDX-License-Identifier: Apache-2.0
//
// What can be asked about decisions: how a client is answered now, and how it was at an earlier moment.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "collector/estimate_fields.h"
#include "collector/follow.h"
#include "collector/queries.h"
#include "event/codec.h"
#include "routing/explain.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;
using routing::ServiceId;
using routing::SiteId;

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

HttpResponse reply(const json& body) {
  HttpResponse response;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

HttpResponse refuse(const Error& error) {
  const int status = error.code() == Errc::not_found     ? 404
                     : error.code() == Errc::unavailable ? 503
                                                         : 400;
  return http_error(status, error.text());
}

json site_names(const routing::Topology& topology, std::span<const SiteId> sites) {
  json names = json::array();
  for (const SiteId site : sites) names.push_back(topology.sites[site.index()].name);
  return names;
}

bool is_alias(const routing::Service& service) {
  return service.answer == routing::AnswerWith::host_name;
}

json to_json(const routing::Topology& topology, const routing::Decision& decision, Instant now) {
  const auto& service = topology.services[decision.service.index()];
  const auto& best = topology.sites[decision.choice.site.index()];
  json named = json::array();
  json addresses = json::array();
  for (const SiteId id : decision.named) {
    const routing::Site& site = topology.sites[id.index()];
    named.push_back(site.name);
    if (is_alias(service)) continue;
    for (const Address& address : site.addresses) addresses.push_back(address.to_string());
  }
  json out{{"address", decision.client.to_string()},
           {"service", service.name},
           {"site", best.name},
           {"sites", std::move(named)},
           {"addresses", std::move(addresses)},
           {"ttl_s", decision.ttl.count()},
           {"scope", decision.choice.scope},
           {"reason", routing::to_string(decision.reason)},
           {"override", routing::to_string(decision.choice.override)},
           {"basis", decision.basis ? json(decision.basis->to_string()) : json()}};
  if (decision.confidence) out["confidence"] = std::round(*decision.confidence * 1'000) / 1'000;
  if (is_alias(service)) out["host_name"] = decision.named.empty() ? json() : json(best.host_name);
  if (!decision.fenced.empty()) out["fenced"] = site_names(topology, decision.fenced);
  if (decision.is_pinned) out["pinned"] = true;
  if (decision.is_held_out) out["held_out"] = true;
  out["candidates"] = json::array();
  for (const routing::Candidate& candidate : decision.candidates) {
    json entry{{"site", topology.sites[candidate.site.index()].name},
               {"up", candidate.is_up},
               {"named", candidate.is_named}};
    if (candidate.group) entry["group"] = *candidate.group;
    if (candidate.is_near) entry["near"] = *candidate.is_near;
    if (candidate.score) entry["score_us"] = candidate.score->count();
    if (candidate.distance_km) entry["distance_km"] = std::llround(*candidate.distance_km);
    if (candidate.estimate) put_estimate(entry, *candidate.estimate, now);
    out["candidates"].push_back(std::move(entry));
  }
  return out;
}

// Whom a question is about.
struct Asked {
  Address client;
  std::vector<ServiceId> services;
};

Result<std::vector<ServiceId>> services_named(const routing::Topology& topology, std::string name) {
  name = to_lower(name);
  if (name.ends_with('.')) name.pop_back();
  std::vector<ServiceId> found;
  for (std::size_t i = 0; i < topology.services.size(); ++i) {
    if (!name.empty() && topology.services[i].name != name) continue;
    found.push_back(ServiceId(static_cast<std::uint16_t>(i)));
  }
  if (!found.empty() || name.empty()) return found;
  std::vector<std::string_view> names;
  for (const auto& service : topology.services) names.push_back(service.name);
  return fail(Errc::not_found,
              fmt::format("unknown service \"{}\"; services are {}", name, fmt::join(names, ", ")));
}

Result<Asked> parse_asked(const routing::Topology& topology, const HttpRequest& request) {
  const std::string text = parameter(request, "address");
  const auto prefix = Prefix::parse(text);
  if (!prefix) {
    return fail(Errc::invalid, "address=" + text +
                                   " is no address or prefix; ask "
                                   "/v1/route?address=192.0.2.1&service=www.example.com");
  }
  auto services = services_named(topology, parameter(request, "service"));
  if (!services) return tl::unexpected(services.error());
  return Asked{prefix->address(), std::move(*services)};
}

json to_json(const Past& past, const Asked& asked, Instant at) {
  json body{{"at", format_instant(at)},
            {"age_s", seconds_between(past.newest(), at)},
            {"state_position", past.moment().state},
            {"health_position", past.moment().health},
            {"prefixes", past.state().size()},
            {"whole", past.is_whole()},
            {"decisions", json::array()}};
  for (const ServiceId service : asked.services) {
    body["decisions"].push_back(to_json(past.topology(), past.explain(service, asked.client), at));
  }
  return body;
}

// A decision that a node gave, as its event tells, and as it comes out again.
HttpResponse explain_sample(const EventLog& log, const PastSetup& setup, const std::string& text,
                            const std::function<bool()>& goes_on) {
  const auto id = parse_id(text);
  if (!id) {
    return http_error(400, "decision=" + text + " is no id of an event",
                      "ids are SOURCE/EPOCH/SEQUENCE, see /v1/channels/decision/events");
  }
  const auto event = find_decision(log, *id);
  if (!event) return refuse(event.error());
  const auto& sample = std::get<event::DecisionSample>(event->payload);
  auto services = services_named(setup.topology, sample.service);
  if (!services) return refuse(services.error());
  const auto past =
      Past::make(log, setup, {*sample.state_position, *sample.health_position}, goes_on);
  if (!past) return refuse(past.error());
  const Asked asked{sample.resolver.value_or(sample.prefix.address()), std::move(*services)};
  json body = to_json(*past, asked, event->time);
  const auto again = past->explain(asked.services.front(), asked.client);
  body["answered"] = {{"id", text},
                      {"service", sample.service},
                      {"prefix", sample.prefix.to_string()},
                      {"site", sample.site},
                      {"reason", sample.reason},
                      {"scope", sample.scope},
                      {"generation", sample.generation}};
  if (sample.resolver) body["answered"]["resolver"] = sample.resolver->to_string();
  body["agrees"] = agrees(past->topology(), again, sample);
  return reply(body);
}

}  // namespace

bool agrees(const routing::Topology& topology, const routing::Decision& decision,
            const event::DecisionSample& sample) {
  return topology.sites[decision.choice.site.index()].name == sample.site &&
         decision.choice.scope == sample.scope &&
         routing::to_string(decision.reason) == sample.reason;
}

Result<event::Event> find_decision(const EventLog& log, const event::EventId& id) {
  const std::string name = fmt::format("{}/{}/{}", id.source, id.epoch, id.sequence);
  const auto found = log.find(id);
  if (!found) return fail(Errc::not_found, "no event " + name + " is kept");
  auto event =
      event::from_protobuf({reinterpret_cast<const std::uint8_t*>(found->stored.event.data()),
                            found->stored.event.size()});
  const auto* sample = event ? std::get_if<event::DecisionSample>(&event->payload) : nullptr;
  if (sample == nullptr) return fail(Errc::invalid, "the event " + name + " is no decision");
  if (!sample->state_position || !sample->health_position) {
    return fail(Errc::invalid,
                "the decision " + name + " does not say what it rests on; ask by its time");
  }
  return std::move(*event);
}

bool is_of_past(const HttpRequest& request) {
  return request.query.contains("at") || request.query.contains("decision");
}

PastSetup past_setup(Engine& engine) {
  const Core& core = engine.core();
  return {core.topology(), engine.map(), engine.options().path_lifetime, core.health().sites()};
}

HttpResponse query_past_route(const EventLog& log, const PastSetup& setup, Instant now,
                              const HttpRequest& request, const std::function<bool()>& goes_on) {
  if (const auto id = parameter(request, "decision"); !id.empty()) {
    return explain_sample(log, setup, id, goes_on);
  }
  const std::string text = parameter(request, "at");
  const auto ago = parse_duration(text);
  const auto at = ago ? std::optional(now - *ago) : parse_instant(text);
  if (!at || *at > now) {
    return http_error(400, fmt::format("at={} is no time of the past", text),
                      "ask at=2026-05-01T12:00:00Z, or at=15m for so long ago");
  }
  const auto asked = parse_asked(setup.topology, request);
  if (!asked) return refuse(asked.error());
  const auto moment = PastMoment::at(log, *at);
  if (!moment) return refuse(moment.error());
  const auto past = Past::make(log, setup, *moment, goes_on);
  if (!past) return refuse(past.error());
  return reply(to_json(*past, *asked, *at));
}

HttpResponse query_route(Engine& engine, const HttpRequest& request) {
  const Core& core = engine.core();
  const auto asked = parse_asked(core.topology(), request);
  if (!asked) return refuse(asked.error());
  const routing::RoutingTable& table = engine.table();
  json body{{"generation", table.generation()},
            {"age_s", seconds_between(core.changed_at(), engine.now())},
            {"decisions", json::array()}};
  for (const ServiceId service : asked->services) {
    body["decisions"].push_back(
        to_json(core.topology(),
                routing::explain(core.topology(), table, core.state(), engine.geo(),
                                 core.site_states(), service, asked->client),
                engine.now()));
  }
  return reply(body);
}

}  // namespace isochrone::collector
