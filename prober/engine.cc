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
  // Its expirations need not be read: tick() arms it anew, which forgets them.
  timer_poll_ = std::make_unique<Poll>(loop_, timer_.get(), [this](unsigned) { tick(); });
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
  // An answer that came in time while this thread waited for a processor is not lost.
  if (is_polling_ || campaign_.is_overdue(loop_.now())) receive_all();
  campaign_.expire(loop_.now());
  const bool has_more = send_due();
  if (!is_polling_) wire_.collect_stamps(campaign_.in_flight());
  watch_or_poll();
  arm(has_more);
}

// Whether it stopped before all that is due had left.
bool Engine::send_due() {
  const Wire::Sending sending{
      loop_, campaign_.in_flight(),
      [this](std::uint64_t sequence, int error_number) { refused(sequence, error_number); }};
  std::size_t sent = 0;
  for (; sent < kMaxSends; ++sent) {
    const Probe* probe = campaign_.next(loop_.now(), loop_.wall());
    if (probe == nullptr) break;
    wire_.send(*probe, sending);
  }
  wire_.flush(sending);
  return sent == kMaxSends;
}

void Engine::receive_all() {
  // The stamp of a send is in its queue before the answer can be: take it first.
  wire_.collect_stamps(campaign_.in_flight());
  wire_.receive(campaign_.in_flight(), [this](const Arrival& arrival) {
    campaign_.arrived(arrival, loop_.now(), loop_.wall());
  });
}

void Engine::watch_or_poll() {
  const bool is_polling = campaign_.spacing() < kPolledSpacing;
  if (std::exchange(is_polling_, is_polling) == is_polling) return;
  for (const auto& poll : polls_) {
    if (is_polling) {
      poll->stop();
    } else {
      poll->watch(Poll::readable);
    }
  }
}

Nanos Engine::tick_length() const {
  if (!is_polling_) return kShortestTick;
  return std::clamp(campaign_.spacing() * kPerWake, kShortestTick, kLongestTick);
}

void Engine::refused(std::uint64_t sequence, int error_number) {
  const auto probe = campaign_.cancelled(sequence, is_unreachable(error_number));
  if (probe && !is_unreachable(error_number)) report_send_error(error_number, *probe);
}

void Engine::receive(int fd) {
  wire_.collect_stamps(campaign_.in_flight());
  wire_.receive(fd, campaign_.in_flight(), [this](const Arrival& arrival) {
    campaign_.arrived(arrival, loop_.now(), loop_.wall());
  });
  arm();
}

void Engine::arm(bool has_more) {
  const Monotonic now = loop_.now();
  Monotonic wake = campaign_.wake();
  if (is_polling_ && campaign_.in_flight().waiting() != 0) wake = std::min(wake, now);
  const Nanos tick = has_more ? Nanos(0) : tick_length();
  // Already to wake between the earliest and a tick after it: good enough, and no system call.
  const Monotonic earliest = std::max(wake, now);
  if (!has_more && armed_ > now && armed_ >= wake && armed_ <= earliest + tick) return;
  armed_ = std::clamp(wake, now + tick, now + Nanos(kLongestSleep));
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
