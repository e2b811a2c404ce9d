// SPDX-License-Identifier: Apache-2.0
#include "collector/incidents.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "event/codec.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr std::string_view kIncidentNote = "incident/";

json parsed(std::string_view text) { return json::parse(text, nullptr, false); }

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json stored_json(const Found& found) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(found.stored.event.data());
  const auto event = event::from_protobuf({data, found.stored.event.size()});
  if (!event) return nullptr;
  return parsed(event::to_json(event::StoredEvent{found.stored.position, *event}));
}

}  // namespace

void Incidents::restore(const EventLog& log) {
  log.notes(kIncidentNote, [&](std::string_view, std::string_view bytes) {
    const json incident = parsed(bytes);
    if (!incident.is_object()) return;
    total_ = std::max(total_, incident.value("total", std::uint64_t{0}));
    kept_ = std::max(kept_, incident.value("number", std::uint64_t{0}));
  });
  commit();
}

void Incidents::add(const event::Event& refused, const Found& stored, Instant now) {
  ++total_;
  if (notes_.size() >= kAtOnce) return;
  ++kept_;
  json incident{{"number", kept_},
                {"total", total_},
                {"at", format_instant(now)},
                {"refused", parsed(event::to_json(refused))},
                {"stored", stored_json(stored)}};
  notes_.push_back({std::string(kIncidentNote) + std::to_string(kept_ % kKept), dumped(incident)});
}

void Incidents::commit() {
  notes_.clear();
  total_before_ = total_;
  kept_before_ = kept_;
}

void Incidents::rollback() {
  notes_.clear();
  total_ = total_before_;
  kept_ = kept_before_;
}

std::string incidents_json(const EventLog& log, std::size_t limit) {
  std::vector<json> found;
  log.notes(kIncidentNote, [&](std::string_view, std::string_view bytes) {
    json incident = parsed(bytes);
    if (!incident.is_object()) return;
    incident.erase("total");
    found.push_back(std::move(incident));
  });
  std::sort(found.begin(), found.end(), [](const json& a, const json& b) {
    return a.value("number", std::uint64_t{0}) > b.value("number", std::uint64_t{0});
  });
  if (found.size() > limit) found.resize(limit);
  return dumped(json{{"incidents", std::move(found)}}) + "\n";
}

}  // namespace isochrone::collector
