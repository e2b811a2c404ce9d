// SPDX-License-Identifier: Apache-2.0
#include "collector/queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "collector/estimate_fields.h"
#include "event/codec.h"
#include "routing/policy.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;
using routing::ServiceId;
using routing::SiteId;

constexpr std::size_t kDefaultPage = 1'000;
constexpr std::size_t kLargestPage = 100'000;

HttpResponse reply(json body) {
  HttpResponse response;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return response;
}

// What every reply that shows state begins with.
json about(Engine& engine) {
  return {{"generation", engine.core().generation()},
          {"age_s", seconds_between(engine.core().changed_at(), engine.now())}};
}

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

struct PageOf {
  std::size_t limit = kDefaultPage;
  std::optional<Prefix> after;
  std::optional<Prefix> prefix;
};

Result<PageOf> parse_page(const HttpRequest& request) {
  PageOf page;
  if (const auto text = parameter(request, "limit"); !text.empty()) {
    const auto limit = parse_number<std::size_t>(text);
    if (!limit || *limit == 0) return fail(Errc::invalid, "limit=" + text + " is no page size");
    page.limit = std::min(*limit, kLargestPage);
  }
  for (const auto& [name, value] : {std::pair{"after", &page.after}, {"prefix", &page.prefix}}) {
    const auto text = parameter(request, name);
    if (text.empty()) continue;
    *value = Prefix::parse(text);
    if (!*value) {
      return fail(Errc::invalid, fmt::format("{}={} is no prefix like 192.0.2.0/24", name, text));
    }
  }
  return page;
}

// The prefixes of a page, in order, and whether more follow.
std::pair<std::vector<const routing::PrefixState*>, bool> page_of(const Core& core,
                                                                  const PageOf& page) {
  std::vector<const routing::PrefixState*> all;
  for (const auto& [prefix, known] : core.state().prefixes()) {
    if (page.after && prefix <= *page.after) continue;
    if (page.prefix && !page.prefix->contains(prefix)) continue;
    all.push_back(&known);
  }
  const auto before = [](const auto* a, const auto* b) { return a->prefix < b->prefix; };
  const bool has_more = all.size() > page.limit;
  if (has_more) {
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(page.limit);
    std::nth_element(all.begin(), end, all.end(), before);
    all.erase(end, all.end());
  }
  std::sort(all.begin(), all.end(), before);
  return {std::move(all), has_more};
}

json site_names(const Core& core, std::span<const SiteId> sites) {
  json names = json::array();
  for (const SiteId site : sites) names.push_back(core.topology().sites[site.index()].name);
  return names;
}

bool is_alias(const routing::Service& service) {
  return service.answer == routing::AnswerWith::host_name;
}

HttpResponse bad_request(const Error& error) { return http_error(400, error.text()); }

const char* word(const SiteHealth::Site& site) {
  if (site.by_operator == event::HealthStatus::down) return "down";
  if (site.is_silent) return "silent";
  if (site.by_operator == event::HealthStatus::draining) return "draining";
  return "up";
}

}  // namespace

HttpResponse query_status(Engine& engine) {
  const Core& core = engine.core();
  const Core::Counts& counts = core.counts();
  std::size_t paths = 0;
  for (const auto& [prefix, known] : core.state().prefixes()) paths += known.paths.size();
  json body = about(engine);
  body["node"] = engine.options().node_name;
  body["uptime_s"] = seconds_between(engine.started_at(), engine.now());
  body["log"] = engine.log().id();
  if (const auto& shares = engine.shares()) {
    json owners = json::array();
    for (const Shares::Owner& owner : shares->owners()) owners.push_back(owner.name);
    body["partitions"] = {{"here", core.windows().mine().count()}, {"owners", std::move(owners)}};
  }
  body["prefixes"] = core.state().size();
  body["paths"] = paths;
  body["targets"] = core.targets().size();
  body["sources"] = core.dedup().sources();
  body["events"] = {{"accepted", engine.counters().accepted.value()},
                    {"duplicates", engine.counters().duplicates.value()},
                    {"rejected", engine.rejected()},
                    {"incidents", engine.incidents().total()},
                    {"lost", engine.log().damage().events}};
  body["windows"] = {{"open", core.windows().open_windows()},
                     {"samples_open", core.windows().open_samples()},
                     {"samples", counts.samples},
                     {"samples_reduced", counts.samples_reduced},
                     {"late", counts.late},
                     {"over_quota", counts.over_quota}};
  body["readers"] = {{"polls", engine.readers().waiting()},
                     {"streams", engine.readers().streaming()}};
  return reply(std::move(body));
}

HttpResponse query_sites(Engine& engine) {
  const Core& core = engine.core();
  json body = about(engine);
  body["sites"] = json::array();
  for (std::size_t i = 0; i < core.topology().sites.size(); ++i) {
    const routing::Site& site = core.topology().sites[i];
    const SiteHealth::Site& health = core.health().sites()[i];
    json addresses = json::array();
    for (const Address& address : site.addresses) addresses.push_back(address.to_string());
    json entry{{"site", site.name}, {"status", word(health)}, {"addresses", std::move(addresses)}};
    if (site.location) entry["location"] = {site.location->latitude, site.location->longitude};
    if (health.last_heard && *health.last_heard != Instant{}) {
      entry["heartbeat_age_s"] = seconds_between(*health.last_heard, engine.now());
    }
    if (!health.reason.empty()) entry["reason"] = health.reason;
    if (core.balance().is_bounded()) {
      const Balance::Site& balance = core.balance().sites()[i];
      entry["planned_per_s"] = balance.planned;
      entry["full_ms"] = static_cast<double>(balance.price.count()) / 1'000;
      if (site.capacity > 0) entry["capacity_per_s"] = site.capacity;
    }
    body["sites"].push_back(std::move(entry));
  }
  return reply(std::move(body));
}

HttpResponse query_services(Engine& engine) {
  const Core& core = engine.core();
  json body = about(engine);
  body["services"] = json::array();
  for (const routing::Service& service : core.topology().services) {
    body["services"].push_back({{"service", service.name},
                                {"ttl_s", service.ttl.count()},
                                {"min_gain_us", service.min_gain.count()},
                                {"min_gain_share", service.min_gain_share},
                                {"merge_within_us", service.merge_within.count()},
                                {"dwell_s", service.dwell.count()},
                                {"objective", routing::to_string(service.objective)},
                                {"answer", is_alias(service) ? "cname" : "addresses"},
                                {"count", service.count},
                                {"others", service.others},
                                {"sites", site_names(core, service.sites)}});
    json& added = body["services"].back();
    if (service.spread) added["spread_us"] = service.spread->count();
    if (!service.weights.empty()) added["weights"] = service.weights;
    if (service.terms) added["terms"] = service.terms->rows().size();
    if (service.hold_out > 0) added["hold_out"] = service.hold_out;
  }
  return reply(std::move(body));
}

HttpResponse query_channels(Engine& engine) {
  json body{{"log", engine.log().id()}, {"lost", engine.log().damage().events}};
  body["channels"] = json::array();
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const auto channel = static_cast<event::Channel>(i);
    body["channels"].push_back({{"channel", event::to_string(channel)},
                                {"first", engine.log().first(channel)},
                                {"last", engine.log().last(channel)}});
  }
  return reply(std::move(body));
}

HttpResponse query_targets(Engine& engine, const HttpRequest& request) {
  const auto page = parse_page(request);
  if (!page) return bad_request(page.error());
  json body = about(engine);
  body["targets"] = json::array();
  for (const Targets::Known& known : engine.core().targets().known()) {
    if (body["targets"].size() == page->limit) break;
    if (page->prefix && !page->prefix->contains(known.prefix)) continue;
    json addresses = json::array();
    for (const Address& address : known.addresses) addresses.push_back(address.to_string());
    body["targets"].push_back({{"prefix", known.prefix.to_string()},
                               {"addresses", std::move(addresses)},
                               {"queries", known.queries},
                               {"queries_per_minute", known.per_minute},
                               {"asked_age_s", seconds_between(known.last_asked, engine.now())}});
  }
  body["total"] = engine.core().targets().size();
  return reply(std::move(body));
}

// What each method says, where that is not the path's estimate.
void put_views(json& entry, const routing::PrefixState& known, SiteId site, Instant now) {
  for (const routing::View& view : known.views) {
    if (view.site != site) continue;
    json& said = entry["methods"].emplace_back(json::object());
    put_estimate(said, view.estimate, now);
    if (view.more.times == 0) continue;
    said["more_min_us"] = view.more.min.count();
    said["more_p50_us"] = view.more.p50.count();
    said["more_p90_us"] = view.more.p90.count();
    said["more_jitter_us"] = view.more.jitter.count();
    said["more_loss_permille"] = view.more.loss_permille;
    said["more_times"] = view.more.times;
  }
}

HttpResponse query_paths(Engine& engine, const HttpRequest& request) {
  const auto page = parse_page(request);
  if (!page) return bad_request(page.error());
  const std::string site = parameter(request, "site");
  const auto [prefixes, has_more] = page_of(engine.core(), *page);
  json body = about(engine);
  body["paths"] = json::array();
  for (const routing::PrefixState* known : prefixes) {
    for (const routing::PathState& path : known->paths) {
      const std::string& name = engine.core().topology().sites[path.site.index()].name;
      if (!site.empty() && site != name) continue;
      json entry{{"prefix", known->prefix.to_string()}, {"site", name}};
      put_estimate(entry, path.estimate, engine.now());
      put_views(entry, *known, path.site, engine.now());
      body["paths"].push_back(std::move(entry));
    }
  }
  if (has_more) body["next"] = prefixes.back()->prefix.to_string();
  return reply(std::move(body));
}

HttpResponse query_table(Engine& engine, const HttpRequest& request) {
  const auto page = parse_page(request);
  if (!page) return bad_request(page.error());
  const Core& core = engine.core();
  const routing::RoutingTable& table = engine.table();
  const std::string wanted = parameter(request, "service");
  const auto [prefixes, has_more] = page_of(core, *page);
  json body = about(engine);
  body["generation"] = table.generation();
  body["memory_bytes"] = table.memory_bytes();
  body["rankings"] = table.rankings().size();
  body["rows"] = json::array();
  for (const routing::PrefixState* known : prefixes) {
    for (std::size_t i = 0; i < core.topology().services.size(); ++i) {
      const routing::Service& service = core.topology().services[i];
      if (!wanted.empty() && wanted != service.name) continue;
      const ServiceId id(static_cast<std::uint16_t>(i));
      const routing::Leaf leaf = table.find(id, known->prefix.address());
      body["rows"].push_back({{"prefix", known->prefix.to_string()},
                              {"service", service.name},
                              {"scope", leaf.block_length},
                              {"ranking", site_names(core, table.ranking(leaf.ranking))}});
    }
  }
  if (has_more) body["next"] = prefixes.back()->prefix.to_string();
  return reply(std::move(body));
}

}  // namespace isochrone::collector
