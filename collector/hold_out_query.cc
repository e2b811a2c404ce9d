// SPDX-License-Identifier: Apache-2.0
//
// What measuring gains, by the networks that each service holds out.
#include <nlohmann/json.hpp>

#include "collector/queries.h"
#include "routing/gain.h"
#include "routing/hold_out.h"
#include "routing/policy.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

struct Arms {
  std::vector<routing::Observed> routed;
  std::vector<routing::Observed> held_out;
  std::size_t unknown = 0;  // networks that were not measured from the site they are sent to
};

double milliseconds(Micros micros) { return static_cast<double>(micros.count()) / 1'000; }

// What its clients see of the site they are sent to; none where that was not measured.
std::optional<routing::Observed> observe(const routing::Service& service,
                                         const routing::PrefixState& known, routing::SiteId site) {
  const routing::Estimate* answered = known.find(site);
  if (answered == nullptr || answered->samples == 0) return std::nullopt;
  routing::Observed seen{milliseconds(routing::score(*answered, service.objective)), 0, 1};
  double count = 0;
  for (const routing::SiteId each : service.sites) {
    const routing::Estimate* estimate = known.find(each);
    if (estimate == nullptr || estimate->samples == 0) continue;
    seen.mean_ms += milliseconds(routing::score(*estimate, service.objective));
    ++count;
  }
  seen.mean_ms /= count;
  return seen;
}

Arms arms_of(Engine& engine, routing::ServiceId id) {
  const Core& core = engine.core();
  const routing::Service& service = core.topology().services[id.index()];
  const routing::RoutingTable& table = engine.table();
  Arms arms;
  for (const auto& [prefix, known] : core.state().prefixes()) {
    if (!routing::is_measured(service, known)) continue;
    const auto choice = routing::choose(table, id, prefix.address(), core.site_states().up);
    auto seen = observe(service, known, choice.site);
    if (!seen) {
      ++arms.unknown;
      continue;
    }
    const Targets::Known* target = core.targets().find(prefix);
    if (target != nullptr) seen->demand = target->per_minute;
    (routing::is_held_out(service, prefix) ? arms.held_out : arms.routed).push_back(*seen);
  }
  return arms;
}

json rounded(double value) { return std::round(value * 1'000) / 1'000; }

}  // namespace

HttpResponse query_hold_out(Engine& engine) {
  const Core& core = engine.core();
  json body{{"generation", core.generation()}};
  body["services"] = json::array();
  for (std::size_t i = 0; i < core.topology().services.size(); ++i) {
    const routing::Service& service = core.topology().services[i];
    if (service.hold_out <= 0) continue;
    const Arms arms = arms_of(engine, routing::ServiceId(static_cast<std::uint16_t>(i)));
    json entry{{"service", service.name},
               {"hold_out", service.hold_out},
               {"routed_networks", arms.routed.size()},
               {"held_out_networks", arms.held_out.size()},
               {"unknown_networks", arms.unknown}};
    if (const auto gain = routing::gain_of(arms.routed, arms.held_out)) {
      entry["routed_ms"] = rounded(gain->routed.mean_ms);
      entry["held_out_ms"] = rounded(gain->held_out.mean_ms);
      entry["gain_ms"] = rounded(gain->gain_ms);
      entry["gain_low_ms"] = rounded(gain->low_ms);
      entry["gain_high_ms"] = rounded(gain->high_ms);
    }
    body["services"].push_back(std::move(entry));
  }
  HttpResponse response;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace isochrone::collector
