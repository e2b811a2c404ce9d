// SPDX-License-Identifier: Apache-2.0
#include "collector/replay.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "routing/decision.h"

namespace isochrone::collector {
namespace {

using routing::ServiceId;
using routing::SiteId;

// The engine's tick.
constexpr Millis kStep{50};

// The least value that at least this share of all does not exceed.
Micros quantile(const std::map<Micros, std::uint64_t>& weights, double share) {
  std::uint64_t all = 0;
  for (const auto& [value, weight] : weights) all += weight;
  std::uint64_t sum = 0;
  for (const auto& [value, weight] : weights) {
    sum += weight;
    if (static_cast<double>(sum) >= share * static_cast<double>(all)) return value;
  }
  return Micros(0);
}

std::vector<ReplayMove> sorted(const auto& moves) {
  std::vector<ReplayMove> all;
  for (const auto& [key, move] : moves) all.push_back(move);
  std::stable_sort(all.begin(), all.end(),
                   [](const ReplayMove& a, const ReplayMove& b) { return a.queries > b.queries; });
  return all;
}

ReplayRtts rtts_of(const auto& rtts) {
  ReplayRtts found;
  for (const auto& [value, weight] : rtts.before) found.queries += weight;
  found.p50_before = quantile(rtts.before, 0.5);
  found.p50_after = quantile(rtts.after, 0.5);
  found.p95_before = quantile(rtts.before, 0.95);
  found.p95_after = quantile(rtts.after, 0.95);
  return found;
}

}  // namespace

Result<ReplaySetup> without_sites(ReplaySetup setup, const std::vector<std::string>& names) {
  routing::Topology& topology = setup.topology;
  for (const std::string& name : names) {
    const auto gone = topology.find_site(name);
    if (!gone) {
      std::vector<std::string_view> known;
      for (const routing::Site& site : topology.sites) known.push_back(site.name);
      return fail(Errc::not_found,
                  fmt::format("no site \"{}\"; sites are {}", name, fmt::join(known, ", ")));
    }
    topology.sites.erase(topology.sites.begin() + gone->value());
    for (routing::Service& service : topology.services) {
      for (std::size_t i = service.sites.size(); i > 0; --i) {
        SiteId& site = service.sites[i - 1];
        if (site.value() > gone->value())
          site = SiteId(static_cast<std::uint16_t>(site.value() - 1));
        else if (site == *gone) {
          service.sites.erase(service.sites.begin() + static_cast<std::ptrdiff_t>(i - 1));
          if (service.weights.size() >= i) {
            service.weights.erase(service.weights.begin() + static_cast<std::ptrdiff_t>(i - 1));
          }
        }
      }
      if (service.sites.empty()) {
        return fail(Errc::invalid, fmt::format("without {} the service {} has no site; leave one",
                                               fmt::join(names, " and "), service.name));
      }
    }
  }
  return setup;
}

Replay::Course::Course(const ReplaySetup& of) : setup(of), core(setup.options, setup.topology, 1) {
  core.set_map(setup.map);
}

void Replay::Course::advance(Instant now) {
  core.advance(now);
  core.outbox_is_durable();
}

std::optional<SiteId> Replay::Course::answer(std::string_view service, const Prefix& client,
                                             bool& is_known) {
  const auto id = setup.topology.find_service(service);
  is_known = id.has_value();
  if (!id) return std::nullopt;
  if (table == nullptr || compiled != core.generation()) {
    table =
        routing::compile_table(setup.topology, core.state(), setup.map.get(), core.generation());
    compiled = core.generation();
  }
  const routing::Service& asked = setup.topology.services[id->index()];
  const auto nameable =
      routing::nameable_sites(core.site_states(), *id, routing::sites_of(asked), asked.on_all_down);
  if (nameable.sites == 0) return std::nullopt;
  return routing::choose(*table, *id, client.address(), nameable.sites).site;
}

std::string Replay::Course::name(std::optional<SiteId> site) const {
  return site ? setup.topology.sites[site->index()].name : std::string();
}

Replay::Replay(const ReplaySetup& as_it_was, const ReplaySetup& otherwise, Instant since,
               Instant until)
    : before_(as_it_was), after_(otherwise), since_(since), until_(until) {}

// Without Client Subnet a query was answered for the resolver, which may have a row of its own.
Prefix Replay::asked_for(const event::Demand& demand) const {
  const Prefix resolver(demand.resolver, demand.resolver.width());
  const bool is_known = before_.core.state().find(resolver) != nullptr;
  return is_known && demand.prefix == client_network(demand.resolver) ? resolver : demand.prefix;
}

void Replay::advance(Instant now) {
  if (now_ == Instant{}) now_ = now;
  while (now_ + kStep <= now) {
    now_ += kStep;
    before_.advance(now_);
    after_.advance(now_);
  }
}

void Replay::take(const event::Event& event, event::Position position, Instant at) {
  if (at >= until_) return;
  advance(at);
  const bool counts = event.time >= since_;
  if (std::holds_alternative<event::Measurement>(event.payload)) {
    ++report_.measurements;
    before_.core.apply({event}, {position}, now_);
    after_.core.apply({event}, {position}, now_);
  } else if (const auto* health = std::get_if<event::Health>(&event.payload)) {
    // What the collector drew from heartbeats is here too, as it drew it then.
    if (health->origin == event::HealthOrigin::prober) return;
    before_.core.apply({event}, {position}, now_);
    after_.core.apply({event}, {position}, now_);
  } else if (event::parse_beacon_task(event.task)) {
    // Which resolver asked for a beacon's task: nobody's query.
    before_.core.apply({event}, {position}, now_);
    after_.core.apply({event}, {position}, now_);
  } else if (const auto* demand = std::get_if<event::Demand>(&event.payload); demand && counts) {
    ++report_.demands;
    weigh(by_demand_, demand->service, asked_for(*demand), demand->queries);
  } else if (const auto* decision = std::get_if<event::DecisionSample>(&event.payload);
             decision && counts) {
    ++report_.decisions;
    weigh(by_decision_, decision->service, decision->prefix, 1);
    bool is_known = false;
    const auto site = before_.answer(decision->service, decision->prefix, is_known);
    if (is_known && before_.name(site) == decision->site) ++report_.decisions_agreed;
  }
}

void Replay::weigh(Tally& tally, std::string_view service, const Prefix& client,
                   std::uint64_t queries) {
  bool is_known_before = false;
  bool is_known_after = false;
  const auto before = before_.answer(service, client, is_known_before);
  const auto after = after_.answer(service, client, is_known_after);
  tally.queries += queries;
  if (!is_known_before || !is_known_after) {
    tally.unknown += queries;
    return;
  }
  const std::string from = before_.name(before);
  const std::string to = after_.name(after);
  if (before) tally.sites[from].before += queries;
  if (after) tally.sites[to].after += queries;
  const auto rtt_before = rtt(client, from);
  const auto rtt_after = rtt(client, to);
  const auto count = [&](Rtts& rtts) {
    if (!rtt_before || !rtt_after) return;
    rtts.before[*rtt_before] += queries;
    rtts.after[*rtt_after] += queries;
  };
  count(tally.all);
  if (from == to) return;
  count(tally.of_moved);
  tally.moved += queries;
  ReplayMove& move = tally.moves[{std::string(service), from, to}];
  if (move.queries == 0) move = {std::string(service), from, to, 0, {}};
  move.queries += queries;
  move.networks.insert(client);
}

// As it was measured then; of a site that only the other setup has, by what that knows.
std::optional<Micros> Replay::rtt(const Prefix& client, std::string_view site) const {
  for (const Course* course : {&before_, &after_}) {
    const auto id = course->setup.topology.find_site(site);
    const auto* known = id ? course->core.state().find(client) : nullptr;
    const auto* estimate = known != nullptr ? known->find(*id) : nullptr;
    if (estimate != nullptr && estimate->samples > 0) return estimate->p50;
  }
  return std::nullopt;
}

ReplayReport Replay::report() const {
  ReplayReport report = report_;
  report.is_by_demand = report.demands > 0;
  const Tally& tally = report.is_by_demand ? by_demand_ : by_decision_;
  report.queries = tally.queries;
  report.moved = tally.moved;
  report.unknown = tally.unknown;
  report.moves = sorted(tally.moves);
  for (const auto& [name, site] : tally.sites) {
    report.sites.push_back({name, site.before, site.after});
  }
  report.all = rtts_of(tally.all);
  report.of_moved = rtts_of(tally.of_moved);
  return report;
}

}  // namespace isochrone::collector
