// SPDX-License-Identifier: Apache-2.0
//
// Estimate: what is believed about one path (site -> client prefix), reduced from its windows.
//
// Units:  Micros for times, permille for loss; `at` is the end of the last window that counted.
// Size:   at most 64 bytes (asserted): memory grows with paths, not with samples.
// Exact:  integers only, so every machine reduces the same windows to the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace isochrone::routing {

// How a measurement was made; also the order in which methods are trusted when they disagree.
enum class Method : std::uint8_t { icmp, tcp, dns, hop, passive, beacon };
constexpr std::size_t kMethods = 6;

struct Estimate {
  Micros min{0};
  Micros p50{0};
  Micros p90{0};
  Micros jitter{0};  // mean absolute deviation from the median
  Instant at{};
  std::uint32_t samples = 0;  // answers in the windows that count; 0: never answered
  std::uint16_t loss_permille = 0;
  Method method = Method::icmp;  // of the last window with answers
  // While windows of a few answers that left the noise pull at p50: how many answers, and what p50 was
  // before and is again when they were stragglers.
  std::uint8_t aside_answers = 0;
  Micros aside{0};

  friend bool operator==(const Estimate&, const Estimate&) = default;
};
static_assert(sizeof(Estimate) <= 64);

// How much more one method says of a path than another; less, where negative.
struct Excess {
  Micros min{0};
  Micros p50{0};
  Micros p90{0};
  Micros jitter{0};
  std::int32_t loss_permille = 0;
  std::uint32_t times = 0;  // that both saw the path, as far as it matters; 0: not known

  friend bool operator==(const Excess&, const Excess&) = default;
};

// One closed window of one path: what the accumulators made of its samples.
struct WindowSummary {
  Instant end{};
  Micros min{0};
  Micros p50{0};
  Micros p90{0};
  Micros jitter{0};
  std::uint32_t answered = 0;
  std::uint32_t lost = 0;
  Method method = Method::icmp;
};

// The past weighs at most as much as so many answers: a minute at one a second. More would follow a
// slow drift too late, fewer would leave the median of a path with 1 ms of jitter 0.3 ms wrong.
constexpr std::uint32_t kMemoryAnswers = 64;
// Loss is rarer than answers, so telling 1 % from 5 % takes a longer memory.
constexpr std::uint32_t kMemoryProbes = 256;

// The estimate after one more window, in order of `end`. Pure: same inputs, same bytes. A median
// that left the noise replaces the past at once (a path that changed must not be averaged with what
// it was), and so does a loss that chance does not explain; otherwise windows are averaged by their
// answers, the past bounded by the memory above. Of answers that come one by one three that agree replace the
// past; until then they pull, and one that is back undoes it. A window without answers moves no time but `at`.
Estimate fold_window(const Estimate& before, const WindowSummary& window);

// How many probes the estimate's loss is known from, about.
std::int64_t probes_behind(const Estimate& estimate);

// How far the median of so many answers of this path strays by chance (one standard deviation).
// What few samples say of their jitter is mixed with what paths are like in general, so that one
// sample is not sure.
Micros standard_error(const Estimate& estimate, std::uint32_t answers);

}  // namespace isochrone::routing
