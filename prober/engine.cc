// SPDX-License-Identifier: Apache-2.0
#include "prober/engine.h"

#include <fmt/format.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace isochrone::prober {
namespace {

constexpr Seconds kLongestSleep{1};
constexpr Seconds kQuiet{10};
// So many probes a turn of the loop, then what came in: two batches of the sockets'.
constexpr std::size_t kMaxSends = 2 * RawSocket::kBatch;

// What the host says when no route leads to the target: true of the path, so it counts as a loss.
bool is_unreachable(int error_number) {
  return error_number == ENETUNREACH || error_number == EHOSTUNREACH;
}

// At start Wire::open() has seen to it that some are left; a reload may ask for none that is usable,
// and then probes fail and are counted.
Options with_usable_methods(Options options, const Wire& wire) {
  if (auto usable = wire.usable(options.methods); !usable.empty()) options.methods = usable;
  return options;
}

}  // namespace

Engine::Engine(Loop& loop, Wire wire, const Options& options, std::uint64_t seed,
               Counters& counters, Campaign::Report report)
    : loop_(loop),
      counters_(counters),
      wire_(std::move(wire)),
      campaign_(with_usable_methods(options, wire_), seed, counters, std::move(report)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (!timer_) std::abort();  // out of descriptors at start: nothing could be paced
  timer_poll_ = std::make_unique<Poll>(loop_, timer_.get(), [this](unsigned) {
    std::uint64_t expirations = 0;
    // A timer armed anew meanwhile has nothing to read; tick() finds out what is due either way.
    if (::read(timer_.get(), &expirations, sizeof expirations) < 0 && errno != EAGAIN) return;
    tick();
  });
  timer_poll_->watch(Poll::readable);
  for (const int fd : wire_.descriptors()) {
    polls_.push_back(std::make_unique<Poll>(loop_, fd, [this, fd, at = polls_.size()](unsigned on) {
      receive(fd);
      // Send stamps wait in the error queue, and an error ends the watch: go on watching.
      if ((on & Poll::writable) != 0) polls_[at]->watch(Poll::readable);
    }));
    polls_.back()->watch(Poll::readable);
  }
  arm();
}

void Engine::configure(const Options& options) {
  wire_.configure(options);
  campaign_.configure(with_usable_methods(options, wire_));
  arm();
}

void Engine::demand(const event::Target& target, Nanos age) {
  campaign_.demand(target, age, loop_.now());
  arm();
}

void Engine::tick() {
  Monotonic now = loop_.now();
  if (campaign_.is_overdue(now)) {
    // An answer that came in time while this thread waited for a processor is not lost.
    for (const int fd : wire_.descriptors()) receive(fd);
    campaign_.expire(now);
  }
  const auto refuse = [this](std::uint64_t sequence, int error_number) {
    refused(sequence, error_number);
  };
  for (std::size_t sent = 0; sent < kMaxSends; ++sent) {
    const Probe* probe = campaign_.next(now, loop_.wall());
    if (probe == nullptr) break;
    wire_.send(*probe, refuse);
    now = loop_.now();
  }
  wire_.flush(refuse);
  wire_.collect_stamps(campaign_.in_flight());
  arm();
}

void Engine::refused(std::uint64_t sequence, int error_number) {
  const auto probe = campaign_.cancelled(sequence, is_unreachable(error_number));
  if (probe && !is_unreachable(error_number)) report_send_error(error_number, *probe);
}

void Engine::receive(int fd) {
  // The stamp of a send is in its queue before the answer can be: take it first.
  wire_.collect_stamps(campaign_.in_flight());
  wire_.receive(fd, campaign_.in_flight(), [this](const Arrival& arrival) {
    campaign_.arrived(arrival, loop_.now(), loop_.wall());
  });
  arm();
}

void Engine::arm() {
  const Monotonic now = loop_.now();
  const Monotonic wake = campaign_.wake();
  // Already to wake between the earliest and a tick after it: good enough, and no system call.
  const Monotonic earliest = std::max(wake, now);
  if (armed_ > now && armed_ >= wake && armed_ <= earliest + kTick) return;
  armed_ = std::clamp(wake, now + kTick, now + Nanos(kLongestSleep));
  const std::int64_t nanos = armed_.time_since_epoch().count();
  itimerspec when{};
  when.it_value = {static_cast<time_t>(nanos / 1'000'000'000),
                   static_cast<long>(nanos % 1'000'000'000)};
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Engine::report_send_error(int error_number, const Probe& probe) {
  const Monotonic now = loop_.now();
  if (now < quiet_until_) return;
  quiet_until_ = now + kQuiet;
  log_warning(
      fmt::format("cannot send a probe to={} error=\"{}\"; further ones are counted in "
                  "send_errors",
                  probe.destination.to_string(), std::generic_category().message(error_number)));
}

}  // namespace isochrone::prober
