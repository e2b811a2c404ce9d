// SPDX-License-Identifier: Apache-2.0
//
// Folding windows into an estimate.
#include "routing/estimate.h"

#include <algorithm>

#include "base/ip.h"
#include "routing/integer_sqrt.h"

namespace isochrone::routing {
namespace {

using Count = std::int64_t;

// A change that matters; less is followed by averaging. Labelled moments of change in long traces are
// mostly of a few milliseconds in a hundred (bench/change_points.cc).
constexpr Micros kLeastJump{1'000};
constexpr int kLeastJumpShare = 100;  // one in so many
// Chance alone takes a median five standard errors away less than once in a million windows.
constexpr int kJumpErrors = 5;
// Fewer answers may be stragglers: until windows of them say the same and are as many, they pull only.
constexpr std::uint32_t kJumpAnswers = 3;
constexpr int kAsideErrors = 3;  // each of them, and all on one side
// One straggler among few answers makes the deviation of a window many times that of the path.
constexpr int kMostJitterGrowth = 4;
// Bounds of what is believed of a window, so that no sum here overflows. An answer later than a
// minute is a lost one, and a million answers are as sure as more.
constexpr Micros kLongestTime{60'000'000};
constexpr std::uint32_t kMostAnswers = 1'000'000;

// The average of two values that stand for so many samples each, rounded to the nearest.
Count average(Count old, Count old_weight, Count fresh, Count fresh_weight) {
  const Count weight = old_weight + fresh_weight;
  return (old * old_weight + fresh * fresh_weight + weight / 2) / weight;
}
Micros average(Micros old, Count old_weight, Micros fresh, Count fresh_weight) {
  return Micros(average(old.count(), old_weight, fresh.count(), fresh_weight));
}

WindowSummary within_bounds(WindowSummary window) {
  for (Micros* time : {&window.min, &window.p50, &window.p90, &window.jitter}) {
    *time = std::clamp(*time, Micros(0), kLongestTime);
  }
  window.answered = std::min(window.answered, kMostAnswers);
  window.lost = std::min(window.lost, kMostAnswers);
  return window;
}

bool left_the_noise(const Estimate& before, const WindowSummary& window) {
  // Of few answers as many must agree as are believed at once, so that each is doubted less.
  const bool is_few = window.answered < kJumpAnswers;
  const Micros error = standard_error(before, is_few ? kJumpAnswers : window.answered);
  const Micros jump = std::chrono::abs(window.p50 - before.p50);
  // A path that changed moves all its answers; a queue in its way moves some.
  const Micros matters = std::max(kLeastJump, before.p50 / kLeastJumpShare);
  const bool is_of_all = window.min > before.p50 + matters || window.p90 < before.p50 - matters;
  return is_of_all && jump > std::max(matters, error * (is_few ? kAsideErrors : kJumpErrors));
}

// Whether chance explains what a window lost of what it sent, given the known loss: three standard
// deviations of a binomial. More loss than known must also be two probes more than that, because
// loss comes in bursts; less must be two probes at all.
bool loss_left_the_noise(Count permille, Count sent, Count lost) {
  const Count surprise = lost * 1'000 - sent * permille;
  const Count deviation = 3 * integer_sqrt(sent * permille * (1'000 - permille));
  if (surprise > 0) return surprise > deviation + 2'000;
  return -surprise > std::max(deviation, Count{2'000});
}

struct Loss {
  Count permille;
  bool is_anew;  // it replaced what was known
};

Loss fold_loss(const Estimate& before, const WindowSummary& window) {
  const Count known = before.loss_permille;
  const Count lost = window.lost;
  const Count sent = lost + window.answered;
  if (sent == 0) return {known, false};
  if (before.samples == 0 || loss_left_the_noise(known, sent, lost)) {
    return {(lost * 1'000 + sent / 2) / sent, true};
  }
  const Count memory = std::min<Count>(probes_behind(before), kMemoryProbes);
  const Count weight = memory + sent;
  // A thousandth is coarse beside what one window moves. Rounding up as often as the remainder is
  // large, by the window's end as a die, loses nothing on average and is the same everywhere.
  const auto die = hash_bits(static_cast<std::uint64_t>(unix_nanos(window.end)), 0);
  const auto carry = static_cast<Count>(die % static_cast<std::uint64_t>(weight));
  return {(known * memory + lost * 1'000 + carry) / weight, false};
}

// As it was before few answers pulled it.
Estimate settled(const Estimate& pulled) {
  Estimate known = pulled;
  if (pulled.aside_answers == 0) return known;
  known.p50 = pulled.aside;
  known.p90 = pulled.p90 - (pulled.p50 - pulled.aside);
  known.aside = Micros{0};
  known.aside_answers = 0;
  return known;
}

// Few answers that left the noise weigh as much as one each against all that is known: the median is
// what it was and they, averaged. As many as replace the past do so; one that is back undoes it.
Estimate pull(const Estimate& before, const Estimate& known, const WindowSummary& window) {
  const bool agrees =
      before.aside_answers > 0 && (before.p50 > before.aside) == (window.p50 > known.p50);
  const Count held = agrees ? before.aside_answers : 0;
  const Count answers = held + window.answered;
  const Micros of_held = agrees ? before.p50 * (held + 1) - known.p50 : Micros{0};
  const Micros sum = of_held + window.p50 * Count{window.answered};
  Estimate after = known;
  if (answers < kJumpAnswers) {
    after.p50 = (known.p50 + sum) / (answers + 1);
    after.p90 = known.p90 + (after.p50 - known.p50);
    after.min = std::min(known.min, window.min);
    after.aside = known.p50;
    after.aside_answers = static_cast<std::uint8_t>(answers);
    return after;
  }
  after.p50 = sum / answers;
  after.p90 = std::max(known.p90 + (after.p50 - known.p50), after.p50);
  after.min = std::min(window.min, after.p50);
  after.samples = static_cast<std::uint32_t>(answers);
  return after;
}

// Replaces the times of an estimate by a window's, or averages them. Both have answers, or `before`
// none.
Estimate fold_times(const Estimate& pulled, const WindowSummary& window) {
  Estimate before = settled(pulled);
  before.method = window.method;
  Estimate after = before;
  const bool is_first = before.samples == 0;
  const bool has_jumped = !is_first && left_the_noise(before, window);
  if (has_jumped && window.answered < kJumpAnswers) return pull(pulled, before, window);
  if (is_first || has_jumped) {
    after.min = window.min;
    after.p50 = window.p50;
    after.p90 = window.p90;
    after.jitter = window.jitter;
    after.samples = window.answered;
    return after;
  }
  const Count fresh = window.answered;
  const Count past = std::min(before.samples, kMemoryAnswers);
  after.min = std::min(window.min, average(before.min, past, window.min, fresh));
  after.p50 = average(before.p50, past, window.p50, fresh);
  after.p90 = average(before.p90, past, window.p90, fresh);
  // A lone answer has no spread of its own; how far it is from the others' median tells as much.
  const Micros spread =
      window.answered > 1 ? window.jitter : std::chrono::abs(window.p50 - before.p50);
  const Micros most = std::max(before.jitter * kMostJitterGrowth, kLeastJump);
  after.jitter = average(before.jitter, past, std::min(spread, most), fresh);
  after.samples = std::min(before.samples, kMemoryProbes) + window.answered;
  return after;
}

}  // namespace

Micros standard_error(const Estimate& estimate, std::uint32_t answers) {
  // As if two more samples had shown the jitter of an unremarkable path, 5 % of its median.
  constexpr Count kPriorSamples = 2;
  constexpr Count kPriorShare = 20;
  const Count known = std::min(estimate.samples, kMostAnswers);
  const Count prior = estimate.p50.count() / kPriorShare;
  const Count deviation =
      (estimate.jitter.count() * known + prior * kPriorSamples) / (known + kPriorSamples);
  // A Gaussian's median strays 1.253 sigma / sqrt(n); five answers deviate 0.66 sigma from their own
  // median: 1.9. The root is taken of n * 10^6, in thousandths.
  const Count n = std::clamp<Count>(answers, 1, kMostAnswers);
  return Micros(deviation * 1'900 / integer_sqrt(n * 1'000'000));
}

std::int64_t probes_behind(const Estimate& estimate) {
  const Count answered_permille = 1'000 - estimate.loss_permille;
  return estimate.samples * Count{1'000} / std::max(answered_permille, Count{1});
}

Estimate fold_window(const Estimate& before, const WindowSummary& reported) {
  const WindowSummary window = within_bounds(reported);
  const Loss loss = fold_loss(before, window);
  Estimate after = before;
  after.at = std::max(before.at, window.end);
  after.loss_permille = static_cast<std::uint16_t>(loss.permille);
  // What the path was before it broke or healed tells little of it now.
  if (loss.is_anew) after.samples = std::min(before.samples, std::max(window.answered, 1U));
  return window.answered == 0 ? after : fold_times(after, window);
}

}  // namespace isochrone::routing
