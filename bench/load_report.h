// SPDX-License-Identifier: Apache-2.0
//
// Tally: what a load generator counted, as one JSON object.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace isochrone::bench {

using Clock = std::chrono::steady_clock;

// Times in buckets 1/32 of their size wide: every answer is counted, whatever its number.
class Histogram {
 public:
  void add(Clock::duration took) noexcept;
  double quantile_us(double q) const noexcept;  // the upper end of the bucket

 private:
  static constexpr unsigned kStepBits = 5;
  std::array<std::uint64_t, 64 << kStepBits> counts_{};
  std::uint64_t total_ = 0;
};

struct Tally {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t lost = 0;
  std::uint64_t wrong = 0;  // another address than expected
  std::array<std::uint64_t, 16> rcodes{};
  Histogram latency;
};

// User and system seconds of a process and of all that descend from it.
struct CpuTime {
  double user = 0;
  double system = 0;
};
CpuTime cpu_time(int pid);

void pin_to(int cpu);

// `spent`: the server's between start and end of the run.
std::string report(const Tally& tally, double seconds, const CpuTime* spent);

}  // namespace isochrone::bench
