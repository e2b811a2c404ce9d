// SPDX-License-Identifier: Apache-2.0
//
// A running mean over time, and a regression of departures on earlier ones.
#include "routing/habit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/bytes.h"

namespace isochrone::routing {
namespace {

// Below 5 ms ratios stop to matter to a user; as for places.
constexpr double kNearbyUs = 5'000;
// A departure counts as at most this factor, as a logarithm (e^2 is seven times): one path that broke
// says no more than some that jumped.
constexpr double kMostDeparture = 2;
// What is believed before anything was seen, by span, and how strongly: as if so much had been seen
// (two hundred departures by a tenth).
constexpr std::array<double, Persistence::kSpans.size()> kPrior{0.95, 0.8, 0.5, 0.3};
constexpr double kPriorWeight = 2;
// What was seen before fades: sums are halved when they reach this, some twenty thousand departures by a tenth.
constexpr double kMostSeen = 200;
constexpr std::int64_t kLongestUs = 60'000'000;

double departure(Micros from, Micros usual) {
  const auto log_of = [](Micros level) {
    return std::log(static_cast<double>(level.count()) + kNearbyUs);
  };
  return std::clamp(log_of(from) - log_of(usual), -kMostDeparture, kMostDeparture);
}

}  // namespace

void Usual::hold(Micros before, Micros after, Nanos held) {
  const auto parts_of = [](Micros level) {
    return std::clamp<std::int64_t>(level.count(), 1, kLongestUs) * kParts;
  };
  if (!is_known()) return set_parts(parts_of(after));
  const std::int64_t middle = (parts_of(before) + parts_of(after)) / 2;
  const std::int64_t fresh =
      std::clamp<std::int64_t>(std::chrono::ceil<Seconds>(held).count(), 0, kMemory.count());
  if (fresh == 0) return;
  const std::int64_t known = seconds_;
  const std::int64_t weight = known + fresh;
  // Rounded, not cut: windows are many, and what is cut from each would add up.
  const std::int64_t away = (middle - parts()) * fresh;
  set_parts(parts() + (away + (away > 0 ? weight : -weight) / 2) / weight);
  seconds_ = static_cast<std::uint16_t>(std::min<std::int64_t>(known + fresh, kMemory.count()));
}

std::size_t Persistence::span(Nanos age) {
  const auto* const end = std::upper_bound(kSpans.begin(), kSpans.end(), age);
  return static_cast<std::size_t>(end - kSpans.begin());
}

void Persistence::observe(Nanos pause, Micros last, Micros usual, Micros again) {
  const std::size_t at = span(pause);
  if (at == 0) return;
  const double before = departure(last, usual);
  Sums& sums = sums_[at - 1];
  sums.both += before * departure(again, usual);
  sums.before += before * before;
  if (sums.before < kMostSeen) return;
  sums.both /= 2;
  sums.before /= 2;
}

double Persistence::share(Nanos age) const {
  const std::size_t at = span(age);
  if (at == 0) return 1;
  const Sums& sums = sums_[at - 1];
  const double seen = sums.both + kPriorWeight * kPrior[at - 1];
  return std::clamp(seen / (sums.before + kPriorWeight), 0.0, 1.0);
}

std::string Persistence::to_bytes() const {
  std::string bytes(kBytes, '\0');
  ByteWriter out({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  for (const Sums& sums : sums_) {
    out.u64(std::bit_cast<std::uint64_t>(sums.both));
    out.u64(std::bit_cast<std::uint64_t>(sums.before));
  }
  return bytes;
}

void Persistence::restore(std::string_view bytes) {
  if (bytes.size() != kBytes) return;
  ByteReader in({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  for (Sums& sums : sums_) {
    sums.both = std::bit_cast<double>(in.u64());
    sums.before = std::bit_cast<double>(in.u64());
  }
}

Estimate expect(const Estimate& estimate, const Usual& usual, Instant now,
                const Persistence& persistence) {
  const double share = persistence.share(now - estimate.at);
  if (share >= 1 || estimate.samples == 0 || !usual.is_known()) return estimate;
  const auto last = static_cast<double>(estimate.p50.count());
  const auto common = static_cast<double>(usual.level().count());
  const double moved = (common + share * (last - common)) / std::max(last, 1.0);
  Estimate expected = estimate;
  for (Micros* time : {&expected.min, &expected.p50, &expected.p90}) {
    *time = Micros(std::llround(static_cast<double>(time->count()) * moved));
  }
  return expected;
}

}  // namespace isochrone::routing
