// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/random.h"
#include "collector/core.h"
#include "collector/log_rocksdb.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::HealthOrigin;
using event::HealthStatus;

constexpr const char* kPrefix = "192.0.2.0/24";

// A core whose log is a vector: everything is durable at once.
struct Bench {
  explicit Bench(const Options& options = test_options()) : core(options, two_sites(), 7) {}

  void post(std::vector<event::Event> events, Instant now) {
    auto admitted = core.admit(std::move(events), now);
    std::vector<event::Position> positions;
    for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last);
    core.apply(admitted.fresh, positions, now);
    drain();
  }
  void advance(Instant now) {
    core.advance(now);
    drain();
  }
  void drain() {
    for (const auto& event : core.outbox().events) said.push_back(event);
    core.outbox_is_durable();
  }
  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const auto& event : said) {
      if (const auto* payload = std::get_if<T>(&event.payload)) found.push_back(*payload);
    }
    return found;
  }
  std::string preferred(const char* prefix = kPrefix) const {
    const auto* known = core.state().find(*Prefix::parse(prefix));
    const auto* site = known != nullptr ? known->preferred(routing::ServiceId(0)) : nullptr;
    return site != nullptr ? core.topology().sites[site->index()].name : "";
  }

  Core core;
  event::Position last = 0;
  std::vector<event::Event> said;
};

TEST(Core, TurnsMeasurementsIntoOneStatePerPrefixWhenTheWindowCloses) {
  Bench bench;
  bench.post({measured(1, "fra", kPrefix, kStart, Micros(30'000)),
              measured(1, "iad", kPrefix, kStart, Micros(20'000))},
             kStart);
  bench.advance(kStart + Millis(1499));
  EXPECT_TRUE(bench.all<event::State>().empty());
  bench.advance(kStart + Millis(1500));
  const auto states = bench.all<event::State>();
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].paths.size(), 2U);
  ASSERT_EQ(states[0].preferences.size(), 1U);
  EXPECT_EQ(states[0].preferences[0].site, "iad");
  EXPECT_EQ(bench.core.counts().samples_reduced, 2U);
}

TEST(Core, CountsNothingTwice) {
  Bench bench;
  const auto event = measured(1, "fra", kPrefix, kStart, Micros(30'000));
  bench.post({event, event}, kStart);
  bench.post({event}, kStart);
  bench.advance(kStart + Seconds(2));
  EXPECT_EQ(bench.core.counts().samples_reduced, 1U);
}

routing::Method some_method(Random& random) {
  constexpr std::array kAll{routing::Method::icmp, routing::Method::tcp, routing::Method::hop};
  return kAll[random.below(kAll.size())];
}

// The same events in any order, some repeated, all within the allowed lateness.
TEST(Core, GivesTheSameBytesInAnyOrder) {
  std::vector<event::Event> events;
  Random random(5);
  for (std::uint64_t i = 1; i <= 400; ++i) {
    const char* prefixes[] = {"192.0.2.0/24", "198.18.0.0/24", "2001:db8:9::/48"};
    const Instant time = kStart + Millis(random.below(1400));
    const auto rtt =
        random.below(10) == 0 ? std::optional<Micros>() : Micros(random.below(90'000) + 1);
    const char* site = i % 2 == 0 ? "fra" : "iad";
    events.push_back(measured(i, site, prefixes[random.below(3)], time, rtt, some_method(random)));
  }
  std::map<int, std::string> bytes;
  for (int round = 0; round < 5; ++round) {
    Bench bench;
    std::vector<event::Event> order = events;
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    order.insert(order.end(), order.begin(), order.begin() + 50);
    for (const auto& event : order) bench.post({event}, kStart + Millis(1400));
    bench.advance(kStart + Seconds(10));
    for (const auto& event : bench.said) bytes[round] += event::to_protobuf(event);
  }
  for (int round = 1; round < 5; ++round) EXPECT_EQ(bytes[round], bytes[0]);
  EXPECT_FALSE(bytes[0].empty());
}

// Hosts fall silent all at once, and their last hops are nearer by far.
TEST(Core, BelievesAProberThatBeginsToMeasureByAnotherMethod) {
  Bench bench;
  std::uint64_t sequence = 0;
  for (int second = 0; second < 60; ++second) {
    const Instant now = kStart + Seconds(second);
    const bool is_hop = second >= 30;
    for (int network = 0; network < 80; ++network) {
      const std::string prefix = "10." + std::to_string(network) + ".3.0/24";
      bench.post(
          {measured(++sequence, "fra", prefix.c_str(), now, Micros(is_hop ? 40'000 : 140'000),
                    is_hop ? routing::Method::hop : routing::Method::icmp)},
          now);
    }
    bench.advance(now);
  }
  EXPECT_TRUE(bench.core.juries().is_believed(routing::SiteId(0)));
}

// In shares, with posts and ends of lives in between, comes to what it comes to at once.
TEST(Core, FoldsWhatIsDueInShares) {
  Bench at_once;
  Bench in_shares;
  Random random(9);
  for (std::uint64_t i = 1; i <= 600; ++i) {
    const std::string prefix = "10." + std::to_string(random.below(60)) + ".3.0/24";
    const auto event = measured(i, i % 2 == 0 ? "fra" : "iad", prefix.c_str(), kStart,
                                Micros(random.below(90'000) + 1), some_method(random));
    at_once.post({event}, kStart);
    in_shares.post({event}, kStart);
  }
  const Instant due = kStart + Seconds(2);
  at_once.advance(due);
  std::size_t shares = 0;
  std::size_t most = 0;
  while (in_shares.core.windows().has_due(due)) {
    const std::size_t before = in_shares.said.size();
    in_shares.core.advance(due, CoreShare::one_partition);
    in_shares.drain();
    most = std::max(most, in_shares.said.size() - before);
    // What closed takes nothing more, and what waits for its turn still does not take it twice.
    in_shares.post({measured(1, "fra", "10.1.3.0/24", kStart, Micros(1))}, due);
    ASSERT_LE(++shares, kPartitions);
  }
  EXPECT_GT(shares, 8U);
  EXPECT_LT(most, at_once.said.size() / 3);
  EXPECT_EQ(in_shares.core.counts().samples_reduced, 600U);
  const auto bytes_of = [](const Bench& bench) {
    std::vector<std::string> states;
    for (const auto& state : bench.all<event::State>()) {
      states.push_back(event::to_protobuf({id(1, "x"), kStart, {}, state}));
    }
    std::sort(states.begin(), states.end());
    return states;
  };
  EXPECT_EQ(bytes_of(in_shares), bytes_of(at_once));
}

TEST(Core, AsksForTargetsInTheStepThatBroughtTheDemand) {
  Bench bench;
  event::Event demand{id(1, "dns-ns1"), kStart, {}, {}};
  demand.payload = event::Demand{"www.example.com", *Prefix::parse("198.18.3.0/24"),
                                 *Address::parse("198.51.100.1"), 5, Millis(1000)};
  bench.post({demand}, kStart);
  const auto targets = bench.all<event::Target>();
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].prefix.to_string(), "198.18.3.0/24");
}

TEST(Core, CallsASilentSiteDownAndAReturningOneUp) {
  Bench bench;
  bench.post({health(1, "fra", HealthStatus::up, HealthOrigin::prober, kStart)}, kStart);
  bench.advance(kStart + Millis(3001));
  bench.post({health(2, "fra", HealthStatus::up, HealthOrigin::prober, kStart)},
             kStart + Seconds(9));
  bench.advance(kStart + Seconds(9));
  const auto verdicts = bench.all<event::Health>();
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts[0].status, HealthStatus::down);
  EXPECT_EQ(verdicts[1].status, HealthStatus::up);
  EXPECT_EQ(verdicts[0].origin, HealthOrigin::collector);
}

TEST(Core, ForgetsPathsThatNobodyMeasures) {
  Bench bench;
  bench.post({measured(1, "fra", kPrefix, kStart, Micros(30'000))}, kStart);
  bench.advance(kStart + Seconds(2));
  EXPECT_EQ(bench.core.state().size(), 1U);
  bench.advance(kStart + Seconds(3700));
  EXPECT_EQ(bench.core.state().size(), 0U);
  EXPECT_TRUE(bench.all<event::State>().back().paths.empty());
}

TEST(Core, FollowsARenumberedTopologyByName) {
  Bench bench;
  bench.post({measured(1, "iad", kPrefix, kStart, Micros(20'000))}, kStart);
  bench.advance(kStart + Seconds(2));
  routing::Topology swapped = two_sites();
  std::swap(swapped.sites[0], swapped.sites[1]);
  bench.core.reconfigure(test_options(), swapped);
  EXPECT_EQ(bench.preferred(), "iad");
}

std::uint32_t samples(const Core& core) {
  std::uint32_t sum = 0;
  for (const auto& [prefix, known] : core.state().prefixes()) {
    for (const auto& path : known.paths) sum += path.estimate.samples;
  }
  return sum;
}

TEST(Core, GoesOnAtOnceWhenTheClockIsSetBack) {
  Bench bench;
  const Instant wrong = kStart + Seconds(86'400);
  bench.advance(wrong);
  bench.post({measured(1, "fra", kPrefix, wrong, Micros(30'000))}, wrong);
  bench.advance(wrong + Seconds(2));
  event::Event demand{id(1, "dns-ns1"), wrong, {}, {}};
  demand.payload = event::Demand{"www.example.com", *Prefix::parse("198.18.3.0/24"),
                                 *Address::parse("198.51.100.1"), 5, Millis(1000)};
  bench.post({demand}, wrong);
  bench.advance(kStart);
  bench.post({measured(2, "fra", kPrefix, kStart, Micros(30'000))}, kStart);
  demand.id.sequence = 2;
  bench.post({demand}, kStart + Seconds(1'000));
  bench.advance(kStart + Seconds(2));
  EXPECT_EQ(bench.core.counts().late, 0U);
  EXPECT_EQ(samples(bench.core), 2U);
  const auto targets = bench.all<event::Target>();
  EXPECT_EQ(std::count_if(targets.begin(), targets.end(),
                          [](const auto& each) { return each.prefix.length() == 24; }),
            2)
      << "named again when its lifetime is over";
}

TEST(Core, CallsNoSiteSilentForATimeInWhichItWasNotThereItself) {
  for (const Seconds step : {Seconds(60), Seconds(86'400), Seconds(-60)}) {
    Bench bench;
    bench.post({health(1, "fra", HealthStatus::up, HealthOrigin::prober, kStart)}, kStart);
    bench.advance(kStart + Millis(50));
    bench.advance(kStart + Millis(50) + step);
    EXPECT_TRUE(bench.all<event::Health>().empty()) << step.count();
    for (int i = 1; i <= 80; ++i) bench.advance(kStart + Millis(50) * i + step);
    EXPECT_EQ(bench.all<event::Health>().size(), 1U) << "but for one in which it was";
  }
}

// A whole life with a real log, cut short anywhere, leaves the state of an uncut one.
class Lives {
 public:
  explicit Lives(const std::filesystem::path& folder) : folder_(folder) { begin(kStart); }

  void begin(Instant now) {
    core_.reset();
    log_.reset();
    log_ = std::move(*open_rocksdb_log(folder_));
    Options options = test_options();
    options.path_lifetime = Seconds(7 * 24 * 3'600);
    core_ = std::make_unique<Core>(options, two_sites(), ++life_);
    core_->restore(*log_, now);
  }
  void post(const event::Event& event, Instant now) {
    auto admitted = core_->admit({event}, now);
    const auto positions = log_->append(admitted.fresh, core_->notes(), now);
    ASSERT_TRUE(positions);
    core_->apply(admitted.fresh, *positions, now);
    flush(now);
  }
  void advance(Instant now) {
    core_->advance(now);
    flush(now);
  }
  // In shares, each of which is the last thing that a life does.
  void advance_dying(Instant now) {
    while (core_->windows().has_due(now)) {
      core_->advance(now, CoreShare::one_partition);
      flush(now);
      begin(now);
    }
    advance(now);
  }
  bool is_silent() const { return core_->health().sites()[0].is_silent; }
  std::uint32_t samples() const { return collector::samples(*core_); }
  std::string state() const {
    std::map<Prefix, routing::PrefixState> sorted(core_->state().prefixes().begin(),
                                                  core_->state().prefixes().end());
    std::string bytes;
    for (const auto& [prefix, known] : sorted) {
      bytes += prefix.to_string();
      for (const auto& path : known.paths) {
        bytes += " " + std::to_string(path.site.value()) + ":" +
                 std::to_string(path.estimate.p50.count()) + "/" +
                 std::to_string(path.estimate.samples) + "/" +
                 std::to_string(path.estimate.loss_permille);
      }
      for (const auto& view : known.views) {
        bytes += " " + std::to_string(view.site.value()) + ":" +
                 std::to_string(view.estimate.p50.count()) + "+" +
                 std::to_string(view.more.p50.count());
      }
      bytes += "\n";
    }
    return bytes;
  }

 private:
  void flush(Instant now) {
    const auto& outbox = core_->outbox();
    if (outbox.empty()) return;
    ASSERT_TRUE(log_->append(outbox.events, outbox.notes, now));
    core_->outbox_is_durable();
  }

  std::filesystem::path folder_;
  std::uint64_t life_ = 0;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<Core> core_;
};

std::string state_after(int lives_per_event, const std::filesystem::path& folder) {
  Lives lives(folder);
  Random random(11);
  std::vector<event::Event> events;
  for (std::uint64_t i = 1; i <= 120; ++i) {
    const Instant time = kStart + Millis(100 * i);
    events.push_back(measured(i, i % 2 == 0 ? "fra" : "iad", i % 3 == 0 ? kPrefix : "198.18.0.0/24",
                              time, Micros(random.below(30'000) + 1), some_method(random)));
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    lives.post(events[i], events[i].time);
    // What was acknowledged just before the end may be posted again by a sender that did not hear.
    if (lives_per_event > 0 && i % 7 == 0) {
      lives.begin(events[i].time);
      lives.post(events[i], events[i].time);
    }
    if (lives_per_event > 0) lives.advance_dying(events[i].time);
    lives.advance(events[i].time);
    if (lives_per_event > 0 && i % 5 == 0) lives.begin(events[i].time);
  }
  lives.advance(kStart + Seconds(30));
  return lives.state();
}

// A pause before the first step of a life is one too.
TEST(Core, CallsNoSiteSilentThatWasHeardJustBeforeAPauseAtItsStart) {
  TemporaryFolder folder;
  Lives lives(folder.path() / "log");
  lives.post(health(1, "fra", HealthStatus::up, HealthOrigin::prober, kStart), kStart);
  lives.advance(kStart + Seconds(60));
  EXPECT_FALSE(lives.is_silent());
  lives.begin(kStart + Seconds(60));
  lives.advance(kStart + Seconds(86'400));
  EXPECT_FALSE(lives.is_silent());
}

TEST(Core, CountsEverythingOnceOverManyLives) {
  TemporaryFolder one;
  TemporaryFolder many;
  const std::string uncut = state_after(0, one.path() / "log");
  EXPECT_FALSE(uncut.empty());
  EXPECT_EQ(state_after(1, many.path() / "log"), uncut);
}

// Open windows, a clock that is set back, a crash, in any of their orders.
TEST(Core, CountsEverythingOnceThoughTheClockWasSetBack) {
  for (const bool has_open : {false, true}) {
    for (const int crashes : {0, 1, 2, 3}) {
      TemporaryFolder folder;
      Lives lives(folder.path() / "log");
      Instant now = kStart + Seconds(86'400);
      std::uint64_t posted = 0;
      const auto post = [&](Seconds ago) {
        ++posted;
        lives.post(measured(posted, "fra", kPrefix, now - ago, Micros(9'000)), now);
      };
      lives.advance(now);
      post(Seconds(0));
      if (has_open) post(Seconds(-5));  // stays open, before what closes
      post(Seconds(0));
      now += Seconds(2);
      lives.advance(now);
      now = kStart;
      if ((crashes & 1) != 0) lives.begin(now);
      lives.advance(now);
      post(Seconds(0));
      now += Seconds(2);
      lives.advance(now);
      if ((crashes & 2) != 0) lives.begin(now);
      lives.advance(kStart + Seconds(86'400 + 60));
      EXPECT_EQ(lives.samples(), posted) << has_open << crashes;
    }
  }
}

}  // namespace
}  // namespace isochrone::collector
