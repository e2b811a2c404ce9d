// SPDX-License-Identifier: Apache-2.0
#include "bench/load_report.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <bit>
#include <fstream>
#include <iterator>
#include <sstream>

namespace isochrone::bench {

void Histogram::add(Clock::duration took) noexcept {
  const auto nanos = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
  const unsigned width = static_cast<unsigned>(std::bit_width(nanos | (1U << kStepBits)));
  const unsigned shift = width - kStepBits - 1;
  ++counts_[(std::size_t{shift} << kStepBits) + (nanos >> shift)];
  ++total_;
}

double Histogram::quantile_us(double q) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(total_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen <= wanted) continue;
    const std::size_t shift = i >> kStepBits > 0 ? (i >> kStepBits) - 1 : 0;
    const std::size_t step = i - (shift << kStepBits);
    return static_cast<double>(((step + 1) << shift)) / 1'000;
  }
  return 0;
}

CpuTime cpu_time(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream stat(folder + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  const auto after_name = text.rfind(')');
  if (after_name == std::string::npos) return {};
  std::istringstream fields(text.substr(after_name + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  CpuTime time;
  fields >> time.user >> time.system;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  time.user /= ticks;
  time.system /= ticks;
  std::ifstream children(folder + "/task/" + std::to_string(pid) + "/children");
  for (int child = 0; children >> child;) {
    const CpuTime more = cpu_time(child);
    time.user += more.user;
    time.system += more.system;
  }
  return time;
}

void pin_to(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

std::string report(const Tally& tally, double seconds, const CpuTime* spent) {
  const auto answered = static_cast<double>(tally.answered);
  std::string rcodes;
  for (std::size_t rcode = 0; rcode < tally.rcodes.size(); ++rcode) {
    if (tally.rcodes[rcode] == 0) continue;
    rcodes += fmt::format("{}\"{}\": {}", rcodes.empty() ? "" : ", ", rcode, tally.rcodes[rcode]);
  }
  std::string text = fmt::format(
      R"({{"qps": {:.0f}, "sent": {}, "answered": {}, "lost": {}, "wrong": {}, "rcodes": {{{}}}, )"
      R"("p50_us": {:.1f}, "p99_us": {:.1f}, "p999_us": {:.1f})",
      answered / seconds, tally.sent, tally.answered, tally.lost, tally.wrong, rcodes,
      tally.latency.quantile_us(0.5), tally.latency.quantile_us(0.99),
      tally.latency.quantile_us(0.999));
  if (spent != nullptr) {
    text +=
        fmt::format(R"(, "server_cpu_us": {:.3f}, "server_user_us": {:.3f})",
                    (spent->user + spent->system) * 1e6 / answered, spent->user * 1e6 / answered);
  }
  return text + "}";
}

}  // namespace isochrone::bench
