// SPDX-License-Identifier: Apache-2.0
//
// What can be asked about changes: what moved, why, and how much traffic it carries.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "collector/changes.h"
#include "collector/queries.h"
#include "event/names.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestPage = 100'000;
constexpr const char* kUsual = "1h";

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

Result<Instant> moment(const HttpRequest& request, const char* name, const std::string& otherwise,
                       Instant now) {
  std::string text = parameter(request, name);
  if (text.empty()) text = otherwise;
  if (const auto ago = parse_duration(text)) return now - *ago;
  if (const auto at = parse_instant(text)) return std::min(*at, now);
  return fail(Errc::invalid, fmt::format("{}={} is neither a duration like 2h nor a time like "
                                         "2026-05-01T12:00:00Z",
                                         name, text));
}

Result<ChangesAsked> parse(const HttpRequest& request, const routing::Topology& topology,
                           Instant now) {
  ChangesAsked asked;
  const auto since = moment(request, "since", kUsual, now);
  const auto until = moment(request, "until", format_instant(now), now);
  for (const auto& each : {since, until}) {
    if (!each) return tl::unexpected(each.error());
  }
  if (*until <= *since) return fail(Errc::invalid, "until is not after since");
  asked.since = *since;
  asked.until = *until;
  if (const auto name = to_lower(parameter(request, "service")); !name.empty()) {
    asked.service = topology.find_service(name);
    if (!asked.service) return fail(Errc::not_found, "unknown service \"" + name + "\"");
  }
  if (const auto text = parameter(request, "limit"); !text.empty()) {
    const auto limit = parse_number<std::size_t>(text);
    if (!limit || *limit == 0) return fail(Errc::invalid, "limit=" + text + " is no page size");
    asked.limit = std::min(*limit, kLargestPage);
  }
  return asked;
}

double milliseconds(Micros value) { return static_cast<double>(value.count()) / 1'000; }

json to_json(const Change& change, const routing::Topology& topology, double minutes) {
  const auto name = [&](std::optional<routing::SiteId> site) {
    return site ? json(topology.sites[site->index()].name) : json();
  };
  json entry{
      {"time", format_instant(change.time)},
      {"service", topology.services[change.service.index()].name},
      {"prefix", change.network.to_string()},
      {"from", name(change.from)},
      {"to", name(change.to)},
      {"why", to_string(change.why)},
      {"queries", change.queries},
      {"queries_per_minute", std::round(static_cast<double>(change.queries) / minutes * 10) / 10}};
  if (change.from_rtt) entry["from_ms"] = milliseconds(*change.from_rtt);
  if (change.to_rtt) entry["to_ms"] = milliseconds(*change.to_rtt);
  return entry;
}

}  // namespace

HttpResponse query_changes(const EventLog& log, const PastSetup& setup, Instant now,
                           const HttpRequest& request, const std::function<bool()>& goes_on) {
  const auto asked = parse(request, setup.topology, now);
  const auto report = asked ? changes_in(log, setup, *asked, goes_on)
                            : Result<ChangesReport>(tl::unexpected(asked.error()));
  if (!report) {
    const Errc code = report.error().code();
    const int status = code == Errc::not_found ? 404 : code == Errc::unavailable ? 503 : 400;
    return http_error(status, report.error().text());
  }
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(asked->until - report->since).count();
  json body{{"since", format_instant(report->since)},
            {"until", format_instant(asked->until)},
            {"whole", report->is_whole},
            {"total", report->total},
            {"queries", report->queries},
            {"moved_queries", report->moved},
            {"sites", json::array()},
            {"changes", json::array()}};
  for (const SiteChange& change : report->sites) {
    body["sites"].push_back({{"time", format_instant(change.time)},
                             {"site", setup.topology.sites[change.site.index()].name},
                             {"status", event::to_string(change.status)},
                             {"by", event::to_string(change.origin)},
                             {"reason", change.reason}});
  }
  for (const Change& change : report->changes) {
    body["changes"].push_back(to_json(change, setup.topology, std::max(minutes, 1e-9)));
  }
  HttpResponse response;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace isochrone::collector
