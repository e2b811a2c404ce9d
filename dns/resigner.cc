// SPDX-License-Identifier: Apache-2.0
#include "dns/resigner.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/clock_step.h"
#include "base/log.h"

namespace isochrone::dns {
namespace {

constexpr Millis kShortestPass{1'000};
constexpr int kPassShare = 1'000;
constexpr Millis kRetry{60'000};
constexpr Millis kKeyPoll{3'600'000};
constexpr Millis kClockPoll{1'000};

}  // namespace

// Everything here runs in the resigner's thread.
class Resigner::Signer {
 public:
  Signer(Resigner& owner, Inputs inputs, std::function<void(Signed)> take)
      : owner_(owner),
        take_(std::move(take)),
        timer_(owner.thread_.loop(), [this] { sign(); }),
        clock_timer_(owner.thread_.loop(), [this] { look_at_clock(); }) {
    replace(std::move(inputs));
    look_at_clock();
    clock_timer_.start(kClockPoll, kClockPoll);
  }

  void replace(Inputs inputs) {
    inputs_ = std::move(inputs);
    said_.clear();
    owner_.current_.with([this](Signed& current) { current = inputs_.signatures; });
    wait(false);
  }

 private:
  // Timers do not follow a clock that is set, and validators do.
  void look_at_clock() {
    const Loop& loop = owner_.thread_.loop();
    const auto step = clock_.observe(loop.wall(), loop.now());
    if (!step) return;
    owner_.status_.with([](Status& status) { ++status.clock_steps; });
    const bool is_ahead = *step > Nanos(0);
    const auto by = std::chrono::round<Seconds>(is_ahead ? *step : -*step);
    log_warning(fmt::format("the clock was set {} by={} signing=\"{}\"",
                            is_ahead ? "forward" : "back", format_duration(by),
                            has_work() ? "again where needed" : "none"));
    if (has_work()) sign();
  }

  bool has_work() const { return !inputs_.policies.empty() && inputs_.signatures; }

  void sign() {
    const Instant now = owner_.thread_.loop().wall();
    auto made = SignedZones::sign(inputs_.zones, inputs_.policies, now, inputs_.signatures.get());
    inputs_.signatures = made.zones;
    owner_.current_.with([this](Signed& current) { current = inputs_.signatures; });
    const bool has_failed = !made.errors.empty();
    owner_.status_.with([has_failed](Status& status) {
      ++status.passes;
      if (has_failed) ++status.failures;
    });
    tell(made.errors);
    take_(inputs_.signatures);
    wait(has_failed);
  }

  void tell(const std::vector<Error>& errors) {
    std::string all;
    for (const Error& error : errors) all += error.text() + "\n";
    if (all == std::exchange(said_, all)) return;
    for (const Error& error : errors) {
      log_error(fmt::format("keys cannot be used, signing goes on with those known reason=\"{}\"",
                            error.text()));
    }
  }

  // The span in which what falls due is signed together.
  Millis pass_interval() const {
    Seconds shortest{kKeyPoll.count() * kPassShare};
    for (const ZonePolicy& signing : inputs_.policies) {
      shortest = std::min(shortest, signing.policy.lifetime - signing.policy.refresh);
    }
    return std::max<Millis>(kShortestPass,
                            std::chrono::duration_cast<Millis>(shortest) / kPassShare);
  }

  void wait(bool has_failed) {
    timer_.stop();
    if (!has_work()) return;
    Millis due = has_failed ? kRetry : kKeyPoll;
    if (const auto next = inputs_.signatures->next_change()) {
      const Nanos left = *next - owner_.thread_.loop().wall();
      due = std::min(due, std::chrono::ceil<Millis>(std::max(left, Nanos(0))));
    }
    timer_.start(std::max(due, pass_interval()));
  }

  Resigner& owner_;
  std::function<void(Signed)> take_;
  Inputs inputs_;
  std::string said_;  // the errors of the last pass
  Timer timer_;
  ClockStep clock_;
  Timer clock_timer_;
};

Resigner::Resigner(Inputs inputs, std::function<void(Signed)> take) : thread_("dns-signer") {
  thread_.call(
      [&] { signer_ = std::make_unique<Signer>(*this, std::move(inputs), std::move(take)); });
}

Resigner::~Resigner() {
  thread_.call([&] { signer_.reset(); });
}

void Resigner::replace(Inputs inputs) {
  thread_.call([&] { signer_->replace(std::move(inputs)); });
}

}  // namespace isochrone::dns
