// SPDX-License-Identifier: Apache-2.0
#include "collector/beacon_desk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "collector/nel.h"

namespace isochrone::collector {
namespace {

// Light in fibre takes a millisecond for 100 km there and back.
constexpr double kMicrosPerKm = 10;
// Databases of cities place most networks within 250 km; twice that is their mistake, more is a lie.
constexpr double kMapErrorKm = 500;
// A browser sends network errors up to a minute after they happened; what is older says nothing of now.
constexpr Seconds kOldError{300};

constexpr std::array<std::string_view, kBeaconOutcomes> kNames{
    "task",  "taken",   "blind",    "malformed", "forged", "expired", "network", "site",
    "light", "timeout", "replayed", "origin",    "client", "prefix",  "rate",    "failed"};
// Gone: what was given out is over. Conflict: it was used before.
constexpr std::array<int, kBeaconOutcomes> kStatus{200, 200, 200, 400, 403, 410, 403, 422,
                                                   422, 422, 409, 403, 429, 429, 429, 503};

BeaconRefusal refusal_of(TokenFault fault) {
  switch (fault) {
    case TokenFault::malformed:
      return {BeaconOutcome::malformed, "the token is none of a task"};
    case TokenFault::forged:
      return {BeaconOutcome::forged, "the token was not given out here"};
    case TokenFault::expired:
      break;
  }
  return {BeaconOutcome::expired, "the token has expired; ask for another task"};
}

}  // namespace

std::string_view to_string(BeaconOutcome outcome) {
  return kNames[static_cast<std::size_t>(outcome)];
}

int status_of(BeaconOutcome outcome) { return kStatus[static_cast<std::size_t>(outcome)]; }

Micros least_rtt(const routing::Site& site, const Prefix& client, const routing::GeoPrior* map) {
  if (map == nullptr || !site.location) return Micros(0);
  const auto* network = map->find(client.address());
  if (network == nullptr) return Micros(0);
  const double km = routing::distance_km(*site.location, map->location(*network)) - kMapErrorKm;
  return Micros(static_cast<std::int64_t>(std::max(km, 0.0) * kMicrosPerKm));
}

BeaconDesk::BeaconDesk(const BeaconOptions& options, const routing::Topology& topology,
                       std::shared_ptr<const routing::GeoPrior> map, std::string source,
                       std::uint64_t epoch)
    : source_(std::move(source)), epoch_(epoch) {
  reconfigure(options, topology, std::move(map));
}

void BeaconDesk::reconfigure(const BeaconOptions& options, const routing::Topology& topology,
                             std::shared_ptr<const routing::GeoPrior> map) {
  auto next = std::make_shared<const Rules>(Rules{options, topology, std::move(map)});
  rules_.with([&](auto& current) { current = std::move(next); });
}

std::string BeaconDesk::give_out(BeaconTask& task, Instant now) {
  const auto rules = this->rules();
  const auto seconds = static_cast<std::uint64_t>(unix_nanos(now) / 1'000'000'000);
  task.number = seconds << 32 | (random_u64() & 0xffff'ffff);
  task.expires = std::chrono::floor<Seconds>(now) + rules->options.token_lifetime;
  count(BeaconOutcome::task);
  return seal(task, rules->options.secrets.front());
}

std::optional<BeaconRefusal> BeaconDesk::objection(const Rules& rules, const BeaconTask& task,
                                                   const BeaconResult& result) const {
  const auto& sites = task.sites;
  const auto site = rules.topology.find_site(result.site);
  if (std::find(sites.begin(), sites.end(), result.site) == sites.end() || !site) {
    return BeaconRefusal{BeaconOutcome::site, "a site that is not of this task"};
  }
  if (!result.rtt) return std::nullopt;
  if (*result.rtt > rules.options.timeout) {
    return BeaconRefusal{BeaconOutcome::timeout, "an rtt_us above the timeout of the task"};
  }
  const routing::Site& where = rules.topology.sites[site->index()];
  if (*result.rtt < least_rtt(where, task.client, rules.map.get())) {
    return BeaconRefusal{BeaconOutcome::light, "an rtt_us that light would need longer for"};
  }
  return std::nullopt;
}

bool BeaconDesk::use(const BeaconTask& task, std::uint8_t sites, Instant now) {
  return used_.with([&](Used& used) {
    while (!used.order.empty() &&
           (used.order.front().first <= now || used.order.size() >= kMaxTasks)) {
      used.sites.erase(used.order.front().second);
      used.order.pop_front();
    }
    const auto [entry, is_new] = used.sites.try_emplace(task.number, std::uint8_t{0});
    if ((entry->second & sites) != 0) return false;
    entry->second |= sites;
    if (is_new) used.order.emplace_back(task.expires, task.number);
    return true;
  });
}

event::Event BeaconDesk::make(event::Measurement measurement, std::string task, Instant now) {
  const std::uint64_t sequence = sequence_.fetch_add(1, std::memory_order_relaxed) + 1;
  return {{source_, epoch_, sequence}, now, std::move(task), std::move(measurement)};
}

tl::expected<std::vector<event::Event>, BeaconRefusal> BeaconDesk::judge(std::string_view body,
                                                                         const Prefix& client,
                                                                         Instant now) {
  const auto refuse = [this](BeaconRefusal refusal) {
    count(refusal.why);
    return tl::unexpected(std::move(refusal));
  };
  const auto rules = this->rules();
  const auto report = parse_beacon_report(body);
  if (!report) return refuse({BeaconOutcome::malformed, report.error().text()});
  const auto task = unseal(report->token, rules->options.secrets, now);
  if (!task) return refuse(refusal_of(task.error()));
  if (task->client != client) {
    return refuse({BeaconOutcome::network, "the token was given to another network"});
  }
  std::uint8_t sites = 0;
  for (const BeaconResult& result : report->results) {
    if (auto wrong = objection(*rules, *task, result)) return refuse(std::move(*wrong));
    const auto at = std::find(task->sites.begin(), task->sites.end(), result.site);
    sites = static_cast<std::uint8_t>(sites | 1U << (at - task->sites.begin()));
  }
  if (!use(*task, sites, now)) {
    return refuse({BeaconOutcome::replayed, "this was reported before"});
  }
  // A browser that reaches no site of several tells of itself, not of their paths.
  const auto& results = report->results;
  const bool is_blind = std::none_of(results.begin(), results.end(),
                                     [](const auto& result) { return result.rtt.has_value(); });
  const bool is_whole = results.size() == task->sites.size() && results.size() > 1;
  std::vector<event::Event> events;
  if (!is_blind || !is_whole) {
    const std::string name = event::beacon_task(task->number);
    for (const BeaconResult& result : results) {
      if (result.is_blind) continue;
      events.push_back(make({result.site, client, routing::Method::beacon, result.rtt}, name, now));
    }
  }
  count(events.empty() ? BeaconOutcome::blind : BeaconOutcome::taken);
  return events;
}

std::vector<event::Event> BeaconDesk::judge_errors(const std::vector<NetworkError>& errors,
                                                   const Prefix& client, Instant now) {
  const auto rules = this->rules();
  const auto site_of = [&](const NetworkError& error) -> std::string {
    for (const BeaconSite& site : rules->options.sites) {
      const bool is_its = !error.host.empty() && (host_of_url(site.object) == error.host ||
                                                  host_of_url(site.report) == error.host);
      if (is_its) return site.site;
    }
    for (const routing::Site& site : rules->topology.sites) {
      const auto& own = site.addresses;
      if (error.server && std::find(own.begin(), own.end(), *error.server) != own.end()) {
        return site.name;
      }
    }
    return {};
  };
  std::vector<event::Event> events;
  for (const NetworkError& error : errors) {
    std::string site = error.is_loss && error.age <= kOldError ? site_of(error) : std::string();
    if (site.empty()) {
      other_errors_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    losses_.fetch_add(1, std::memory_order_relaxed);
    events.push_back(make({std::move(site), client, routing::Method::beacon, {}}, "nel", now));
  }
  return events;
}

void BeaconDesk::measure(Metrics& metrics) const {
  for (std::size_t i = 0; i < kBeaconOutcomes; ++i) {
    metrics.counter("isochrone_beacon_requests_total",
                    "Tasks given out, reports taken, and what was refused, by why.",
                    static_cast<double>(counts_[i].load(std::memory_order_relaxed)),
                    {{"outcome", kNames[i]}});
  }
  metrics.counter("isochrone_beacon_network_errors_total", "Network errors that browsers reported.",
                  static_cast<double>(losses_.load(std::memory_order_relaxed)), {{"kind", "loss"}});
  metrics.counter("isochrone_beacon_network_errors_total", "Network errors that browsers reported.",
                  static_cast<double>(other_errors_.load(std::memory_order_relaxed)),
                  {{"kind", "other"}});
}

}  // namespace isochrone::collector
