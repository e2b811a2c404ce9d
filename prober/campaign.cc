// SPDX-License-Identifier: Apache-2.0
#include "prober/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "prober/learning.h"

namespace isochrone::prober {
namespace {

// A wall clock that moved by more than this against the monotonic one was set; NTP slews by at most
// 500 ppm, 1 ms in 2 s.
constexpr Nanos kClockStep = Millis(5);

// Room for what the rate can have on its way, and as much again to tell late answers from unknown.
std::size_t ring_size(const Options& options) {
  const auto per_timeout =
      std::uint64_t{options.rate_pps} * static_cast<std::uint64_t>(options.timeout.count()) / 1000;
  return std::min<std::size_t>(4 * per_timeout + 1024, std::size_t{1} << 20);
}

}  // namespace

Campaign::Campaign(const Options& options, std::uint64_t seed, Counters& counters, Report report)
    : options_(options),
      opt_out_(options.opt_out, options.allow_private),
      counters_(counters),
      report_(std::move(report)),
      random_(seed),
      pacer_(options.rate_pps),
      networks_(options.rate_per_network_pps),
      in_flight_(ring_size(options)) {
  configure(options);
}

void Campaign::configure(const Options& options) {
  for (const std::uint32_t slot : targets_.live()) {
    follow_methods(targets_.at(slot), options_.methods, options.methods);
  }
  options_ = options;
  opt_out_ = OptOut(options.opt_out, options.allow_private);
  pacer_.set_rate(options.rate_pps);
  networks_.set_rate(options.rate_per_network_pps);
  in_flight_.grow(ring_size(options));
  targets_.apply(opt_out_);
  const std::size_t refused = targets_.configure(options.targets, opt_out_);
  counters_.refused_targets.add(refused);
  if (refused != 0) {
    log_warning(
        fmt::format("configured targets not probed: opted out or special-use count={}", refused));
  }
  stretch_said_ = false;
  count_targets();
}

void Campaign::demand(const event::Target& target, Nanos age, Monotonic now) {
  const auto& sites = target.sites;
  if (!sites.empty() && std::find(sites.begin(), sites.end(), options_.site) == sites.end()) return;
  const Nanos left = Nanos(target.lifetime) - std::max(age, Nanos(0));
  if (left <= Nanos(0)) return;
  const auto addition =
      targets_.demand(target.prefix, target.addresses, target.weight, now + left, opt_out_);
  if (addition.added == TargetSet::Added::refused) counters_.refused_targets.add();
  if (addition.added == TargetSet::Added::added && round_.number() != 0) {
    round_.join(addition.slot);
  }
  count_targets();
}

void Campaign::begin_round(Monotonic now) {
  targets_.expire(now);
  networks_.sweep(now);
  count_targets();
  auto slots = targets_.live();
  for (const std::uint32_t slot : slots) {
    Target& target = targets_.at(slot);
    counters_.skipped.add(std::exchange(target.owed, 0));
    target.sent = 0;
  }
  round_.begin({options_.round_interval, options_.probes_per_round, pacer_.gap()}, std::move(slots),
               random_, now);
  counters_.rounds.add();
}

Probe* Campaign::next(Monotonic now, Instant wall) {
  watch_clocks(now, wall);
  if (round_.number() == 0 || round_.is_over(now)) {
    if (round_.is_stretched()) {
      counters_.rounds_stretched.add();
      if (!std::exchange(stretch_said_, true)) {
        log_warning(
            fmt::format("round does not fit its interval and was stretched targets={} "
                        "rate-pps={} interval-ms={}",
                        counters_.configured + counters_.demanded, options_.rate_pps,
                        options_.round_interval.count()));
      }
    }
    begin_round(now);
  }
  take_up(now);
  while (pacer_.allows(now)) {
    if (in_flight_.is_full()) {
      counters_.stalled.add();
      return nullptr;
    }
    if (const auto soon = round_.upcoming(8)) targets_.prefetch(*soon);
    if (const auto next = round_.upcoming(4)) targets_.prefetch_addresses(*next);
    const auto slot = round_.next(now);
    if (!slot) return nullptr;
    if (Probe* probe = launch(*slot, now, wall)) return probe;
  }
  return nullptr;
}

Probe* Campaign::launch(std::uint32_t slot, Monotonic now, Instant wall) {
  if (!targets_.is_live(slot)) return nullptr;
  Target& target = targets_.at(slot);
  if (target.is_in_flight || target.is_put_off) {
    ++target.owed;
    return nullptr;
  }
  // Asked for until then and no longer.
  if (!target.is_configured && target.expires <= now) return nullptr;
  const bool may_try = target.sent == 0 && (round_.number() + slot) % kTrialRounds == 0;
  const Choice choice = choose(target, options_.methods, may_try);
  const Address& to = target.addresses[choice.address];
  if (!networks_.take(to, now)) {
    put_off(target, slot, to, now);
    return nullptr;
  }
  if (may_try) ++target.trials;
  target.is_in_flight = true;
  pacer_.sent(now);
  counters_.of(options_.methods[choice.method]).sent.add();
  Probe probe;
  probe.destination = to;
  probe.method = options_.methods[choice.method];
  probe.target = targets_.ref(slot);
  probe.round = round_.number();
  probe.index = target.sent++;
  probe.ttl = choice.ttl;
  probe.is_trial = choice.is_trial;
  probe.sent = wall;
  probe.sent_at = now;
  return &in_flight_.add(probe);
}

void Campaign::put_off(Target& target, std::uint32_t slot, const Address& to, Monotonic now) {
  const Monotonic until = networks_.wait(to);
  // In a round's time its next turn comes anyway.
  if (until > now + options_.round_interval) return counters_.skipped.add();
  target.is_put_off = true;
  put_off_.push({until, targets_.ref(slot)});
  counters_.put_off.add();
}

void Campaign::take_up(Monotonic now) {
  while (!put_off_.empty() && put_off_.top().until <= now) {
    const TargetRef ref = put_off_.top().target;
    put_off_.pop();
    Target* target = targets_.find(ref);
    if (target == nullptr) continue;
    target->is_put_off = false;
    round_.again(ref.slot);
  }
}

std::optional<Probe> Campaign::cancelled(std::uint64_t sequence, bool is_unreachable) {
  const auto probe = in_flight_.cancel(sequence);
  if (!probe) return std::nullopt;
  if (is_unreachable) {
    counters_.unreachable.add();
    lost(*probe);
    return probe;
  }
  counters_.send_errors.add();
  if (Target* target = targets_.find(probe->target)) landed(*target, probe->target.slot);
  return probe;
}

void Campaign::arrived(const Arrival& arrival, Monotonic now, Instant wall) {
  watch_clocks(now, wall);
  MethodCounters& counters = counters_.of(arrival.method);
  if (arrival.is_forged) return counters.forged.add();
  const auto match = in_flight_.answer(arrival.sequence, arrival.from, arrival.method);
  switch (match.outcome) {
    case Outcome::forged:
      return counters.forged.add();
    case Outcome::late:
      return counters.late.add();
    case Outcome::duplicate:
      return counters.duplicate.add();
    case Outcome::answered:
      break;
  }
  counters.answered.add();
  answered(*match.probe, rtt_of(*match.probe, arrival, now), arrival.is_final);
}

// Both clocks are read one right after the other, so being scheduled late, between sending and its
// stamp or before an answer is read, is not taken for a step.
void Campaign::watch_clocks(Monotonic now, Instant wall) {
  const Nanos offset = wall.time_since_epoch() - now.time_since_epoch();
  if (clock_offset_) {
    const Nanos moved = offset - *clock_offset_;
    if (moved < -kClockStep || moved > kClockStep) stepped_at_ = now;
  }
  clock_offset_ = offset;
}

Nanos Campaign::rtt_of(const Probe& probe, const Arrival& arrival, Monotonic now) {
  const Nanos elapsed = now - probe.sent_at;
  const Nanos rtt = arrival.received - probe.sent;
  if (probe.sent_at < stepped_at_ || rtt < Nanos(0) || rtt > elapsed + kClockStep) {
    counters_.clock_steps.add();
    return elapsed;
  }
  return rtt;
}

bool Campaign::is_overdue(Monotonic now) {
  const auto oldest = in_flight_.oldest();
  return oldest && *oldest <= now - options_.timeout;
}

void Campaign::expire(Monotonic now) {
  while (const Probe* probe = in_flight_.expire(now - options_.timeout)) lost(*probe);
}

void Campaign::answered(const Probe& probe, Nanos rtt, bool is_final) {
  Target* target = targets_.find(probe.target);
  if (target == nullptr) return;  // removed or opted out meanwhile: nobody asks any more
  if (note_answer(*target, options_.methods, probe, is_final)) {
    report_({target->prefix, probe.method, rtt, probe.sent, probe.round});
  }
  landed(*target, probe.target.slot);
}

void Campaign::lost(const Probe& probe) {
  counters_.of(probe.method).lost.add();
  Target* target = targets_.find(probe.target);
  if (target == nullptr) return;
  if (note_loss(*target, options_.methods, probe)) {
    report_({target->prefix, probe.method, std::nullopt, probe.sent, probe.round});
  } else {
    counters_.withheld.add();
  }
  landed(*target, probe.target.slot);
}

void Campaign::landed(Target& target, std::uint32_t slot) {
  target.is_in_flight = false;
  if (target.owed != 0) {
    --target.owed;
    round_.again(slot);
  } else if (takes_eager_turn(target)) {
    round_.again(slot);
  }
}

void Campaign::count_targets() {
  counters_.configured = targets_.configured();
  counters_.demanded = targets_.demanded();
}

Monotonic Campaign::wake() {
  counters_.in_flight = in_flight_.waiting();
  Monotonic wake = in_flight_.is_full() ? Monotonic::max() : std::max(round_.due(), pacer_.next());
  if (!put_off_.empty()) wake = std::min(wake, std::max(put_off_.top().until, pacer_.next()));
  if (const auto oldest = in_flight_.oldest()) wake = std::min(wake, *oldest + options_.timeout);
  return wake;
}

}  // namespace isochrone::prober
