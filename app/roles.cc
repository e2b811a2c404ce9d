// SPDX-License-Identifier: Apache-2.0
//
// The wiring: which part is made, who knows whose address, who measures whom.
#include "app/roles.h"

#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "app/api.h"
#include "app/node_http.h"
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

using Compare = std::function<void(bool is_same, std::string_view key)>;

void compare_dns(const dns::Options& a, const dns::Options& b, const Compare& compare) {
  compare(a.listen == b.listen, "dns.listen");
  compare(a.workers == b.workers, "dns.workers");
  compare(a.tcp_connections == b.tcp_connections, "dns.tcp-connections");
  compare(a.tcp_per_client == b.tcp_per_client, "dns.tcp-connections-per-client");
  compare(a.xdp == b.xdp, "dns.xdp");
  compare(a.tls_listen == b.tls_listen, "dns.tls.listen");
  compare(a.tcp_idle == b.tcp_idle, "dns.tcp-idle");
}

void compare_collector(const collector::Options& a, const collector::Options& b,
                       const Compare& compare) {
  compare(a.listen == b.listen, "collector.listen");
  compare(a.window == b.window, "collector.window");
  compare(a.lateness == b.lateness, "collector.lateness");
  compare(a.max_body_bytes == b.max_body_bytes, "collector.max-body");
  compare(a.max_connections == b.max_connections, "collector.max-connections");
}

nlohmann::json parsed(const std::string& json) {
  auto value = nlohmann::json::parse(json, nullptr, false);
  return value.is_discarded() ? nlohmann::json::object() : value;
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
  }

  std::string status_json() const {
    nlohmann::json status{{"node", name}, {"version", ISOCHRONE_VERSION}};
    parts.with([&](const Measured& measured) {
      if (measured.dns) status["dns"] = parsed(measured.dns->status_json());
      if (measured.prober) status["prober"] = parsed(measured.prober->status_json());
    });
    return status.dump();
  }

  // The options of this process: an address that is not configured is the collector's in here.
  Config wired(Config next) const {
    if (!next.collector_url.empty() || !collector) return next;
    next.collector_url = url_of({next.collector.listen.address, collector->port()});
    next.dns.collector_url = next.collector_url;
    next.prober.collector_url = next.collector_url;
    return next;
  }

  Checked<void> start_collector();
  Checked<void> start_dns();
  Checked<void> start_prober();
  Checked<void> start_http();
  Checked<void> apply(const Config& next);

  Config config;
  const std::string name = config.node.name;
  std::unique_ptr<collector::Collector> collector;
  Guarded<Measured> parts;
  std::unique_ptr<NodeHttp> http;
};

Checked<void> Roles::Impl::start_collector() {
  if (!config.node.has_collector) return {};
  auto started = collector::Collector::start(config.collector, config.topology,
                                             [this](Metrics& metrics) { measure(metrics); });
  if (!started) return refused(started.error().within("collector"));
  collector = std::move(*started);
  config = wired(config);
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
  if (!config.node.has_prober) return {};
  auto started = prober::Prober::start(config.prober);
  if (!started) return refused(started.error());
  parts.with([&](Measured& measured) { measured.prober = std::move(*started); });
  return {};
}

Checked<void> Roles::Impl::start_http() {
  if (!config.node.http) return {};
  auto started = NodeHttp::start(
      *config.node.http, [this](Metrics& metrics) { measure(metrics); },
      [this] { return status_json(); });
  if (!started) return refused(started.error());
  http = std::move(*started);
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
  if (!taken || !collector) return taken;
  // Outside the lock: the collector's own threads may wait for it in measure().
  if (auto done = collector->reload(next.collector, next.topology); !done) {
    return refused(done.error().within("collector"));
  }
  return {};
}

Roles::Roles() = default;

Checked<std::unique_ptr<Roles>> Roles::start(const Config& config) {
  std::error_code error;
  std::filesystem::create_directories(config.node.state_dir, error);
  if (error) {
    return refused(
        fail_errno(fmt::format("cannot make node.state-dir {}", config.node.state_dir.string()),
                   error.value())
            .value());
  }
  std::unique_ptr<Roles> roles(new Roles);
  roles->impl_ = std::make_unique<Impl>(config);
  Impl& impl = *roles->impl_;
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

std::string Roles::describe() const {
  const Config& config = impl_->config;
  std::string text = fmt::format("node={}", config.node.name);
  if (impl_->collector) {
    Endpoint listen = config.collector.listen;
    listen.port = impl_->collector->port();
    text += fmt::format(" collector={}", listen.to_string());
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

std::vector<Error> needs_restart(const Config& running, const Config& next) {
  std::vector<Error> differences;
  const Compare compare = [&](bool is_same, std::string_view key) {
    if (is_same) return;
    differences.emplace_back(
        Errc::invalid,
        fmt::format("{}: {} changed; restart to take it, or restore it", next.file.string(), key));
  };
  const NodeOptions& a = running.node;
  const NodeOptions& b = next.node;
  compare(a.name == b.name, "node.name");
  compare(a.state_dir == b.state_dir, "node.state-dir");
  compare(a.http == b.http, "node.http");
  compare(
      a.has_dns == b.has_dns && a.has_collector == b.has_collector && a.has_prober == b.has_prober,
      "node.roles");
  if (a.has_dns && b.has_dns) compare_dns(running.dns, next.dns, compare);
  if (a.has_collector && b.has_collector) {
    compare_collector(running.collector, next.collector, compare);
  }
  if (a.has_prober && b.has_prober) {
    compare(running.prober.site == next.prober.site, "prober.site");
    compare(running.prober.source_addresses == next.prober.source_addresses,
            "prober.source-addresses");
    // Where the collector of this process listens is compared above.
    compare(running.prober.collector_url == next.prober.collector_url ||
                running.collector.listen != next.collector.listen,
            "collector.url");
  }
  return differences;
}

}  // namespace isochrone::app
