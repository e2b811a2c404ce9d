// SPDX-License-Identifier: Apache-2.0
//
// Alerts as JSON: for the receiver, in the form Alertmanager posts to webhooks, and for the log.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "collector/conditions.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

// What Alertmanager writes for "not over yet".
constexpr const char* kNever = "0001-01-01T00:00:00Z";

json labels_of(const Alert& alert, std::string_view node) {
  json labels{{"alertname", alert.condition},
              {alert.is_channel ? "channel" : "site", alert.subject},
              {"node", node}};
  if (!alert.severity.empty()) labels["severity"] = alert.severity;
  return labels;
}

json alert_of(const Alert& alert, std::string_view node) {
  const json labels = labels_of(alert, node);
  const std::uint64_t fingerprint = hash_bits(std::hash<std::string>{}(labels.dump()), 0);
  return {
      {"status", alert.over ? "resolved" : "firing"},
      {"labels", labels},
      {"annotations", {{"summary", alert.detail}, {"value", fmt::format("{:.6g}", alert.value)}}},
      {"startsAt", format_instant(alert.since)},
      {"endsAt", alert.over ? format_instant(*alert.over) : kNever},
      {"generatorURL", ""},
      {"fingerprint", fmt::format("{:016x}", fingerprint)}};
}

}  // namespace

std::string alertmanager_body(const std::vector<Alert>& alerts, std::string_view node) {
  const bool is_firing =
      std::any_of(alerts.begin(), alerts.end(), [](const Alert& a) { return !a.over; });
  json body{{"version", "4"},
            {"groupKey", fmt::format("{{}}:{{node=\"{}\"}}", node)},
            {"truncatedAlerts", 0},
            {"status", is_firing ? "firing" : "resolved"},
            {"receiver", "isochrone"},
            {"groupLabels", {{"node", node}}},
            {"commonLabels", {{"node", node}}},
            {"commonAnnotations", json::object()},
            {"externalURL", ""},
            {"alerts", json::array()}};
  for (const Alert& alert : alerts) body["alerts"].push_back(alert_of(alert, node));
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string to_note(const Alert& alert) {
  json note{{"condition", alert.condition},
            {"subject", alert.subject},
            {"severity", alert.severity},
            {"channel", alert.is_channel},
            {"value", alert.value},
            {"detail", alert.detail},
            {"since", format_instant(alert.since)}};
  if (alert.over) note["over"] = format_instant(*alert.over);
  return note.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<Alert> from_note(std::string_view bytes) {
  const json note = json::parse(bytes, nullptr, false);
  if (!note.is_object()) return std::nullopt;
  Alert alert;
  try {
    alert.condition = note.at("condition").get<std::string>();
    alert.subject = note.at("subject").get<std::string>();
    alert.severity = note.at("severity").get<std::string>();
    alert.is_channel = note.at("channel").get<bool>();
    alert.value = note.at("value").get<double>();
    alert.detail = note.at("detail").get<std::string>();
    const auto since = parse_instant(note.at("since").get<std::string>());
    if (!since) return std::nullopt;
    alert.since = *since;
    if (note.contains("over")) alert.over = parse_instant(note["over"].get<std::string>());
  } catch (const json::exception&) {
    return std::nullopt;
  }
  alert.is_firing = !alert.over;
  return alert;
}

}  // namespace isochrone::collector
