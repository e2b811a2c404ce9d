// SPDX-License-Identifier: Apache-2.0
//
// Whether an estimate notices that its path changed: against traces with labelled moments of change.
//
// usage: bench_change_points FILE...
//
// A FILE has lines `time;rtt;cp`, gzip or plain: one sample, in milliseconds (decimal point or comma);
// cp 1: a change begins here. An RTT that is not above 0 or is 1000 and more was lost. Every sample is
// a window of its own. A change is noticed when the estimate gives up its past; it is the labelled one
// when it came no later than kWithin samples after the label, each label and each notice at most once.
//
// As the yardstick, what is reached by PELT (Killick, Fearnhead and Eckley 2012) with a Poisson cost of what is
// above the trace's minimum, the best of Shao et al. 2017, who labelled the traces: it sees the trace whole, may be
// three samples early as well, and its penalty is the best of several for these very traces.
//
// Quantiles: samples in windows of so many, and after each p50 and p90 beside the exact ones of the last
// kMemoryAnswers answers, where no label is among them.
//
// Prints one JSON object: counts, and how far the estimate was from the level of its segment.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "collector/window.h"
#include "lab/text_file.h"
#include "routing/estimate.h"

namespace isochrone::routing {
namespace {

constexpr std::size_t kWithin = 3;  // samples after the one that changed
constexpr Seconds kInterval{240};   // between samples, about

struct Sample {
  double rtt;
  bool is_change;
  bool is_lost() const { return rtt <= 0 || rtt >= 1'000; }
};

std::vector<Sample> parse(std::string text) {
  std::replace(text.begin(), text.end(), ',', '.');
  std::vector<Sample> samples;
  for (const std::string_view line : split(text, '\n')) {
    double rtt = 0;
    int change = 0;
    if (std::sscanf(std::string(line).c_str(), "%*[0-9/: -];%lf;%d", &rtt, &change) == 2) {
      samples.push_back({rtt, change != 0});
    }
  }
  return samples;
}

// Answers up to here; a lost sample is what came before it.
std::vector<double> answers(const std::vector<Sample>& samples) {
  std::vector<double> rtts;
  for (const Sample& sample : samples) {
    rtts.push_back(!sample.is_lost() ? sample.rtt : rtts.empty() ? 0 : rtts.back());
  }
  return rtts;
}

// Where the segments of least cost begin, the first one aside.
std::vector<std::size_t> pelt(const std::vector<double>& rtts, double penalty) {
  constexpr std::size_t kShortest = 3;
  const double least = *std::min_element(rtts.begin(), rtts.end());
  std::vector<double> sums{0};
  for (const double rtt : rtts) sums.push_back(sums.back() + std::floor(rtt - least));
  const auto cost = [&](std::size_t from, std::size_t to) {
    const double sum = sums[to] - sums[from];
    return sum <= 0 ? 0 : -2 * sum * std::log(sum / static_cast<double>(to - from));
  };
  std::vector<double> best(rtts.size() + 1, std::numeric_limits<double>::infinity());
  std::vector<std::size_t> begun(rtts.size() + 1, 0);
  std::vector<std::size_t> candidates{0};
  best[0] = -penalty;
  for (std::size_t end = kShortest; end <= rtts.size(); ++end) {
    for (const std::size_t from : candidates) {
      const double all = best[from] + cost(from, end) + penalty;
      if (all < best[end]) best[end] = all, begun[end] = from;
    }
    std::erase_if(candidates,
                  [&](std::size_t from) { return best[from] + cost(from, end) > best[end]; });
    if (end + 1 >= 2 * kShortest) candidates.push_back(end + 1 - kShortest);
  }
  std::vector<std::size_t> found;
  for (std::size_t at = begun[rtts.size()]; at > 0; at = begun[at]) found.push_back(at);
  return {found.rbegin(), found.rend()};
}

struct Score {
  std::size_t labels = 0;
  std::size_t found = 0;
  std::size_t both = 0;
  double precision() const { return share(both, found); }
  double recall() const { return share(both, labels); }
  double f1() const { return share(2 * both, labels + found); }

  // Each label and each notice counts once; `early`: so many samples too soon are near enough.
  void add(const std::vector<std::size_t>& labelled, const std::vector<std::size_t>& noticed,
           std::size_t early) {
    labels += labelled.size();
    found += noticed.size();
    auto next = noticed.begin();
    for (const std::size_t label : labelled) {
      while (next != noticed.end() && *next + early < label) ++next;
      if (next == noticed.end() || *next > label + kWithin) continue;
      ++both;
      ++next;
    }
  }

 private:
  static double share(std::size_t part, std::size_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  }
};

class Yardstick {
 public:
  void add(const std::vector<Sample>& samples, const std::vector<std::size_t>& labelled) {
    const std::vector<double> rtts = answers(samples);
    const double unit = std::log(static_cast<double>(rtts.size()));
    for (auto& [penalty, score] : scores_) {
      score.add(labelled, pelt(rtts, penalty * unit), kWithin);
    }
  }
  std::pair<double, Score> best() const {
    return *std::max_element(scores_.begin(), scores_.end(), [](const auto& a, const auto& b) {
      return a.second.f1() < b.second.f1();
    });
  }

 private:
  std::vector<std::pair<double, Score>> scores_{{2, {}}, {3, {}}, {4, {}}, {5, {}},
                                                {6, {}}, {8, {}}, {12, {}}};
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size()))) -
                1];
}

// How far p50 and p90 of windows of `size` samples are from the exact ones, as shares of these.
struct Quantiles {
  std::size_t size;
  std::vector<double> p50{};
  std::vector<double> p90{};

  void add(const std::vector<Sample>& samples) {
    Estimate estimate;
    std::vector<double> since;  // the last label
    std::vector<collector::Sample> window;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (samples[i].is_change) since.clear();
      const Instant at = Instant{} + kInterval * static_cast<std::int64_t>(i);
      const auto rtt = samples[i].is_lost()
                           ? std::nullopt
                           : std::optional(Micros(std::llround(samples[i].rtt * 1'000)));
      window.push_back({at, rtt, Method::icmp, 0});
      if (rtt) since.push_back(samples[i].rtt);
      if (window.size() < size) continue;
      estimate = fold_window(estimate, collector::summarize(std::exchange(window, {}), at));
      if (since.size() < kMemoryAnswers) continue;
      const std::vector<double> last(since.end() - kMemoryAnswers, since.end());
      const auto off = [&](Micros said, double share) {
        const double exact = quantile(last, share);
        return std::abs(static_cast<double>(said.count()) / 1'000 - exact) / exact;
      };
      p50.push_back(off(estimate.p50, 0.5));
      p90.push_back(off(estimate.p90, 0.9));
    }
  }
  nlohmann::ordered_json report() const {
    const auto within = [](const std::vector<double>& off) {
      const auto near =
          std::count_if(off.begin(), off.end(), [](double each) { return each <= 0.02; });
      return static_cast<double>(near) / std::max<double>(1, static_cast<double>(off.size()));
    };
    return {{"window", size},
            {"p50_off_median", quantile(p50, 0.5)},
            {"p50_off_p95", quantile(p50, 0.95)},
            {"p50_within_2_percent", within(p50)},
            {"p90_off_median", quantile(p90, 0.5)},
            {"p90_off_p95", quantile(p90, 0.95)},
            {"p90_within_2_percent", within(p90)}};
  }
};

struct Tally {
  Score noticed;
  Yardstick yardstick;
  Quantiles quantiles[3] = {{1}, {8}, {32}};
  std::vector<double> errors;  // of p50 against the median of the segment, milliseconds

  void add(const std::vector<Sample>& samples) {
    std::vector<std::size_t> labelled;
    std::vector<std::size_t> found;
    Estimate estimate;
    std::vector<double> believed;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const Sample& sample = samples[i];
      if (sample.is_change) labelled.push_back(i);
      WindowSummary window;
      window.end = Instant{} + kInterval * static_cast<std::int64_t>(i);
      if (sample.is_lost()) {
        window.lost = 1;
      } else {
        window.min = window.p50 = window.p90 = Micros(std::llround(sample.rtt * 1'000));
        window.answered = 1;
      }
      const Estimate after = fold_window(estimate, window);
      if (estimate.samples > 0 && after.samples < estimate.samples && window.answered > 0)
        found.push_back(i);
      estimate = after;
      believed.push_back(static_cast<double>(estimate.p50.count()) / 1'000);
    }
    noticed.add(labelled, found, 0);
    yardstick.add(samples, labelled);
    for (Quantiles& each : quantiles) each.add(samples);
    judge(samples, labelled, believed);
  }

 private:
  void judge(const std::vector<Sample>& samples, std::vector<std::size_t> ends,
             const std::vector<double>& believed) {
    ends.push_back(samples.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      std::vector<double> level;
      for (std::size_t i = begin; i < end; ++i) {
        if (!samples[i].is_lost()) level.push_back(samples[i].rtt);
      }
      if (!level.empty()) {
        const auto middle = level.begin() + static_cast<std::ptrdiff_t>(level.size() / 2);
        std::nth_element(level.begin(), middle, level.end());
        for (std::size_t i = begin; i < end; ++i) errors.push_back(std::abs(believed[i] - *middle));
      }
      begin = end;
    }
  }
};

}  // namespace
}  // namespace isochrone::routing

int main(int argc, char** argv) {
  using namespace isochrone;
  routing::Tally tally;
  for (int i = 1; i < argc; ++i) {
    const auto text = lab::read_text(argv[i]);
    if (!text) {
      std::fprintf(stderr, "bench_change_points: %s\n", text.error().text().c_str());
      return 1;
    }
    tally.add(routing::parse(*text));
  }
  std::sort(tally.errors.begin(), tally.errors.end());
  const auto at = [&](double share) {
    return tally.errors.empty() ? 0.0
                                : tally.errors[static_cast<std::size_t>(
                                      share * static_cast<double>(tally.errors.size() - 1))];
  };
  double sum = 0;
  for (const double error : tally.errors) sum += error;
  const auto [penalty, best] = tally.yardstick.best();
  nlohmann::ordered_json report{
      {"labels", tally.noticed.labels},
      {"noticed", tally.noticed.found},
      {"precision", tally.noticed.precision()},
      {"recall", tally.noticed.recall()},
      {"f1", tally.noticed.f1()},
      {"pelt_penalty", penalty},
      {"pelt_precision", best.precision()},
      {"pelt_recall", best.recall()},
      {"pelt_f1", best.f1()},
      {"error_mean_ms", sum / std::max<double>(1, static_cast<double>(tally.errors.size()))},
      {"error_p90_ms", at(0.9)},
      {"error_p99_ms", at(0.99)}};
  for (const auto& each : tally.quantiles) report["quantiles"].push_back(each.report());
  std::printf("%s\n", report.dump().c_str());
  return 0;
}
