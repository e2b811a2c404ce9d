// SPDX-License-Identifier: Apache-2.0
//
// The wiring: which part is made, who knows whose address, who measures whom.
#include "app/roles.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/api.h"
#include "app/roles_impl.h"

namespace isochrone::app {

void Roles::Impl::measure(Metrics& metrics) const {
  metrics.gauge("isochrone_node_info", "Version and name of this node; always 1.", 1,
                {{"version", ISOCHRONE_VERSION}, {"node", name}});
  parts.with([&](const Measured& measured) {
    if (measured.dns) measured.dns->measure(metrics);
    if (measured.prober) measured.prober->measure(metrics);
  });
  metrics.add_earlier(earlier.with([](const auto& counters) { return counters; }));
}

std::string Roles::Impl::status_json() const {
  nlohmann::json status{{"node", name}, {"version", ISOCHRONE_VERSION}};
  parts.with([&](const Measured& measured) {
    if (measured.dns) status["dns"] = nlohmann::json::parse(measured.dns->status_json());
    if (measured.prober) status["prober"] = nlohmann::json::parse(measured.prober->status_json());
  });
  return status.dump();
}

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
      another(collector_door->listener),
      [this] {
        was_stale.store(true);
        const auto tell = collector_is_stale.with([](const auto& current) { return current; });
        if (tell) tell();
      });
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

void Roles::set_collector_is_stale(std::function<void()> tell) {
  impl_->collector_is_stale.with([&](auto& current) { current = tell; });
  if (tell && impl_->was_stale.load()) tell();  // since it started
}

Checked<void> Roles::begin_collector_anew() {
  if (!impl_->collector || !impl_->was_stale.load()) return {};
  impl_->collector.reset();
  impl_->was_stale.store(false);
  return impl_->start_collector();
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
