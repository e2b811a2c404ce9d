// SPDX-License-Identifier: Apache-2.0
//
// Folding windows into an estimate.
#include "routing/estimate.h"

#include <algorithm>

#include "routing/integer_sqrt.h"

namespace isochrone::routing {
namespace {

using Count = std::int64_t;

// A change that matters: less than a millisecond or a twentieth is what the accuracy of routing is
// judged by (ANCHORS: within 1 ms or 5 % of the best), and is followed by averaging.
constexpr Micros kLeastJump{1'000};
constexpr int kLeastJumpShare = 20;  // one in so many
// Chance alone takes a median four standard errors away once in 16 000 windows.
constexpr int kJumpErrors = 4;
// A median of fewer answers may be a single straggler; it pulls, but does not replace.
constexpr std::uint32_t kJumpAnswers = 3;

// The average of two values that stand for so many samples each, rounded to the nearest.
Count average(Count old, Count old_weight, Count fresh, Count fresh_weight) {
  const Count weight = old_weight + fresh_weight;
  return (old * old_weight + fresh * fresh_weight + weight / 2) / weight;
}
Micros average(Micros old, Count old_weight, Micros fresh, Count fresh_weight) {
  return Micros(average(old.count(), old_weight, fresh.count(), fresh_weight));
}

bool left_the_noise(const Estimate& before, const WindowSummary& window) {
  // The calmer of both: one straggler must not hide the change that comes after it.
  const Micros jitter =
      window.answered < kJumpAnswers ? before.jitter : std::min(before.jitter, window.jitter);
  const Micros error = standard_error(before.p50, jitter, window.answered);
  const Micros jump = std::chrono::abs(window.p50 - before.p50);
  return jump > std::max({kLeastJump, before.p50 / kLeastJumpShare, error * kJumpErrors});
}

// Whether a window loses more, or less, than three standard deviations of a binomial around the
// known loss explain, and by at least three probes: at 0 and 1000 permille the deviation is nothing.
bool loss_left_the_noise(Count permille, Count sent, Count lost) {
  const Count surprise = std::abs(lost * 1'000 - sent * permille);
  return surprise > 3 * integer_sqrt(sent * permille * (1'000 - permille)) + 2'000;
}

std::uint16_t fold_loss(const Estimate& before, const WindowSummary& window) {
  const Count lost = window.lost;
  const Count sent = lost + window.answered;
  const Count known = before.loss_permille;
  if (sent == 0) return before.loss_permille;
  const Count fresh = (lost * 1'000 + sent / 2) / sent;
  const Count memory = std::min(before.samples, kMemoryProbes);
  const bool anew = memory == 0 || loss_left_the_noise(known, sent, lost);
  return static_cast<std::uint16_t>(anew ? fresh : average(known, memory, fresh, sent));
}

}  // namespace

Micros standard_error(Micros median, Micros jitter, std::uint32_t samples) {
  if (samples == 0) return median;
  // As if two more samples had shown the jitter of an unremarkable path, 5 % of its median.
  constexpr Count kPriorSamples = 2;
  constexpr Count kPriorShare = 20;
  const Count n = samples;
  const Count deviation =
      (jitter.count() * n + median.count() / kPriorShare * kPriorSamples) / (n + kPriorSamples);
  // A Gaussian's median has 1.253 sigma / sqrt(n), and its mean deviation is 0.798 sigma: 1.57. The
  // root is taken of n * 10^6, in thousandths.
  return Micros(deviation * 1'570 / integer_sqrt(n * 1'000'000));
}

Estimate fold_window(const Estimate& before, const WindowSummary& window) {
  Estimate after = before;
  after.at = std::max(before.at, window.end);
  after.loss_permille = fold_loss(before, window);
  if (window.answered == 0) return after;

  after.method = window.method;
  const bool first = before.samples == 0;
  const bool jumped = !first && left_the_noise(before, window);
  if (first || (jumped && window.answered >= kJumpAnswers)) {
    after.min = window.min;
    after.p50 = window.p50;
    after.p90 = window.p90;
    // Fewer answers than these tell nothing of their own spread.
    const bool tells_jitter = first || window.answered >= kJumpAnswers;
    after.jitter = tells_jitter ? window.jitter : before.jitter;
    after.samples = window.answered;
    return after;
  }
  const Count fresh = window.answered;
  const Count past = std::min<Count>(before.samples, jumped ? fresh : Count{kMemoryAnswers});
  after.min = std::min(window.min, average(before.min, past, window.min, fresh));
  after.p50 = average(before.p50, past, window.p50, fresh);
  after.p90 = average(before.p90, past, window.p90, fresh);
  if (window.answered > 1) after.jitter = average(before.jitter, past, window.jitter, fresh);
  after.samples = std::min(before.samples, kMemoryProbes) + window.answered;
  return after;
}

}  // namespace isochrone::routing
