// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "event/check.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

// What may go wrong with a download. "timing": nothing did, but the object is not served with
// Timing-Allow-Origin, so its times are hidden.
constexpr std::array<std::string_view, 4> kErrors{"timeout", "network", "status", "timing"};
constexpr std::string_view kTiming = kErrors[3];

// Keeps the second of two equal keys from replacing the first unseen. An object of ours nests three deep.
class Strict {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    constexpr int kMaxDepth = 4;
    if (depth > kMaxDepth) is_wrong_ = true;
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      auto& here = keys_.back();
      if (std::find(here.begin(), here.end(), key) != here.end()) is_wrong_ = true;
      here.push_back(key);
    }
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    return true;
  }
  bool is_wrong() const { return is_wrong_; }

 private:
  std::vector<std::vector<std::string>> keys_;
  bool is_wrong_ = false;
};

bool has_only(const json& object, std::initializer_list<std::string_view> known) {
  const auto is_known = [&](const auto& item) {
    return std::find(known.begin(), known.end(), item.key()) != known.end();
  };
  const auto items = object.items();
  return std::all_of(items.begin(), items.end(), is_known);
}

Result<BeaconResult> read_result(const json& item) {
  if (!item.is_object() || !has_only(item, {"site", "rtt_us", "error"})) {
    return fail(Errc::invalid,
                "field \"results\": should have objects of site and rtt_us or error");
  }
  BeaconResult result;
  const auto site = item.find("site");
  if (site == item.end() || !site->is_string()) {
    return fail(Errc::invalid, "field \"results[].site\": should be a name");
  }
  result.site = site->get<std::string>();
  const auto rtt = item.find("rtt_us");
  const auto error = item.find("error");
  if ((rtt == item.end()) == (error == item.end())) {
    return fail(Errc::invalid, "field \"results[]\": should have one of rtt_us and error");
  }
  if (error != item.end()) {
    const bool is_known =
        error->is_string() && std::find(kErrors.begin(), kErrors.end(),
                                        error->get_ref<const std::string&>()) != kErrors.end();
    if (!is_known) {
      return fail(Errc::invalid,
                  "field \"results[].error\": should be timeout, network, status or timing");
    }
    result.is_blind = error->get_ref<const std::string&>() == kTiming;
    return result;
  }
  const bool is_time =
      rtt->is_number_unsigned() && rtt->get<std::uint64_t>() > 0 &&
      rtt->get<std::uint64_t>() <= static_cast<std::uint64_t>(event::kMaxRtt.count());
  if (!is_time) {
    return fail(Errc::invalid, "field \"results[].rtt_us\": should be 1 to 60000000 microseconds");
  }
  result.rtt = Micros(rtt->get<std::int64_t>());
  return result;
}

}  // namespace

Result<BeaconReport> parse_beacon_report(std::string_view body) {
  if (body.size() > kMaxReportBytes) {
    return fail(Errc::limit, "the report is larger than 8192 bytes");
  }
  Strict strict;
  const json parsed = json::parse(
      body, [&](int depth, auto event, json& value) { return strict(depth, event, value); }, false);
  if (!parsed.is_object() || strict.is_wrong() || !has_only(parsed, {"token", "results"})) {
    return fail(Errc::invalid, "the report is no object of token and results");
  }
  const auto token = parsed.find("token");
  const auto results = parsed.find("results");
  if (token == parsed.end() || !token->is_string()) {
    return fail(Errc::invalid, "field \"token\": should be the token of a task");
  }
  const bool is_list = results != parsed.end() && results->is_array() && !results->empty() &&
                       results->size() <= kMaxTokenSites;
  if (!is_list) return fail(Errc::invalid, "field \"results\": should have 1 to 8 results");
  BeaconReport report{token->get<std::string>(), {}};
  for (const json& item : *results) {
    auto result = read_result(item);
    if (!result) return tl::unexpected(result.error());
    const bool is_repeated =
        std::any_of(report.results.begin(), report.results.end(),
                    [&](const BeaconResult& other) { return other.site == result->site; });
    if (is_repeated) {
      return fail(Errc::invalid, "field \"results[].site\": should be different sites");
    }
    report.results.push_back(std::move(*result));
  }
  return report;
}

}  // namespace isochrone::collector
