// SPDX-License-Identifier: Apache-2.0
#include "collector/collector.h"

#include <future>
#include <optional>
#include <utility>

#include "base/http_server.h"
#include "base/log.h"
#include "base/worker.h"
#include "collector/beacon_http.h"
#include "collector/engine.h"
#include "collector/http.h"
#include "collector/log_rocksdb.h"
#include "collector/nats_log.h"
#include "collector/nel.h"
#include "collector/watch.h"

namespace isochrone::collector {
namespace {

using Geo = std::shared_ptr<const routing::GeoPrior>;

Result<Geo> load_geo(const Options& options) {
  if (options.geo_database.empty()) return Geo();
  auto loaded = routing::GeoPrior::load(options.geo_database);
  if (!loaded) return tl::unexpected(loaded.error());
  return std::make_shared<const routing::GeoPrior>(std::move(*loaded));
}

Result<std::unique_ptr<EventLog>> open_log(const Options& options) {
  return options.log.servers.empty() ? open_rocksdb_log(options.state_dir / "log")
                                     : open_nats_log(options.log, options.state_dir / "replica");
}

std::shared_ptr<const Rules> make_rules(const Options& options, const routing::Topology& topology) {
  return std::make_shared<const Rules>(Rules{options, topology});
}

}  // namespace

// Members go in reverse: the server first, then the watch, so that nothing asks the engine while it
// ends, and the log last, after the engine's thread has made durable what was in progress.
struct Collector::Impl {
  std::unique_ptr<EventLog> log;
  std::optional<Readers> readers;
  std::optional<BeaconDoors> beacons;  // the engine's thread answers for them
  Engine* engine = nullptr;            // lives in the worker's thread, for as long as that runs
  std::unique_ptr<Worker> worker;
  std::optional<Watch> watch;
  std::optional<HttpApi> api;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpServer> beacon_server;
  Options options;

  Result<void> start_beacons(const routing::Topology& topology, const Geo& geo);

  void start_engine(const routing::Topology& topology, Geo geo, std::function<void()> begin_anew) {
    std::promise<Engine*> ready;
    auto made = ready.get_future();
    worker = std::make_unique<Worker>("collector", std::nullopt, [&, geo, begin_anew](Loop& loop) {
      Engine running(loop, *log, options, topology, geo, *readers);
      running.set_begin_anew(begin_anew);
      ready.set_value(&running);
      loop.run();
    });
    engine = made.get();
  }
};

// Doors of their own, so that nothing else is behind an address that browsers reach.
Result<void> Collector::Impl::start_beacons(const routing::Topology& topology, const Geo& geo) {
  if (!options.beacon.is_on) return {};
  beacons.emplace(*engine, options, topology, geo);
  HttpServer::Limits limits;
  limits.max_body_bytes = kMaxNelBytes;
  limits.max_connections = options.max_connections;
  limits.max_per_client = options.max_connections_per_client;
  limits.request = options.request_deadline;
  limits.takes_options = true;
  auto started = HttpServer::start(
      options.beacon.listen, limits,
      [this](const HttpRequest& request) { return beacons->handle(request); }, {},
      options.beacon.tls);
  if (!started) return tl::unexpected(started.error().within("beacon"));
  beacon_server = std::move(*started);
  return {};
}

Collector::Collector() : impl_(std::make_unique<Impl>()) {}
Collector::~Collector() = default;

Result<std::unique_ptr<Collector>> Collector::start(const Options& options,
                                                    const routing::Topology& topology,
                                                    std::function<void(Metrics&)> measure_node,
                                                    Fd listener, std::function<void()> begin_anew) {
  auto geo = load_geo(options);
  if (!geo) return tl::unexpected(geo.error());
  auto log = open_log(options);
  if (!log) return tl::unexpected(log.error());

  std::unique_ptr<Collector> collector(new Collector);
  Impl& impl = *collector->impl_;
  impl.options = options;
  impl.log = std::move(*log);
  impl.readers.emplace(*impl.log);
  impl.start_engine(topology, *geo, std::move(begin_anew));
  impl.api.emplace(*impl.engine, *impl.log, *impl.readers, make_rules(options, topology),
                   std::move(measure_node));
  HttpServer::Limits limits;
  limits.max_body_bytes = options.max_body_bytes;
  limits.max_connections = options.max_connections;
  limits.max_per_client = options.max_connections_per_client;
  limits.request = options.request_deadline;
  auto server = HttpServer::start(
      options.listen, limits,
      [&impl](const HttpRequest& request) { return impl.api->handle(request); },
      std::move(listener), options.tls);
  if (!server) return tl::unexpected(server.error());
  impl.server = std::move(*server);
  if (auto started = impl.start_beacons(topology, *geo); !started) {
    return tl::unexpected(started.error());
  }
  impl.watch.emplace(*impl.engine, *impl.log, options);
  impl.api->set_measure_http([&impl](Metrics& metrics) {
    impl.server->measure(metrics);
    impl.watch->measure(metrics);
    if (impl.beacons) impl.beacons->measure(metrics);
  });
  impl.api->set_show_conditions([&impl] { return impl.watch->to_json(); });
  return collector;
}

Result<void> Collector::reload(const Options& options, const routing::Topology& topology) {
  Impl& impl = *impl_;
  const Options& before = impl.options;
  if (options.listen != before.listen) {
    return fail(Errc::invalid, "collector.listen needs a restart to change");
  }
  if (options.state_dir != before.state_dir) {
    return fail(Errc::invalid, "node.state-dir needs a restart to change");
  }
  if (options.log != before.log) {
    return fail(Errc::invalid, "collector.log needs a restart to change");
  }
  if (options.window != before.window || options.lateness != before.lateness) {
    return fail(Errc::invalid, "collector.window and lateness need a restart to change");
  }
  if (options.beacon.is_on != before.beacon.is_on ||
      options.beacon.listen != before.beacon.listen ||
      options.beacon.tls.empty() != before.beacon.tls.empty()) {
    return fail(Errc::invalid, "beacon.listen and certificate need a restart to come or go");
  }
  auto geo = load_geo(options);
  if (!geo) return tl::unexpected(geo.error());
  if (options.tls.empty() != before.tls.empty()) {
    return fail(Errc::invalid, "access.certificate needs a restart to come or go");
  }
  if (auto taken = impl.server->set_tls(options.tls); !taken) {
    return tl::unexpected(taken.error().within("access"));
  }
  if (impl.beacon_server) {
    if (auto taken = impl.beacon_server->set_tls(options.beacon.tls); !taken) {
      return tl::unexpected(taken.error().within("beacon"));
    }
  }
  std::promise<void> done;
  impl.engine->ask([&](Engine& engine) {
    engine.reconfigure(options, topology, *geo);
    done.set_value();
  });
  done.get_future().wait();
  impl.api->replace_rules(make_rules(options, topology));
  if (impl.beacons) impl.beacons->reconfigure(options, topology, *geo);
  // Who reads on may have been let in by another rule.
  if (!options.access.is_open() || !before.access.is_open() || !options.policies.empty()) {
    impl.readers->dismiss();
  }
  impl.watch->reconfigure(options);
  impl.options = options;
  return {};
}

void Collector::stop_serving() {
  if (impl_->beacon_server) impl_->beacon_server->stop();
  impl_->server->stop();
}

void Collector::measure(Metrics& metrics) const {
  impl_->server->measure(metrics);
  impl_->api->measure(metrics);
  if (impl_->beacons) impl_->beacons->measure(metrics);
}

std::uint16_t Collector::port() const { return impl_->server->port(); }

std::uint16_t Collector::beacon_port() const {
  return impl_->beacon_server ? impl_->beacon_server->port() : std::uint16_t{0};
}

}  // namespace isochrone::collector
