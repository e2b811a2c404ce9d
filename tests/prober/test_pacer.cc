// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "prober/pacer.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

// The sends of a loop that always has work and wakes up between 0 and `jitter` late.
std::vector<Monotonic> sends(std::uint32_t rate_pps, Nanos length, Nanos jitter) {
  Random random(11);
  Pacer pacer(rate_pps);
  std::vector<Monotonic> times;
  Monotonic now = at(Nanos(0));
  while (now < at(length)) {
    while (pacer.allows(now)) {
      times.push_back(now);
      pacer.sent(now);
    }
    const auto late = random.below(static_cast<std::uint64_t>(jitter.count()) + 1);
    now = pacer.next() + Nanos(static_cast<std::int64_t>(late));
  }
  return times;
}

std::size_t most_in_window(const std::vector<Monotonic>& times, Nanos window) {
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= window) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

TEST(Pacer, NeverExceedsTheRateInAnySecond) {
  for (const std::uint32_t rate : {1U, 7U, 100U, 999U, 1'000U, 10'000U, 100'000U}) {
    for (const Nanos jitter : {Nanos(0), Nanos(Micros(400)), Nanos(Millis(20))}) {
      const auto times = sends(rate, Seconds(5), jitter);
      EXPECT_LE(most_in_window(times, Seconds(1)), rate) << "jitter " << jitter.count();
    }
  }
}

TEST(Pacer, ReachesTheRateWithinOnePercentDespiteLateWakeUps) {
  for (const std::uint32_t rate : {100U, 1'000U, 10'000U}) {
    const auto times = sends(rate, Seconds(10), Micros(10));
    EXPECT_GE(times.size(), rate * 10 * 99 / 100) << rate;
  }
}

TEST(Pacer, DoesNotSaveUpForABurst) {
  Pacer pacer(10'000);
  pacer.sent(at(Nanos(0)));
  const Monotonic later = at(Seconds(60));
  std::size_t burst = 0;
  for (; pacer.allows(later); ++burst) pacer.sent(later);
  EXPECT_LE(burst, 41U);  // four milliseconds' worth and one
}

}  // namespace
}  // namespace isochrone::prober
