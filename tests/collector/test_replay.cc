// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/replay.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

constexpr const char* kNearFra = "198.51.100.0/24";
constexpr const char* kNearIad = "203.0.113.0/24";
const Instant kSince = kStart + Seconds(60);
const Instant kUntil = kStart + Seconds(120);

ReplaySetup setup() { return {test_options(), two_sites(), nullptr}; }

event::Event demanded(std::uint64_t sequence, const char* client, std::uint32_t queries, Instant at,
                      const char* service = "www.example.com") {
  return {id(sequence, "dns-ns1"),
          at,
          {},
          event::Demand{service, *Prefix::parse(client), *Address::parse("203.0.113.9"), queries,
                        Millis(1000)}};
}

event::Event decided(std::uint64_t sequence, const char* client, std::string site, Instant at) {
  return {id(sequence, "dns-ns1"),
          at,
          {},
          event::DecisionSample{"www.example.com", *Prefix::parse(client), std::move(site),
                                "measured", 24, 1}};
}

// Two minutes: every second each network from each site; 10 ms from the near one, 90 ms from the far.
class Recorded {
 public:
  explicit Recorded(const ReplaySetup& otherwise) : replay_(setup(), otherwise, kSince, kUntil) {}

  void run(const std::vector<event::Event>& queries) {
    auto next = queries.begin();
    for (Instant now = kStart; now < kUntil + Seconds(5); now += Seconds(1)) {
      for (const char* client : {kNearFra, kNearIad}) {
        for (const char* site : {"fra", "iad"}) {
          const bool is_near = (client == kNearFra) == (std::string(site) == "fra");
          take(measured(++sequence_, site, client, now, Micros(is_near ? 10'000 : 90'000)), now);
        }
      }
      for (; next != queries.end() && next->time <= now; ++next) take(*next, now);
    }
  }
  void take(const event::Event& event, Instant now) { replay_.take(event, ++position_, now); }
  ReplayReport report() const { return replay_.report(); }

 private:
  Replay replay_;
  std::uint64_t sequence_ = 0;
  event::Position position_ = 0;
};

const std::vector<event::Event> kQueries{
    demanded(1, kNearFra, 500, kStart + Seconds(30)),  // before the interval
    demanded(2, kNearFra, 30, kStart + Seconds(70)),
    demanded(3, kNearIad, 70, kStart + Seconds(80)),
    demanded(4, kNearFra, 20, kStart + Seconds(90)),
    demanded(5, kNearFra, 900, kUntil)};  // after it

TEST(Replay, WithoutTheBestSiteMovesThoseThatWereAtIt) {
  Recorded recorded(*without_sites(setup(), {"fra"}));
  recorded.run(kQueries);
  const ReplayReport report = recorded.report();
  EXPECT_TRUE(report.is_by_demand);
  EXPECT_EQ(report.demands, 3U);
  EXPECT_EQ(report.queries, 120U);
  EXPECT_EQ(report.moved, 50U);
  ASSERT_EQ(report.moves.size(), 1U);
  EXPECT_EQ(report.moves[0].from, "fra");
  EXPECT_EQ(report.moves[0].to, "iad");
  EXPECT_EQ(report.moves[0].networks, std::set<Prefix>{*Prefix::parse(kNearFra)});
  EXPECT_EQ(report.all.queries, 120U);
  EXPECT_EQ(report.all.p50_before, Micros(10'000));
  EXPECT_EQ(report.all.p50_after, Micros(10'000)) << "70 of 120 stay";
  EXPECT_EQ(report.all.p95_after, Micros(90'000));
  EXPECT_EQ(report.of_moved.queries, 50U);
  EXPECT_EQ(report.of_moved.p50_before, Micros(10'000));
  EXPECT_EQ(report.of_moved.p50_after, Micros(90'000));
}

TEST(Replay, OfTheSameMovesNothing) {
  Recorded recorded(setup());
  recorded.run(kQueries);
  EXPECT_EQ(recorded.report().queries, 120U);
  EXPECT_EQ(recorded.report().moved, 0U);
  EXPECT_TRUE(recorded.report().moves.empty());
}

TEST(Replay, FollowsTheOrderWhereNothingIsMeasured) {
  ReplaySetup reversed = setup();
  std::swap(reversed.topology.services[0].sites[0], reversed.topology.services[0].sites[1]);
  Recorded recorded(reversed);
  recorded.run({demanded(1, "192.0.2.0/24", 10, kStart + Seconds(70)),
                demanded(2, kNearFra, 10, kStart + Seconds(70))});
  const ReplayReport report = recorded.report();
  EXPECT_EQ(report.moved, 10U);
  ASSERT_EQ(report.moves.size(), 1U);
  EXPECT_EQ(report.moves[0].to, "iad");
  EXPECT_EQ(report.all.queries, 10U) << "of the others no RTT is known";
  EXPECT_EQ(report.of_moved.queries, 0U);
}

TEST(Replay, TakesDecisionsForQueriesWhereThereIsNoDemand) {
  Recorded recorded(*without_sites(setup(), {"fra"}));
  recorded.run({decided(1, kNearFra, "fra", kStart + Seconds(70)),
                decided(2, kNearIad, "iad", kStart + Seconds(71)),
                decided(3, kNearIad, "fra", kStart + Seconds(72))});
  const ReplayReport report = recorded.report();
  EXPECT_FALSE(report.is_by_demand);
  EXPECT_EQ(report.queries, 3U);
  EXPECT_EQ(report.moved, 1U);
  EXPECT_EQ(report.decisions_agreed, 2U);
}

TEST(Replay, HearsWhatOperatorsSaid) {
  Recorded recorded(*without_sites(setup(), {"iad"}));
  recorded.take(
      health(1, "fra", event::HealthStatus::draining, event::HealthOrigin::operators, kStart),
      kStart);
  recorded.run({demanded(1, kNearFra, 10, kStart + Seconds(70))});
  const ReplayReport report = recorded.report();
  ASSERT_EQ(report.moves.size(), 1U);
  EXPECT_EQ(report.moves[0].from, "iad") << "fra was drained";
  EXPECT_EQ(report.moves[0].to, "fra") << "but nothing else would have been left";
}

TEST(Replay, CountsQueriesForServicesThatOnlyOneHas) {
  Recorded recorded(setup());
  recorded.run({demanded(1, kNearFra, 10, kStart + Seconds(70), "no.example.com")});
  EXPECT_EQ(recorded.report().unknown, 10U);
  EXPECT_EQ(recorded.report().moved, 0U);
}

TEST(Replay, LeavesNoServiceWithoutASite) {
  EXPECT_FALSE(without_sites(setup(), {"fra", "iad"}));
  const auto unknown = without_sites(setup(), {"sin"});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().text().find("fra, iad"), std::string::npos);
  const auto setup_without = without_sites(setup(), {"fra"});
  ASSERT_TRUE(setup_without);
  EXPECT_EQ(setup_without->topology.sites.size(), 1U);
  EXPECT_EQ(setup_without->topology.services[0].sites, std::vector{routing::SiteId(0)});
}

}  // namespace
}  // namespace isochrone::collector
