// SPDX-License-Identifier: Apache-2.0
//
// ErrorHistogram: how far delays were from what was asked, for the lab to state its own error.
//
// Units:   kBucketWidth wide buckets up to kBuckets of them; what lies beyond counts in the last
// one,
//          so a quantile never flatters. Negative errors count as zero and are counted apart.
// Threads: one.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"

namespace isochrone::lab {

class ErrorHistogram {
 public:
  static constexpr Micros kBucketWidth{10};
  static constexpr std::size_t kBuckets = 10'000;  // up to 100 ms

  void add(Nanos error) noexcept {
    const auto index = std::max<std::int64_t>(0, error / Nanos(kBucketWidth));
    ++counts_[std::min(static_cast<std::size_t>(index), kBuckets - 1)];
    ++count_;
    if (error < Nanos(0)) ++early_;
    max_ = std::max(max_, error);
  }

  std::uint64_t count() const noexcept { return count_; }
  std::uint64_t early() const noexcept { return early_; }
  Micros max() const noexcept { return std::chrono::duration_cast<Micros>(max_); }
  // The upper edge of the bucket that holds the quantile `q` in 0..1; zero when nothing was added.
  Micros quantile(double q) const noexcept {
    const double wanted = q * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && static_cast<double>(seen) >= wanted) {
        return kBucketWidth * static_cast<std::int64_t>(i + 1);
      }
    }
    return Micros(0);
  }

 private:
  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t early_ = 0;
  Nanos max_{0};
};

}  // namespace isochrone::lab
