// SPDX-License-Identifier: Apache-2.0
#include "app/replay_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/table.h"
#include "base/text.h"

namespace isochrone::app {
namespace {

using collector::ReplayReport;
using Json = nlohmann::ordered_json;

constexpr std::size_t kShownMoves = 20;
constexpr std::size_t kShownNetworks = 10;

double milliseconds(Micros value) { return static_cast<double>(value.count()) / 1'000; }

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json json_of(const collector::ReplayRtts& rtts) {
  if (rtts.queries == 0) return nullptr;
  return {{"queries", rtts.queries},
          {"p50_ms",
           {{"before", milliseconds(rtts.p50_before)}, {"after", milliseconds(rtts.p50_after)}}},
          {"p95_ms",
           {{"before", milliseconds(rtts.p95_before)}, {"after", milliseconds(rtts.p95_after)}}}};
}

std::string rtt_line(std::string_view what, const collector::ReplayRtts& rtts) {
  if (rtts.queries == 0) return fmt::format("RTT of {}: never measured from both sites\n", what);
  return fmt::format(
      "RTT of {}: p50 {:.1f} -> {:.1f} ms, p95 {:.1f} -> {:.1f} ms ({} queries measured from both "
      "sites)\n",
      what, milliseconds(rtts.p50_before), milliseconds(rtts.p50_after),
      milliseconds(rtts.p95_before), milliseconds(rtts.p95_after), rtts.queries);
}

// The difference to what it was, with its sign; nothing to compare with: all.
std::string change_of(const collector::ReplaySite& site) {
  if (site.before == 0) return "new";
  const double before = static_cast<double>(site.before);
  return fmt::format("{:+.0f} %", (static_cast<double>(site.after) - before) / before * 100);
}

// "12.0 % of queries move, p50 +3.0 ms, site fra +40 % load": the site whose load changes by most.
std::string headline(const ReplayReport& report) {
  std::string line =
      fmt::format("{:.1f} % of queries move", share(report.moved, report.queries) * 100);
  if (report.all.queries > 0) {
    line += fmt::format(", p50 {:+.1f} ms",
                        milliseconds(report.all.p50_after) - milliseconds(report.all.p50_before));
  }
  const auto difference = [](const collector::ReplaySite& site) {
    return std::max(site.before, site.after) - std::min(site.before, site.after);
  };
  const auto most =
      std::max_element(report.sites.begin(), report.sites.end(),
                       [&](const auto& a, const auto& b) { return difference(a) < difference(b); });
  if (most != report.sites.end() && difference(*most) > 0) {
    line += fmt::format(", site {} {} load", most->site, change_of(*most));
  }
  return line + "\n";
}

std::string loads(const ReplayReport& report) {
  Table table({"site", "queries before", "after", "change"});
  for (const collector::ReplaySite& site : report.sites) {
    table.add(
        {site.site, std::to_string(site.before), std::to_string(site.after), change_of(site)});
  }
  return table.text();
}

}  // namespace

std::string replay_as_json(const ReplayReport& report, const std::string& where, Instant since,
                           Instant until) {
  Json json{{"source", where},
            {"since", format_instant(since)},
            {"until", format_instant(until)},
            {"weighted_by", report.is_by_demand ? "demand" : "decision"},
            {"measurements", report.measurements},
            {"demands", report.demands},
            {"decisions", report.decisions},
            {"decisions_agreed", report.decisions_agreed},
            {"queries", report.queries},
            {"queries_unknown_service", report.unknown},
            {"moved", report.moved},
            {"moved_share", share(report.moved, report.queries)},
            {"rtt", json_of(report.all)},
            {"rtt_of_moved", json_of(report.of_moved)}};
  json["sites"] = Json::array();
  for (const collector::ReplaySite& site : report.sites) {
    json["sites"].push_back({{"site", site.site}, {"before", site.before}, {"after", site.after}});
  }
  json["moves"] = Json::array();
  for (const collector::ReplayMove& move : report.moves) {
    Json entry{{"service", move.service},
               {"from", move.from.empty() ? Json() : Json(move.from)},
               {"to", move.to.empty() ? Json() : Json(move.to)},
               {"queries", move.queries},
               {"share", share(move.queries, report.queries)},
               {"networks", move.networks.size()},
               {"examples", Json::array()}};
    for (const Prefix& network : move.networks) {
      if (entry["examples"].size() == kShownNetworks) break;
      entry["examples"].push_back(network.to_string());
    }
    json["moves"].push_back(std::move(entry));
  }
  return json.dump() + "\n";
}

std::string replay_as_text(const ReplayReport& report, const std::string& where, Instant since,
                           Instant until) {
  std::string text =
      headline(report) +
      fmt::format("{} to {}, from {}\n{} queries by {} {} events, {} measurements\n",
                  format_instant(since), format_instant(until), where, report.queries,
                  report.is_by_demand ? report.demands : report.decisions,
                  report.is_by_demand ? "demand" : "decision", report.measurements);
  if (report.decisions > 0) {
    text += fmt::format("as it was: {:.1f} % of {} recorded decisions are the same\n",
                        share(report.decisions_agreed, report.decisions) * 100, report.decisions);
  }
  if (report.unknown > 0) {
    text +=
        fmt::format("{} queries were for services that only one of the two has\n", report.unknown);
  }
  text += fmt::format("\n{:.2f} % of queries would have moved ({})\n",
                      share(report.moved, report.queries) * 100, report.moved);
  if (report.moves.empty()) return text + rtt_line("all", report.all);
  Table table({"service", "from", "to", "queries", "share %", "networks"});
  for (const collector::ReplayMove& move : report.moves) {
    if (&move - report.moves.data() == kShownMoves) break;
    table.add({move.service, move.from.empty() ? "(none)" : move.from,
               move.to.empty() ? "(none)" : move.to, std::to_string(move.queries),
               fmt::format("{:.2f}", share(move.queries, report.queries) * 100),
               std::to_string(move.networks.size())});
  }
  text += "\n" + table.text();
  if (report.moves.size() > kShownMoves) {
    text += fmt::format("and {} more; see --json\n", report.moves.size() - kShownMoves);
  }
  return text + "\n" + loads(report) + "\n" + rtt_line("all", report.all) +
         rtt_line("what moved", report.of_moved);
}

}  // namespace isochrone::app
