// SPDX-License-Identifier: Apache-2.0
//
// Habit: what a path usually takes, and what it is expected to take when nobody measures it.
//
// Some paths that jumped return within hours, others stay. How much of a departure from the usual lasts is
// learnt from all paths: whenever one is measured again after a pause, it tells whether what it was
// last or what it usually is was the better forecast.
//
// Threads:  values of the thread that reduces, and known to it alone. A restart begins Usual anew.
// Units:    Micros; shares 0..1.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/time.h"
#include "routing/estimate.h"

namespace isochrone::routing {

// The mean of a path's level over time, of the last kMemory about. 6 octets beside its SiteId.
class Usual {
 public:
  // Paths have their days and nights: 18 hours, and what fits the count of seconds kept here.
  static constexpr Seconds kMemory{64'800};

  bool is_known() const noexcept { return parts() > 0; }
  Micros level() const noexcept { return Micros((parts() + kParts / 2) / kParts); }

  // The path was at `before` for `held`, and then at `after`: what was in between is not known, so
  // that half of the time counts for either.
  void hold(Micros before, Micros after, Nanos held);

 private:
  // A window moves a mean over hours by less than a microsecond, so 64ths are kept: up to a minute fits.
  static constexpr std::int64_t kParts = 64;
  std::int64_t parts() const noexcept { return std::int64_t{high_} << 16 | low_; }
  void set_parts(std::int64_t parts) noexcept {
    high_ = static_cast<std::uint16_t>(parts >> 16);
    low_ = static_cast<std::uint16_t>(parts & 0xffff);
  }

  std::uint16_t seconds_ = 0;  // it is the mean of
  std::uint16_t high_ = 0;     // in two halves, so that a path grows by nothing
  std::uint16_t low_ = 0;
};

class Persistence {
 public:
  // Pauses and ages are told apart by these: up to the first everything lasts.
  static constexpr std::array<Seconds, 4> kSpans{Seconds(300), Seconds(3'600), Seconds(14'400),
                                                 Seconds(57'600)};

  // A path that was at `last`, and usually at `usual`, was measured again after `pause`.
  void observe(Nanos pause, Micros last, Micros usual, Micros again);

  // How much of a departure from the usual is expected to be left after so long. Constant within a span.
  double share(Nanos age) const;
  // In which span an age is: decisions change by silence alone only where this does.
  static std::size_t span(Nanos age);

  std::string to_bytes() const;
  // What is not kBytes is left alone.
  void restore(std::string_view bytes);
  static constexpr std::size_t kBytes = kSpans.size() * 2 * sizeof(double);

 private:
  struct Sums {
    double both = 0;    // departure before times departure after
    double before = 0;  // squared
  };
  std::array<Sums, kSpans.size()> sums_{};  // by span, from the second on
};

// Where there are several, which one a prefix goes by.
using PersistenceOf = std::function<const Persistence&(const Prefix&)>;

// The estimate as it is expected to be at `now`, when it was last measured at estimate.at.
Estimate expect(const Estimate& estimate, const Usual& usual, Instant now,
                const Persistence& persistence);

}  // namespace isochrone::routing
