// SPDX-License-Identifier: Apache-2.0
#include "dns/server.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/descriptors.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/loop.h"
#include "dns/cookie_secrets.h"
#include "dns/fixed_options.h"
#include "dns/follower.h"
#include "dns/journal_store.h"
#include "dns/resigner.h"
#include "dns/snapshot_file.h"
#include "dns/sockets.h"
#include "dns/status.h"
#include "dns/tap.h"
#include "dns/tls.h"
#include "dns/transfer_keeper.h"
#include "dns/workers.h"
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

bool has_signatures(const ZoneSet& zones) {
  return std::any_of(zones.zones().begin(), zones.zones().end(),
                     [](const Zone& zone) { return zone.carried() != nullptr; });
}

// Signs what is to be signed, beside what came signed; errors are added to `errors`.
std::shared_ptr<const SignedZones> sign_zones(const std::shared_ptr<const ZoneSet>& zones,
                                              const Options& options, const SignedZones* before,
                                              Errors& errors) {
  const auto policies = policies_of(options);
  if (!zones || (policies.empty() && !has_signatures(*zones))) return nullptr;
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
  inputs.wants_reasons = options.tap.is_on() && options.tap.answers;
  inputs.collector = options.collector;
  inputs.source = "dns-" + options.node_name;
  if (!options.state_dir.empty()) inputs.snapshot_file = options.state_dir / kSnapshotFile;
  return inputs;
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
    if (source.signing && !source.transfer.allow.empty()) {
      source.signing->raises_serial = true;
      const auto& folder = options.state_dir;
      const auto stored =
          folder.empty() ? std::nullopt : read_journal(journal_file(folder, source.name));
      if (stored) source.signing->last_serial = stored->serial();
    }
  }
  return options;
}

std::vector<BoundEndpoint> bind_all(const Options& options, Inheritance& inherited,
                                    Errors& errors) {
  std::vector<BoundEndpoint> bound;
  const auto take = [&](Result<BoundEndpoint> one) {
    if (one) {
      bound.push_back(std::move(*one));
    } else {
      errors.push_back(one.error());
    }
  };
  for (const Endpoint& endpoint : options.listen) {
    take(bind_endpoint(endpoint, options.workers, inherited));
  }
  for (const Endpoint& endpoint : options.tls_listen) {
    take(bind_tls_endpoint(endpoint, options.workers, inherited));
  }
  return bound;
}

}  // namespace

struct Server::Impl {
  explicit Impl(Options given) : options(std::move(given)) {}

  void compile(BuildInputs inputs, bool owns_files);
  void take_lock(Fd inherited, Errors& errors);
  void answer(std::vector<BoundEndpoint> bound, bool owns_files);
  TransferKeeper::Hooks hooks();

  // Constant after start, except options, which reload() replaces.
  Options options;
  const CookieSecrets own_secrets = random_cookie_secrets();  // where no file has them
  std::vector<Endpoint> listening;
  Fd lock;

  std::optional<BuildInputs> compiled;  // between compile() and answer()
  std::unique_ptr<Published<Snapshot>> published;
  std::unique_ptr<StateFollower> follower;    // outlives the workers, which report to it
  std::unique_ptr<Resigner> resigner;         // hands signatures to the follower
  std::unique_ptr<TransferKeeper> transfers;  // publishes zones through both
  Guarded<TransferKeeper*> keeper{nullptr};   // for the resigner, which lives longer
  std::unique_ptr<Tap> tap;                   // null where nothing is logged
  std::unique_ptr<Workers> workers;
};

void Server::Impl::compile(BuildInputs inputs, bool owns_files) {
  NodeState state;
  if (!inputs.snapshot_file.empty()) state = load_snapshot(inputs.snapshot_file, *inputs.topology);
  published = std::make_unique<Published<Snapshot>>(build_snapshot(inputs, state, 1));
  follower = std::make_unique<StateFollower>(inputs, std::move(state), *published, owns_files);
  compiled = std::move(inputs);
}

void Server::Impl::take_lock(Fd inherited, Errors& errors) {
  if (options.state_dir.empty()) return;
  auto taken = inherited ? Result<Fd>(std::move(inherited)) : lock_state_dir(options.state_dir);
  if (taken) {
    lock = std::move(*taken);
  } else {
    errors.push_back(taken.error());
  }
}

void Server::Impl::answer(std::vector<BoundEndpoint> bound, bool owns_files) {
  BuildInputs inputs = std::move(*compiled);
  compiled.reset();
  Resigner::Inputs to_sign{inputs.zones, policies_of(options), inputs.signatures};
  resigner = std::make_unique<Resigner>(std::move(to_sign), [this](Resigner::Signed made) {
    // Only put into a mailbox.
    keeper.with([&made](TransferKeeper* to) {
      if (to != nullptr) to->signed_again(std::move(made));
    });
  });
  transfers = std::make_unique<TransferKeeper>(options, std::move(inputs), hooks(), owns_files);
  keeper.with([this](TransferKeeper*& to) { to = transfers.get(); });
  for (const BoundEndpoint& endpoint : bound) listening.push_back(endpoint.endpoint);
  AnswerWorker::Settings settings;
  settings.workers = options.workers;
  settings.tcp_connections =
      std::max(1U, affordable(options.tcp_connections, descriptor_limit()) / options.workers);
  settings.tcp_per_client = options.tcp_per_client;
  settings.tcp_idle = options.tcp_idle;
  settings.notified = [this](Bytes apex, const Address&) { transfers->notified(apex); };
  settings.report = [this](DemandReport report) { follower->report(std::move(report)); };
  if (options.tap.is_on()) tap = std::make_unique<Tap>(options.tap, options.workers);
  workers = std::make_unique<Workers>(std::move(bound), *published, settings, tap.get());
}

// Called in the keeper's thread.
TransferKeeper::Hooks Server::Impl::hooks() {
  TransferKeeper::Hooks hooks;
  hooks.sign = [this](const Options& current, BuildInputs& inputs) {
    Errors errors;
    inputs.signatures = sign_zones(inputs.zones, current, resigner->current().get(), errors);
    return errors;
  };
  hooks.publish = [this](const Options& current, const BuildInputs& inputs) {
    follower->reload(inputs);
    resigner->replace({inputs.zones, policies_of(current), inputs.signatures});
  };
  hooks.publish_signatures = [this](const BuildInputs& inputs, bool are_journals_new) {
    if (are_journals_new) return follower->reload(inputs);
    follower->take(inputs.signatures);
  };
  return hooks;
}

Server::Server() = default;

Server::~Server() {
  if (!impl_) return;
  impl_->workers.reset();  // no one answers or reports any more
  impl_->tap.reset();
  impl_->keeper.with([](TransferKeeper*& to) { to = nullptr; });
  impl_->transfers.reset();
  impl_->resigner.reset();
  impl_->follower.reset();  // writes the snapshot file
}

tl::expected<std::unique_ptr<Server>, std::vector<Error>> Server::start(
    const Options& given, const routing::Topology& topology) {
  const Options options = completed(given);
  auto server = std::unique_ptr<Server>(new Server);
  Impl& impl = *(server->impl_ = std::make_unique<Impl>(options));
  auto inputs = load_inputs(options, topology, impl.own_secrets, nullptr);
  Errors errors = inputs ? Errors{} : inputs.error();
  impl.take_lock({}, errors);
  Inheritance nothing;
  auto bound = bind_all(options, nothing, errors);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  impl.compile(std::move(*inputs), true);
  impl.answer(std::move(bound), true);
  errors = impl.workers->open_xdp(impl.options.xdp);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return server;
}

tl::expected<std::unique_ptr<Server>, std::vector<Error>> Server::prepare(
    const Options& given, const routing::Topology& topology) {
  const Options options = completed(given);
  auto server = std::unique_ptr<Server>(new Server);
  server->impl_ = std::make_unique<Impl>(options);
  auto inputs = load_inputs(options, topology, server->impl_->own_secrets, nullptr);
  if (!inputs) return tl::unexpected(std::move(inputs.error()));
  server->impl_->compile(std::move(*inputs), false);
  return server;
}

tl::expected<void, std::vector<Error>> Server::serve(Inheritance inherited) {
  Errors errors;
  impl_->take_lock(std::move(inherited.lock), errors);
  auto bound = bind_all(impl_->options, inherited, errors);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  impl_->answer(std::move(bound), false);
  return {};
}

tl::expected<void, std::vector<Error>> Server::take_charge() {
  Errors errors = impl_->workers->open_xdp(impl_->options.xdp);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  impl_->follower->set_owns_file(true);
  impl_->transfers->set_following(true);
  return {};
}

void Server::save() { impl_->follower->save(); }

Inheritance Server::inheritance() const {
  Inheritance all;
  all.sockets = impl_->workers->sockets();
  if (impl_->lock) all.lock.reset(::fcntl(impl_->lock.get(), F_DUPFD_CLOEXEC, 0));
  return all;
}

void Server::stand_by() {
  impl_->workers->set_listening(false);
  impl_->transfers->set_following(false);
  impl_->follower->set_owns_file(false);
}

void Server::resume() {
  reopen_tap();  // the other has set our file aside
  impl_->workers->set_listening(true);
  impl_->follower->set_owns_file(true);
  impl_->transfers->set_following(true);
  for (const Error& error : impl_->workers->open_xdp(impl_->options.xdp)) {
    log_warning(error.within("sockets answer alone").text());
  }
}

void Server::drain(std::function<void()> done) {
  impl_->lock.reset();
  if (!impl_->workers) return done();  // prepared, and never served
  impl_->workers->drain([tap = impl_->tap.get(), done = std::move(done)] {
    if (tap != nullptr) tap->end();  // what it wrote is counted before the other hears of it last
    done();
  });
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

std::vector<Error> Server::reload_zone(std::string_view zone) {
  return impl_->transfers->reload_zone(zone);
}

void Server::reopen_tap() {
  if (impl_->tap) impl_->tap->reopen();
}

std::vector<Endpoint> Server::listening() const { return impl_->listening; }

void Server::measure(Metrics& metrics) const {
  if (!impl_->workers) return;  // it only prepares
  measure_workers(metrics, impl_->workers->counters());
  measure_state(metrics, impl_->follower->status(), *impl_->published->current()->zones);
  measure_signing(metrics, impl_->resigner->status(), impl_->resigner->current().get());
  if (impl_->tap) measure_tap(metrics, impl_->tap->status());
}

std::string Server::status_json() const {
  if (!impl_->workers) return "{}";
  return describe_status(impl_->follower->status(), *impl_->published->current()->zones,
                         impl_->resigner->current().get(), impl_->listening,
                         impl_->options.collector.url);
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
