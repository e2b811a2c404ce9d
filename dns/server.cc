// SPDX-License-Identifier: Apache-2.0
#include "dns/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/worker.h"
#include "dns/cookie_secrets.h"
#include "dns/follower.h"
#include "dns/resigner.h"
#include "dns/snapshot_file.h"
#include "dns/sockets.h"
#include "dns/status.h"
#include "dns/tls.h"
#include "dns/transfer_keeper.h"
#include "dns/xdp_port.h"
#include "dns/zone_store.h"

namespace isochrone::dns {
namespace {

using Errors = std::vector<Error>;

std::vector<ZonePolicy> policies_of(const Options& options) {
  std::vector<ZonePolicy> policies;
  for (const ZoneSource& zone : options.zones) {
    if (zone.signing) policies.push_back({zone.name, *zone.signing});
  }
  return policies;
}

void append(Errors& to, std::vector<Error> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// Signs what is to be signed; errors are added to `errors`.
std::shared_ptr<const SignedZones> sign_zones(const std::shared_ptr<const ZoneSet>& zones,
                                              const Options& options, const SignedZones* before,
                                              Errors& errors) {
  const auto policies = policies_of(options);
  if (!zones || policies.empty()) return nullptr;
  auto made = SignedZones::sign(zones, policies, Loop().wall(), before);
  for (const std::string& warning : made.warnings) log_warning(warning);
  append(errors, std::move(made.errors));
  return made.zones;
}

// Null, and perhaps an error, without certificate.
std::shared_ptr<const TlsContext> load_tls(const Options& options, Errors& errors) {
  if (options.tls_listen.empty()) return nullptr;
  auto loaded = TlsContext::load(options.tls_certificate, options.tls_key);
  if (loaded) return *loaded;
  errors.push_back(loaded.error().within("dns.tls"));
  return nullptr;
}

// Everything a snapshot needs besides state, or all that is wrong with it. `before` may be null.
tl::expected<BuildInputs, Errors> load_inputs(const Options& options,
                                              const routing::Topology& topology,
                                              const CookieSecrets& own_secrets,
                                              const SignedZones* before) {
  BuildInputs inputs;
  auto loaded = ZoneSet::load(options.zones, topology);
  for (const std::string& warning : loaded.warnings) log_warning(warning);
  if (!options.geo_database.empty()) {
    auto geo = routing::GeoPrior::load(options.geo_database);
    if (geo) {
      inputs.geo = std::make_shared<const routing::GeoPrior>(std::move(*geo));
    } else {
      loaded.errors.push_back(geo.error());
    }
  }
  Result<CookieSecrets> secrets = own_secrets;
  if (options.cookies && !options.cookie_secret_file.empty()) {
    secrets = load_cookie_secrets(options.cookie_secret_file);
    if (!secrets) loaded.errors.push_back(secrets.error().within("dns.cookie-secret-file"));
  }
  inputs.signatures = sign_zones(loaded.zones, options, before, loaded.errors);
  inputs.transfers = load_policy(options, loaded.errors);
  inputs.tls = load_tls(options, loaded.errors);
  if (!loaded.errors.empty()) return tl::unexpected(std::move(loaded.errors));
  inputs.zones = std::move(loaded.zones);
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  inputs.options = options.answers;
  inputs.options.max_udp_payload =
      std::clamp<std::uint16_t>(options.answers.max_udp_payload, 512, 4'096);
  if (options.cookies) inputs.options.cookies = *secrets;
  inputs.collector_url = options.collector_url;
  inputs.source = "dns-" + options.node_name;
  if (!options.state_dir.empty()) inputs.snapshot_file = options.state_dir / kSnapshotFile;
  return inputs;
}

// What a running server cannot change, by the name the configuration has for it.
Errors fixed_changes(const Options& before, const Options& after) {
  Errors errors;
  const auto refuse = [&errors](bool has_changed, std::string_view key) {
    if (!has_changed) return;
    errors.emplace_back(Errc::invalid, fmt::format("{} cannot change while running; restart", key));
  };
  refuse(before.listen != after.listen, "dns.listen");
  refuse(before.workers != after.workers, "dns.workers");
  refuse(before.tcp_connections != after.tcp_connections, "dns.tcp-connections");
  refuse(before.tcp_per_client != after.tcp_per_client, "dns.tcp-connections-per-client");
  refuse(before.xdp != after.xdp, "dns.xdp");
  refuse(before.tls_listen != after.tls_listen, "dns.tls.listen");
  refuse(before.tcp_idle != after.tcp_idle, "dns.tcp-idle");
  refuse(before.state_dir != after.state_dir, "node.state-dir");
  refuse(before.node_name != after.node_name, "node.name");
  return errors;
}

// A quarter of the descriptors, and no fewer than these, are kept from TCP clients: for the sockets that
// listen, zones, keys, the snapshot and the collector.
constexpr std::size_t kReservedDescriptors = 48;

unsigned affordable(unsigned connections, std::size_t descriptors) {
  const std::size_t kept = std::max(descriptors / 4, kReservedDescriptors);
  const std::size_t most = std::max<std::size_t>(descriptors, kept + 1) - kept;
  if (connections <= most) return connections;
  log_warning(
      fmt::format("fewer TCP connections than dns.tcp-connections, the process may open too "
                  "few files; raise its limit connections={} files={}",
                  most, descriptors));
  return static_cast<unsigned>(most);
}

// What one option says about another.
Options completed(Options options) {
  options.workers = std::max(1U, options.workers);
  for (ZoneSource& source : options.zones) {
    source.is_secondary = !source.transfer.primaries.empty();
    if (source.is_secondary) source.file = stored_zone_file(options.state_dir, source.name);
  }
  return options;
}

std::vector<BoundEndpoint> bind_all(const Options& options, Errors& errors) {
  std::vector<BoundEndpoint> bound;
  const auto take = [&](Result<BoundEndpoint> one) {
    if (one) {
      bound.push_back(std::move(*one));
    } else {
      errors.push_back(one.error());
    }
  };
  for (const Endpoint& endpoint : options.listen) take(bind_endpoint(endpoint, options.workers));
  for (const Endpoint& endpoint : options.tls_listen) {
    take(bind_tls_endpoint(endpoint, options.workers));
  }
  return bound;
}

// One port per interface, or what is wrong with it, unless sockets are told to serve instead.
std::vector<XdpPort> open_xdp_ports(const XdpOptions& options,
                                    const std::vector<BoundEndpoint>& bound, Errors& errors) {
  std::vector<Endpoint> listening;
  for (const BoundEndpoint& endpoint : bound) {
    if (!endpoint.workers.front().is_tls) listening.push_back(endpoint.endpoint);
  }
  std::vector<XdpPort> ports;
  for (const std::string& interface : options.interfaces) {
    auto port = open_xdp_port(interface, options.mode, xdp_endpoints(listening));
    if (port) {
      log_info(fmt::format("XDP answers interface={} mode={} queues={}", interface,
                           to_string(port->mode), port->queues.size()));
      ports.push_back(std::move(*port));
    } else if (options.fall_back) {
      log_warning(fmt::format("no XDP, sockets answer interface={} error=\"{}\"", interface,
                              port.error().text()));
    } else {
      errors.push_back(port.error().within("dns.xdp"));
    }
  }
  return ports;
}

}  // namespace

struct Server::Impl {
  explicit Impl(Options given) : options(std::move(given)) {}

  void start(BuildInputs inputs, std::vector<BoundEndpoint> bound, std::vector<XdpPort> ports);
  void start_worker(unsigned index, std::vector<BoundEndpoint>& bound);
  std::vector<XdpQueue> take_queues(unsigned worker);
  TransferKeeper::Hooks hooks();

  // Constant after start, except options, which reload() replaces.
  Options options;
  const CookieSecrets own_secrets = random_cookie_secrets();  // where no file has them
  std::vector<Endpoint> listening;
  std::vector<XdpPort> xdp;      // their queues are the workers'
  unsigned tcp_connections = 1;  // what the descriptors allow
  Fd lock;

  std::deque<WorkerCounters> counters;  // one writer each
  std::unique_ptr<Published<Snapshot>> published;
  std::unique_ptr<StateFollower> follower;    // outlives the workers, which report to it
  std::unique_ptr<Resigner> resigner;         // hands signatures to the follower
  std::unique_ptr<TransferKeeper> transfers;  // publishes zones through both
  std::vector<std::unique_ptr<Worker>> workers;
};

void Server::Impl::start(BuildInputs inputs, std::vector<BoundEndpoint> bound,
                         std::vector<XdpPort> ports) {
  xdp = std::move(ports);
  NodeState state;
  if (!inputs.snapshot_file.empty()) state = load_snapshot(inputs.snapshot_file, *inputs.topology);
  Resigner::Inputs to_sign{inputs.zones, policies_of(options), inputs.signatures};
  published = std::make_unique<Published<Snapshot>>(build_snapshot(inputs, state, 1));
  follower = std::make_unique<StateFollower>(inputs, std::move(state), *published);
  resigner = std::make_unique<Resigner>(
      std::move(to_sign), [this](Resigner::Signed made) { follower->take(std::move(made)); });
  transfers = std::make_unique<TransferKeeper>(options, std::move(inputs), hooks());
  for (const BoundEndpoint& endpoint : bound) listening.push_back(endpoint.endpoint);
  tcp_connections = affordable(options.tcp_connections, descriptor_limit());
  for (unsigned i = 0; i < options.workers; ++i) start_worker(i, bound);
}

// Called in the keeper's thread.
TransferKeeper::Hooks Server::Impl::hooks() {
  TransferKeeper::Hooks hooks;
  hooks.sign = [this](const Options& current, BuildInputs& inputs) {
    Errors errors;
    inputs.signatures = sign_zones(inputs.zones, current, resigner->current().get(), errors);
    for (const Error& error : errors) log_error(error.text());
  };
  hooks.publish = [this](const Options& current, const BuildInputs& inputs) {
    follower->reload(inputs);
    resigner->replace({inputs.zones, policies_of(current), inputs.signatures});
  };
  return hooks;
}

// Queues go round among the workers, as the interface spreads clients over its queues.
std::vector<XdpQueue> Server::Impl::take_queues(unsigned worker) {
  std::vector<XdpQueue> taken;
  for (XdpPort& port : xdp) {
    for (std::size_t i = worker; i < port.queues.size(); i += options.workers) {
      taken.push_back(std::move(port.queues[i]));
    }
  }
  return taken;
}

void Server::Impl::start_worker(unsigned index, std::vector<BoundEndpoint>& bound) {
  auto sockets = std::make_shared<std::vector<WorkerSockets>>();
  for (BoundEndpoint& endpoint : bound) sockets->push_back(std::move(endpoint.workers[index]));
  auto queues = std::make_shared<std::vector<XdpQueue>>(take_queues(index));
  AnswerWorker::Settings settings;
  settings.workers = options.workers;
  settings.tcp_connections = std::max(1U, tcp_connections / options.workers);
  settings.tcp_per_client = options.tcp_per_client;
  settings.tcp_idle = options.tcp_idle;
  settings.notified = [this](Bytes apex, const Address&) { transfers->notified(apex); };
  settings.report = [this](DemandReport report) { follower->report(std::move(report)); };
  WorkerCounters& mine = counters.emplace_back();
  workers.push_back(std::make_unique<Worker>(fmt::format("dns-{}", index), std::nullopt,
                                             [this, sockets, queues, settings, &mine](Loop& loop) {
                                               AnswerWorker::run(loop, std::move(*sockets),
                                                                 std::move(*queues), *published,
                                                                 mine, settings);
                                             }));
}

Server::Server() = default;

Server::~Server() {
  if (!impl_) return;
  impl_->xdp.clear();      // from here on sockets get all queries, until they close
  impl_->workers.clear();  // no one answers or reports any more
  impl_->transfers.reset();
  impl_->resigner.reset();
  impl_->follower.reset();  // writes the snapshot file
}

tl::expected<std::unique_ptr<Server>, std::vector<Error>> Server::start(
    const Options& given, const routing::Topology& topology) {
  const Options options = completed(given);
  auto server = std::unique_ptr<Server>(new Server);
  server->impl_ = std::make_unique<Impl>(options);
  auto inputs = load_inputs(options, topology, server->impl_->own_secrets, nullptr);
  Errors errors = inputs ? Errors{} : inputs.error();
  if (!options.state_dir.empty()) {
    auto lock = lock_state_dir(options.state_dir);
    if (lock) {
      server->impl_->lock = std::move(*lock);
    } else {
      errors.push_back(lock.error());
    }
  }
  auto bound = bind_all(options, errors);
  std::vector<XdpPort> ports;
  if (errors.empty()) ports = open_xdp_ports(options.xdp, bound, errors);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  server->impl_->start(std::move(*inputs), std::move(bound), std::move(ports));
  return server;
}

tl::expected<void, std::vector<Error>> Server::reload(const Options& given,
                                                      const routing::Topology& topology) {
  Options options = completed(given);
  Errors errors = fixed_changes(impl_->options, options);
  auto done = impl_->transfers->reload(options, [&]() -> TransferKeeper::Loaded {
    const auto before = impl_->resigner->current();
    auto inputs = load_inputs(options, topology, impl_->own_secrets, before.get());
    if (!inputs) append(errors, std::move(inputs.error()));
    if (!errors.empty()) return tl::unexpected(std::move(errors));
    return inputs;
  });
  if (done) impl_->options = std::move(options);
  return done;
}

std::vector<Endpoint> Server::listening() const { return impl_->listening; }

void Server::measure(Metrics& metrics) const {
  measure_workers(metrics, impl_->counters);
  measure_state(metrics, impl_->follower->status(), *impl_->published->current()->zones);
  measure_signing(metrics, impl_->resigner->status(), impl_->resigner->current().get());
}

std::string Server::status_json() const {
  return describe_status(impl_->follower->status(), *impl_->published->current()->zones,
                         impl_->resigner->current().get(), impl_->listening,
                         impl_->options.collector_url);
}

std::vector<Error> check_zones(const Options& options, const routing::Topology& topology) {
  const Options whole = completed(options);
  auto loaded = ZoneSet::load(whole.zones, topology);
  load_policy(whole, loaded.errors);
  load_tls(whole, loaded.errors);
  if (loaded.zones) {
    append(loaded.errors, check_keys(*loaded.zones, policies_of(whole), Loop().wall()));
  }
  return loaded.errors;
}

}  // namespace isochrone::dns
