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
// Prints one JSON object: counts, and how far the estimate was from the level of its segment.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/text.h"
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

struct Tally {
  std::size_t labels = 0;
  std::size_t noticed = 0;
  std::size_t both = 0;
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
    match(labelled, found);
    judge(samples, labelled, believed);
  }

 private:
  void match(const std::vector<std::size_t>& labelled, const std::vector<std::size_t>& found) {
    labels += labelled.size();
    noticed += found.size();
    auto next = found.begin();
    for (const std::size_t label : labelled) {
      while (next != found.end() && *next < label) ++next;
      if (next == found.end() || *next > label + kWithin) continue;
      ++both;
      ++next;
    }
  }

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
  const auto share = [](std::size_t part, std::size_t all) {
    return all == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(all);
  };
  const nlohmann::ordered_json report{
      {"labels", tally.labels},
      {"noticed", tally.noticed},
      {"precision", share(tally.both, tally.noticed)},
      {"recall", share(tally.both, tally.labels)},
      {"error_mean_ms", sum / std::max<double>(1, static_cast<double>(tally.errors.size()))},
      {"error_p90_ms", at(0.9)},
      {"error_p99_ms", at(0.99)}};
  std::printf("%s\n", report.dump().c_str());
  return 0;
}
