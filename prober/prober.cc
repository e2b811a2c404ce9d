// SPDX-License-Identifier: Apache-2.0
#include "prober/prober.h"

#include <fmt/format.h>

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/random.h"
#include "base/worker.h"
#include "event/client.h"
#include "prober/check.h"
#include "prober/engine.h"
#include "prober/expose.h"
#include "prober/passive.h"

namespace isochrone::prober {
namespace {

using event::Follower;

Micros rounded(Nanos rtt) { return std::chrono::round<Micros>(rtt); }

std::uint64_t unix_micros_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<Micros>(now).count());
}

}  // namespace

struct Prober::Impl {
  // What the loop's thread lends to others while it runs.
  struct Doors {
    Mailbox<Options>* reloads = nullptr;
    Mailbox<Follower::Batch>* targets = nullptr;
  };

  Options options;  // of the controlling thread
  std::uint64_t epoch = unix_micros_now();
  Counters counters;
  std::optional<event::Poster> poster;
  Doors doors;
  std::optional<Worker> worker;
  std::optional<Worker> watcher;  // of clients' connections
  Options watching;               // what it was given
  std::optional<Follower> follower;

  void run(Loop& loop, Wire wire, std::promise<Doors>& opened);
  void report(const Observation& seen);
  void post_heartbeat(Instant now);
  Result<void> watch(const Options& with);
};

void Prober::Impl::report(const Observation& seen) {
  event::Measurement measurement{options.site, seen.prefix, seen.method, std::nullopt};
  if (seen.rtt) measurement.rtt = rounded(*seen.rtt);
  const std::string_view kind = seen.method == Method::passive ? "passive-" : "";
  poster->post(std::move(measurement), seen.sent,
               fmt::format("{}-{}-{}{}", options.site, epoch, kind, seen.round));
}

// Watches with these options from now on; what the watcher before had not told yet is dropped.
Result<void> Prober::Impl::watch(const Options& with) {
  watching = with;
  if (!with.passive.is_on()) {
    watcher.reset();
    return {};
  }
  std::optional<TcpDiag> diag;
  if (!with.passive.ports.empty()) {
    auto opened = TcpDiag::open();
    if (!opened) return tl::unexpected(opened.error());
    diag.emplace(std::move(*opened));
  }
  watcher.reset();
  auto shared = std::make_shared<std::optional<TcpDiag>>(std::move(diag));
  watcher.emplace("passive", std::nullopt, [this, with, shared](Loop& loop) {
    Passive passive(loop, std::exchange(*shared, std::nullopt), with, random_u64(),
                    counters.passive, [this](const Observation& seen) { report(seen); });
    loop.run();
  });
  return {};
}

void Prober::Impl::post_heartbeat(Instant now) {
  poster->post(
      event::Health{options.site, event::HealthStatus::up, event::HealthOrigin::prober, ""}, now);
}

void Prober::Impl::run(Loop& loop, Wire wire, std::promise<Doors>& opened) {
  Engine engine(loop, std::move(wire), options, random_u64(), counters,
                [this](const Observation& seen) { report(seen); });
  Timer heartbeat(loop, [&] { post_heartbeat(loop.wall()); });
  heartbeat.start(Millis(0), options.heartbeat);
  Mailbox<Options> reloads(loop, [&](std::vector<Options> waiting) {
    engine.configure(waiting.back());
    heartbeat.start(Millis(0), waiting.back().heartbeat);
  });
  // What the log holds from before is as old as it says; what comes once we are abreast is new,
  // whatever the collector's clock says.
  bool is_abreast = false;
  Mailbox<Follower::Batch> targets(loop, [&](std::vector<Follower::Batch> batches) {
    for (const Follower::Batch& batch : batches) {
      for (const event::StoredEvent& stored : batch.events) {
        const auto* target = std::get_if<event::Target>(&stored.event.payload);
        if (target == nullptr) continue;
        engine.demand(*target, is_abreast ? Nanos(0) : loop.wall() - stored.event.time);
      }
      is_abreast = is_abreast || batch.caught_up;
    }
  });
  opened.set_value({&reloads, &targets});
  loop.run();
}

Prober::Prober() : impl_(std::make_unique<Impl>()) {}

Prober::~Prober() { stop(); }

void Prober::stop() {
  impl_->follower.reset();  // nobody posts into the loop any more
  impl_->worker.reset();
  impl_->watcher.reset();
  impl_->poster.reset();  // delivers what is known, for at most a second
}

Result<std::unique_ptr<Prober>> Prober::start(const Options& options) {
  if (auto valid = check_options(options); !valid) return tl::unexpected(valid.error());
  auto wire = Wire::open(options);
  if (!wire) return tl::unexpected(wire.error().within("prober"));

  std::unique_ptr<Prober> prober(new Prober());
  Impl& impl = *prober->impl_;
  impl.options = options;
  impl.poster.emplace(options.collector, "prober-" + options.site, impl.epoch);
  std::promise<Impl::Doors> opened;
  auto doors = opened.get_future();
  // std::function must be copyable, so the thread gets its sockets by reference; it has taken them
  // before the future is ready.
  impl.worker.emplace("prober", std::nullopt, [&impl, &wire, &opened](Loop& loop) {
    impl.run(loop, std::move(*wire), opened);
  });
  impl.doors = doors.get();
  impl.follower.emplace(
      options.collector, event::Channel::target, "", 0,
      [&impl](Follower::Batch batch) { impl.doors.targets->post(std::move(batch)); });
  if (auto watched = impl.watch(options); !watched) return tl::unexpected(watched.error());
  log_info(fmt::format("prober started site={} targets={} rate-pps={}", options.site,
                       options.targets.size(), options.rate_pps));
  return prober;
}

Result<void> Prober::reload(const Options& options) {
  if (auto allowed = check_reload(impl_->options, options); !allowed) return allowed;
  const bool is_watched_alike = impl_->watching.passive == options.passive &&
                                impl_->watching.allow_private == options.allow_private;
  if (!is_watched_alike) {
    if (auto watched = impl_->watch(options); !watched) return watched;
  }
  // The loop reads the site only, which does not change.
  impl_->doors.reloads->post(options);
  return {};
}

void Prober::measure(Metrics& metrics) const { measure_counters(impl_->counters, metrics); }

std::string Prober::status_json() const {
  const auto posted = impl_->poster ? impl_->poster->stats() : event::Poster::Stats{};
  return status_of(impl_->counters, posted, impl_->options.site, impl_->epoch);
}

}  // namespace isochrone::prober
