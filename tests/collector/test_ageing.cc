// SPDX-License-Identifier: Apache-2.0
//
// What silence decides: the same whether a core looks every few seconds, partition by partition, or once at the
// end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "collector/core.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Event;

// Days of measurements with long pauses: paths that usually take some time and now and then another.
std::vector<Event> some_days(Random& random) {
  std::vector<Event> events;
  const int networks = 6;
  std::map<std::string, std::uint64_t> sequences;
  for (int i = 0; i < networks; ++i) {
    const std::string prefix = "198." + std::to_string(18 + i) + ".0.0/24";
    for (const char* site : {"fra", "iad"}) {
      const auto usual = static_cast<std::int64_t>(20'000 + random.below(20'000));
      Instant at = kStart + Millis(random.below(600'000));
      while (at < kStart + Seconds(3 * 86'400)) {
        const bool is_away = random.below(3) == 0;
        const Micros rtt(is_away ? usual * 8 / 5 : usual);
        // One answer of a burst would be a straggler.
        for (int answer = 0; answer < 8; ++answer) {
          events.push_back(measured(++sequences[site], site, prefix.c_str(),
                                    at + Millis(answer * 50), rtt + Micros(random.below(300))));
        }
        const std::uint64_t pauses[] = {60, 400, 4'000, 20'000, 70'000};
        at += Seconds(pauses[random.below(5)] + random.below(300));
      }
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  return events;
}

Options patient_options() {
  Options options = test_options();
  options.path_lifetime = Seconds(30 * 3'600);
  return options;
}

const Instant kEnd = kStart + Seconds(3 * 86'400 + 120);

// Prefix, version, paths and preferences of all, in order.
std::string dump(const Core& core) {
  std::map<std::string, std::string> lines;
  for (const auto& [prefix, known] : core.state().prefixes()) {
    std::string line = std::to_string(known.version);
    for (const auto& path : known.paths) {
      line += " " + std::to_string(path.site.index()) + ":" +
              std::to_string(path.estimate.p50.count()) + "@" +
              std::to_string(unix_nanos(path.estimate.at));
    }
    for (const auto& held : known.preferences) {
      line += " > " + std::to_string(held.site.index());
    }
    lines[prefix.to_string()] = line;
  }
  std::string out;
  for (const auto& [prefix, line] : lines) out += prefix + " " + line + "\n";
  return out;
}

struct Course {
  Seconds step{};  // how often it looks; 0: when something comes, and at the end
  CoreShare share = CoreShare::all;
};

// What is known in the end. `switches`: how often a preference moved.
std::string live(const std::vector<Event>& events, Course course, std::uint64_t* switches) {
  Core core(patient_options(), two_sites(), 1);
  event::Position position = 0;
  Instant now = kStart;
  const auto look_until = [&](Instant until) {
    while (course.step > Seconds(0) && now + course.step <= until) {
      now += course.step;
      core.advance(now, course.share);
      core.outbox_is_durable();
    }
  };
  for (const Event& event : events) {
    look_until(event.time);
    core.apply({event}, {++position}, event.time);
  }
  look_until(kEnd);
  for (Partition i = 0; i <= kPartitions; ++i) core.advance(kEnd, course.share);
  *switches = core.counts().preferences_changed;
  return dump(core);
}

class Ageing : public testing::TestWithParam<unsigned> {};

TEST_P(Ageing, DecidesTheSameHoweverOftenItLooks) {
  Random random(GetParam());
  const std::vector<Event> events = some_days(random);
  std::uint64_t switches = 0;
  const std::string at_once = live(events, {}, &switches);
  EXPECT_GT(switches, 12U) << "nothing moved: this shows nothing";
  for (const Seconds step : {Seconds(1), Seconds(7), Seconds(61), Seconds(1'800)}) {
    std::uint64_t ignored = 0;
    EXPECT_EQ(live(events, {step, CoreShare::all}, &ignored), at_once) << step.count() << " s";
  }
}

TEST_P(Ageing, DecidesTheSamePartitionByPartition) {
  Random random(GetParam());
  const std::vector<Event> events = some_days(random);
  std::uint64_t switches = 0;
  const std::string at_once = live(events, {}, &switches);
  std::uint64_t ignored = 0;
  EXPECT_EQ(live(events, {Seconds(1), CoreShare::one_partition}, &ignored), at_once);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Ageing, testing::Range(1U, 9U));

}  // namespace
}  // namespace isochrone::collector
