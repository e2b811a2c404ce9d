// SPDX-License-Identifier: Apache-2.0
//
// The wiring: which part is made, who knows whose address, who measures whom.
#include "app/roles.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/api.h"
#include "app/door.h"
#include "app/node_http.h"
#include "app/token.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "collector/collector.h"
#include "dns/server.h"
#include "prober/prober.h"

namespace isochrone::app {
namespace {

// The parts that the collector's or the node's HTTP threads ask for numbers. The lock keeps them
// from being asked while they reload or go away.
struct Measured {
  std::unique_ptr<dns::Server> dns;
  std::unique_ptr<prober::Prober> prober;
};

tl::unexpected<std::vector<Error>> refused(Error error) {
  return tl::unexpected(std::vector<Error>{std::move(error)});
}

// The counters of `all` without those of `part`, which go on counting themselves.
Metrics::Counters without(Metrics::Counters all, const Metrics::Counters& part) {
  for (const auto& [key, value] : part) {
    const auto found = all.find(key);
    if (found != all.end()) found->second -= value;
  }
  return all;
}

}  // namespace

struct Roles::Impl {
  explicit Impl(const Config& first) : config(first) {}

  void measure(Metrics& metrics) const {
    metrics.gauge("isochrone_node_info", "Version and name of this node; always 1.", 1,
                  {{"version", ISOCHRONE_VERSION}, {"node", name}});
    parts.with([&](const Measured& measured) {
      if (measured.dns) measured.dns->measure(metrics);
      if (measured.prober) measured.prober->measure(metrics);
    });
    metrics.add_earlier(earlier.with([](const auto& counters) { return counters; }));
  }

  std::string status_json() const {
    nlohmann::json status{{"node", name}, {"version", ISOCHRONE_VERSION}};
    parts.with([&](const Measured& measured) {
      if (measured.dns) status["dns"] = nlohmann::json::parse(measured.dns->status_json());
      if (measured.prober) status["prober"] = nlohmann::json::parse(measured.prober->status_json());
    });
    return status.dump();
  }

  // The options of this process: an address that is not configured is the collector's in here, which
  // knows its own roles by a token of this life.
  Config wired(Config next) const {
    if (!next.collector_access.empty() || !collector_door) return next;
    HttpAccess own(url_of({next.collector.listen.address, collector_door->place.bound.port},
                          !next.collector.tls.empty()));
    own.trust = HttpTrust::own;
    if (!next.collector.access.is_open()) {
      own.token = own_token;
      next.collector.access.tokens.push_back(
          {"own", sha256(own_token), {event::Role::operate}, {}, {}, true});
    }
    next.dns.collector = own;
    next.prober.collector = own;
    next.collector_access = std::move(own);
    return next;
  }

  Checked<void> open_doors(const Offer& offer);
  Checked<void> start_collector();
  Checked<void> start_dns();
  Checked<void> start_prober();
  Checked<void> start_http();
  Checked<void> start_all_but_dns();
  Checked<void> apply(const Config& next);
  // The server of this process; null without one. Used by the controlling thread, which alone makes
  // and ends it.
  dns::Server* dns() const {
    return parts.with([](const Measured& measured) { return measured.dns.get(); });
  }

  Config config;
  const std::string name = config.node.name;
  const std::string own_token = make_token();
  bool is_standing_by = false;
  std::optional<Door> collector_door;
  std::optional<Door> http_door;
  std::unique_ptr<collector::Collector> collector;
  Guarded<Measured> parts;
  Guarded<Metrics::Counters> earlier;  // counted by what is gone
  Metrics::Counters of_dns;            // by dns alone, when counters() was last asked
  std::unique_ptr<NodeHttp> http;
};

// Where the other process listens already, its socket comes later.
Checked<void> Roles::Impl::open_doors(const Offer& offer) {
  const auto open = [](std::optional<Door>& door, const Endpoint& endpoint,
                       const std::optional<HttpPlace>& offered) -> Result<void> {
    door.emplace();
    if (!offered || offered->asked != endpoint) return door->open(endpoint);
    door->place = *offered;
    return {};
  };
  if (config.node.has_collector) {
    auto opened = open(collector_door, config.collector.listen, offer.collector);
    if (!opened) return refused(opened.error().within("collector"));
  }
  if (config.node.http) {
    auto opened = open(http_door, *config.node.http, offer.http);
    if (!opened) return refused(opened.error().within("node.http"));
  }
  config = wired(config);
  return {};
}

Checked<void> Roles::Impl::start_collector() {
  if (!config.node.has_collector || collector) return {};
  auto started = collector::Collector::start(
      config.collector, config.topology, [this](Metrics& metrics) { measure(metrics); },
      another(collector_door->listener));
  if (!started) return refused(started.error().within("collector"));
  collector = std::move(*started);
  return {};
}

Checked<void> Roles::Impl::start_dns() {
  if (!config.node.has_dns) return {};
  auto started = dns::Server::start(config.dns, config.topology);
  if (!started) return tl::unexpected(started.error());
  parts.with([&](Measured& measured) { measured.dns = std::move(*started); });
  return {};
}

Checked<void> Roles::Impl::start_prober() {
  const bool is_there =
      parts.with([](const Measured& measured) { return measured.prober != nullptr; });
  if (!config.node.has_prober || is_there) return {};
  auto started = prober::Prober::start(config.prober);
  if (!started) return refused(started.error());
  parts.with([&](Measured& measured) { measured.prober = std::move(*started); });
  return {};
}

Checked<void> Roles::Impl::start_http() {
  if (!config.node.http || http) return {};
  auto started = NodeHttp::start(
      *config.node.http, config.api, another(http_door->listener),
      [this](Metrics& metrics) { measure(metrics); }, [this] { return status_json(); });
  if (!started) return refused(started.error());
  http = std::move(*started);
  return {};
}

Checked<void> Roles::Impl::start_all_but_dns() {
  for (const auto start : {&Impl::start_collector, &Impl::start_prober, &Impl::start_http}) {
    if (auto started = (this->*start)(); !started) return started;
  }
  return {};
}

// dns first: its zones are what is most often wrong.
Checked<void> Roles::Impl::apply(const Config& next) {
  auto taken = parts.with([&](Measured& measured) -> Checked<void> {
    if (measured.dns) {
      if (auto done = measured.dns->reload(next.dns, next.topology); !done) return done;
    }
    if (measured.prober) {
      if (auto done = measured.prober->reload(next.prober); !done) {
        return refused(done.error());
      }
    }
    return {};
  });
  if (!taken) return taken;
  if (http) {
    if (auto done = http->reload(next.api); !done) return refused(done.error().within("access"));
  }
  if (!collector) return taken;
  // Outside the lock: the collector's own threads may wait for it in measure().
  if (auto done = collector->reload(next.collector, next.topology); !done) {
    return refused(done.error().within("collector"));
  }
  return {};
}

Roles::Roles() = default;

namespace {

Checked<void> make_state_dir(const Config& config) {
  std::error_code error;
  std::filesystem::create_directories(config.node.state_dir, error);
  if (!error) return {};
  const std::string what = "cannot make node.state-dir " + config.node.state_dir.string();
  return refused(fail_errno(what, error.value()).value());
}

}  // namespace

Checked<std::unique_ptr<Roles>> Roles::start(const Config& config) {
  if (auto made = make_state_dir(config); !made) return tl::unexpected(made.error());
  std::unique_ptr<Roles> roles(new Roles);
  roles->impl_ = std::make_unique<Impl>(config);
  Impl& impl = *roles->impl_;
  if (auto opened = impl.open_doors({}); !opened) return tl::unexpected(opened.error());
  for (const auto start :
       {&Impl::start_collector, &Impl::start_dns, &Impl::start_prober, &Impl::start_http}) {
    if (auto started = (impl.*start)(); !started) return tl::unexpected(started.error());
  }
  return roles;
}

Roles::~Roles() {
  if (!impl_) return;
  impl_->http.reset();
  // Taken out under the lock, ended outside it: ending may wait for the collector's threads.
  Measured ending = impl_->parts.with([](Measured& measured) { return std::move(measured); });
  ending.prober.reset();
  ending.dns.reset();
  impl_->collector.reset();
}

Checked<void> Roles::reload(const Config& config) {
  const Config next = impl_->wired(config);
  if (auto differences = needs_restart(impl_->config, next); !differences.empty()) {
    return tl::unexpected(std::move(differences));
  }
  if (auto taken = impl_->apply(next); !taken) {
    // What some took already is taken back; the errors to tell are those of the refusal.
    (void)impl_->apply(impl_->config);
    return taken;
  }
  impl_->config = next;
  return {};
}

void Roles::reopen_logs() {
  if (dns::Server* dns = impl_->dns()) dns->reopen_tap();
}

Checked<void> Roles::reload_zone(std::string_view zone) {
  dns::Server* dns = impl_->dns();
  if (dns == nullptr) return refused(Error(Errc::invalid, "this node has no dns role"));
  auto errors = dns->reload_zone(zone);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return {};
}

Checked<std::unique_ptr<Roles>> Roles::prepare(const Config& config, const Offer& offer) {
  if (auto made = make_state_dir(config); !made) return tl::unexpected(made.error());
  std::unique_ptr<Roles> roles(new Roles);
  roles->impl_ = std::make_unique<Impl>(config);
  Impl& impl = *roles->impl_;
  if (auto opened = impl.open_doors(offer); !opened) return tl::unexpected(opened.error());
  if (!config.node.has_dns) return roles;
  auto prepared = dns::Server::prepare(impl.config.dns, impl.config.topology);
  if (!prepared) return tl::unexpected(prepared.error());
  impl.parts.with([&](Measured& measured) { measured.dns = std::move(*prepared); });
  return roles;
}

Checked<void> Roles::serve_dns(Estate& estate) {
  dns::Server* dns = impl_->dns();
  if (dns == nullptr) return {};
  return dns->serve(std::move(estate.dns));
}

Checked<void> Roles::take_over(Estate& estate) {
  const auto inherit = [](std::optional<Door>& door, Fd& listener) {
    if (door && !door->listener) door->listener = std::move(listener);
  };
  inherit(impl_->collector_door, estate.collector);
  inherit(impl_->http_door, estate.http);
  if (auto started = impl_->start_all_but_dns(); !started) return started;
  dns::Server* dns = impl_->dns();
  return dns == nullptr ? Checked<void>() : dns->take_charge();
}

void Roles::set_earlier(Metrics::Counters counters) {
  impl_->earlier.with([&](auto& current) { current = std::move(counters); });
}

Offer Roles::offer() const {
  Offer offer;
  if (impl_->collector_door) offer.collector = impl_->collector_door->place;
  if (impl_->http_door) offer.http = impl_->http_door->place;
  return offer;
}

void Roles::save() {
  if (dns::Server* dns = impl_->dns()) dns->save();
}

Estate Roles::estate() const {
  Estate estate;
  if (const dns::Server* dns = impl_->dns()) estate.dns = dns->inheritance();
  if (impl_->collector_door) estate.collector = another(impl_->collector_door->listener);
  if (impl_->http_door) estate.http = another(impl_->http_door->listener);
  return estate;
}

void Roles::stand_by() {
  impl_->is_standing_by = true;
  if (dns::Server* dns = impl_->dns()) dns->stand_by();
  release();
}

void Roles::release() {
  impl_->http.reset();
  // Taken out under the lock, ended outside it: ending may wait for the collector's threads.
  auto prober = impl_->parts.with([](Measured& measured) { return std::move(measured.prober); });
  if (prober) prober->stop();
  if (impl_->collector) impl_->collector->stop_serving();
  impl_->parts.with([&](Measured& measured) { measured.prober = std::move(prober); });
  take_counters_back(counters());
  impl_->parts.with([](Measured& measured) { measured.prober.reset(); });
  impl_->collector.reset();
}

void Roles::take_counters_back(const Metrics::Counters& counters) {
  set_earlier(without(counters, impl_->of_dns));
}

// What dns counts is read once, for it goes on counting: open connections are still served.
Metrics::Counters Roles::counters() const {
  Metrics of_dns;
  if (const dns::Server* dns = impl_->dns()) dns->measure(of_dns);
  impl_->of_dns = of_dns.counters();
  Metrics metrics;
  impl_->measure(metrics);
  if (impl_->collector) impl_->collector->measure(metrics);
  Metrics::Counters all = metrics.counters();
  const auto gone = impl_->earlier.with([](const auto& counters) { return counters; });
  all.insert(gone.begin(), gone.end());
  for (const auto& [key, value] : impl_->of_dns) {
    const auto before = gone.find(key);
    all[key] = value + (before == gone.end() ? 0 : before->second);
  }
  return all;
}

Checked<void> Roles::resume() {
  dns::Server* dns = impl_->dns();
  if (dns != nullptr && std::exchange(impl_->is_standing_by, false)) dns->resume();
  return impl_->start_all_but_dns();
}

void Roles::drain(std::function<void()> drained) {
  impl_->collector_door.reset();
  impl_->http_door.reset();
  dns::Server* dns = impl_->dns();
  dns == nullptr ? drained() : dns->drain(std::move(drained));
}

std::string Roles::describe() const {
  const Config& config = impl_->config;
  std::string text = fmt::format("node={}", config.node.name);
  if (impl_->collector) {
    Endpoint listen{config.collector.listen.address, impl_->collector->port()};
    text += fmt::format(" collector={}", listen.to_string());
    listen = {config.collector.beacon.listen.address, impl_->collector->beacon_port()};
    if (listen.port != 0) text += fmt::format(" beacon={}", listen.to_string());
  }
  impl_->parts.with([&](const Measured& measured) {
    if (measured.dns) {
      std::vector<std::string> addresses;
      for (const Endpoint& endpoint : measured.dns->listening()) {
        addresses.push_back(endpoint.to_string());
      }
      text += fmt::format(" dns={}", fmt::join(addresses, ","));
    }
    if (measured.prober) text += fmt::format(" prober={}", config.prober.site);
  });
  if (impl_->http) {
    Endpoint listen = *config.node.http;
    listen.port = impl_->http->port();
    text += fmt::format(" http={}", listen.to_string());
  }
  return text + fmt::format(" sites={} services={}", config.topology.sites.size(),
                            config.topology.services.size());
}

}  // namespace isochrone::app
