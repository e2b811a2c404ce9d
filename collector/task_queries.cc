// SPDX-License-Identifier: Apache-2.0
//
// What can be asked about tasks and incidents: computed from the stored events, in any thread.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "collector/queries.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr std::size_t kDefaultTasks = 100;
constexpr std::size_t kMostTasks = 1'000;

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

std::optional<std::size_t> limit_of(const HttpRequest& request) {
  const std::string text = parameter(request, "limit");
  if (text.empty()) return kDefaultTasks;
  const auto limit = parse_number<std::size_t>(text);
  if (!limit || *limit == 0) return std::nullopt;
  return std::min(*limit, kMostTasks);
}

HttpResponse bad_limit(const HttpRequest& request) {
  return http_error(400, "limit=" + parameter(request, "limit") + " is no page size");
}

HttpResponse reply(const json& body) {
  HttpResponse response;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

// Nothing more of it comes: then it is whole, or a part of it was never sent.
std::string_view state_of(const TaskSummary& summary, bool has_ended) {
  if (!has_ended) return "running";
  return summary.sent >= summary.expected ? "complete" : "incomplete";
}

json to_json(std::string_view task, const TaskSummary& summary, bool has_ended) {
  json body{{"task", task},
            {"state", state_of(summary, has_ended)},
            {"sent", summary.sent},
            {"expected", summary.expected},
            {"completeness", summary.completeness()},
            {"answered", summary.answered},
            {"lost", summary.lost},
            {"prefixes", summary.prefixes},
            {"sites", summary.sites},
            {"other_events", summary.other_events},
            {"first", format_instant(summary.first)},
            {"last", format_instant(summary.last)},
            {"duration_s", std::chrono::duration<double>(summary.last - summary.first).count()}};
  if (summary.p50) body["p50_us"] = summary.p50->count();
  if (summary.p90) body["p90_us"] = summary.p90->count();
  if (summary.max) body["max_us"] = summary.max->count();
  return body;
}

}  // namespace

HttpResponse query_incidents(const EventLog& log, const HttpRequest& request) {
  const auto limit = limit_of(request);
  if (!limit) return bad_limit(request);
  HttpResponse response;
  response.body = incidents_json(log, *limit);
  return response;
}

HttpResponse query_task(const EventLog& log, std::string_view task, Instant now, Nanos quiet) {
  const std::vector<event::Event> events = events_of_task(log, task, kMaxTaskEvents);
  if (events.empty()) {
    return http_error(404, "no event of task \"" + std::string(task) + "\" is kept",
                      "GET /v1/tasks lists recent ones");
  }
  const TaskSummary summary = summarize_task(events);
  return reply(to_json(task, summary, summary.last + quiet <= now));
}

HttpResponse query_tasks(const EventLog& log, TaskTable& table, const HttpRequest& request,
                         Instant now, Nanos quiet) {
  const auto limit = limit_of(request);
  if (!limit) return bad_limit(request);
  const std::string wanted = parameter(request, "state");
  if (!wanted.empty() && wanted != "running" && wanted != "complete" && wanted != "incomplete") {
    return http_error(400, "state=" + wanted + " is none", "running, complete or incomplete");
  }
  json body{{"tasks", json::array()}};
  for (const TaskTable::Entry& entry :
       table.newest(TaskTable::kMaxTasks, parameter(request, "site"))) {
    if (body["tasks"].size() == *limit) break;
    const bool has_ended = entry.has_ended(now, quiet);
    if (wanted == "running" ? has_ended : !wanted.empty() && !has_ended) continue;
    const TaskSummary summary = table.summary(log, entry, has_ended);
    if (summary.sent == 0) continue;  // past the retention
    json task = to_json(entry.task, summary, has_ended);
    if (wanted.empty() || task["state"] == wanted) body["tasks"].push_back(std::move(task));
  }
  return reply(body);
}

}  // namespace isochrone::collector
