// SPDX-License-Identifier: Apache-2.0
//
// Events to NDJSON: the writing half of codec.h's text form.
#include <nlohmann/json.hpp>

#include "event/codec.h"
#include "event/names.h"

namespace isochrone::event {
namespace {

using OrderedJson = nlohmann::ordered_json;

void put(OrderedJson& to, const Measurement& measurement) {
  to["site"] = measurement.site;
  to["prefix"] = measurement.prefix.to_string();
  to["method"] = method_name(measurement.method);
  if (measurement.rtt) {
    to["rtt_us"] = measurement.rtt->count();
  } else {
    to["lost"] = true;
  }
}

void put(OrderedJson& to, const Demand& demand) {
  to["service"] = demand.service;
  to["prefix"] = demand.prefix.to_string();
  to["resolver"] = demand.resolver.to_string();
  to["queries"] = demand.queries;
  to["interval_ms"] = demand.interval.count();
}

void put(OrderedJson& to, const Health& health) {
  to["site"] = health.site;
  to["status"] = to_string(health.status);
  to["origin"] = to_string(health.origin);
  if (!health.reason.empty()) to["reason"] = health.reason;
}

void put(OrderedJson& to, const Load& load) {
  to["site"] = load.site;
  to["offered"] = load.offered;
  to["capacity"] = load.capacity;
}

OrderedJson path_json(const State::Path& path) {
  const routing::Estimate& estimate = path.estimate;
  OrderedJson json{{"site", path.site},
                   {"min_us", estimate.min.count()},
                   {"p50_us", estimate.p50.count()},
                   {"p90_us", estimate.p90.count()},
                   {"jitter_us", estimate.jitter.count()},
                   {"at", format_instant(estimate.at)},
                   {"samples", estimate.samples},
                   {"loss_permille", estimate.loss_permille},
                   {"method", method_name(estimate.method)}};
  if (estimate.aside_answers > 0) {
    json["aside_us"] = estimate.aside.count();
    json["aside_answers"] = estimate.aside_answers;
  }
  if (path.more == routing::Excess{}) return json;
  json["more_min_us"] = path.more.min.count();
  json["more_p50_us"] = path.more.p50.count();
  json["more_p90_us"] = path.more.p90.count();
  json["more_jitter_us"] = path.more.jitter.count();
  json["more_loss_permille"] = path.more.loss_permille;
  json["more_times"] = path.more.times;
  return json;
}

void put(OrderedJson& to, const State& state) {
  to["prefix"] = state.prefix.to_string();
  to["version"] = state.version;
  auto& paths = to["paths"] = OrderedJson::array();
  for (const State::Path& path : state.paths) paths.push_back(path_json(path));
  auto& preferences = to["preferences"] = OrderedJson::array();
  for (const auto& [service, site] : state.preferences) {
    preferences.push_back({{"service", service}, {"site", site}});
  }
  for (const State::Path& view : state.views) to["views"].push_back(path_json(view));
}

void put(OrderedJson& to, const Target& target) {
  to["prefix"] = target.prefix.to_string();
  auto& addresses = to["addresses"] = OrderedJson::array();
  for (const Address& address : target.addresses) addresses.push_back(address.to_string());
  if (!target.sites.empty()) to["sites"] = target.sites;
  to["lifetime_s"] = target.lifetime.count();
  to["weight"] = target.weight;
}

void put(OrderedJson& to, const DecisionSample& decision) {
  to["service"] = decision.service;
  to["prefix"] = decision.prefix.to_string();
  to["site"] = decision.site;
  to["reason"] = decision.reason;
  to["scope"] = decision.scope;
  to["generation"] = decision.generation;
  if (decision.resolver) to["resolver"] = decision.resolver->to_string();
  if (decision.state_position) to["state_position"] = *decision.state_position;
  if (decision.health_position) to["health_position"] = *decision.health_position;
}

void put(OrderedJson& to, const Event& event) {
  to["channel"] = to_string(event.channel());
  to["id"] = {
      {"source", event.id.source}, {"epoch", event.id.epoch}, {"sequence", event.id.sequence}};
  to["time"] = format_instant(event.time);
  if (!event.task.empty()) to["task"] = event.task;
  std::visit([&](const auto& payload) { put(to, payload); }, event.payload);
}

std::string dump(const OrderedJson& json) {
  // Bytes that are not UTF-8 cannot come through the codec; replacing them keeps us from throwing.
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

std::string to_json(const Event& event) {
  OrderedJson json;
  put(json, event);
  return dump(json);
}

std::string to_json(const StoredEvent& stored) {
  OrderedJson json;
  json["position"] = stored.position;
  put(json, stored.event);
  return dump(json);
}

}  // namespace isochrone::event
