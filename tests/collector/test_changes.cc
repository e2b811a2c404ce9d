// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/changes.h"
#include "collector/log_rocksdb.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::HealthOrigin;
using event::HealthStatus;
using routing::ServiceId;
using routing::SiteId;

constexpr const char* kNear = "198.51.100.0/24";
constexpr const char* kFar = "203.0.113.0/24";
constexpr SiteId kFra{0};
constexpr SiteId kIad{1};

Instant minute(int count) { return kStart + Seconds(60 * count); }

class ChangesOfALog : public ::testing::Test {
 protected:
  ChangesOfALog() : log_(std::move(*open_rocksdb_log(folder_.path() / "log"))) {}

  void append(event::Event event) {
    const Instant at = event.time;
    ASSERT_TRUE(log_->append({std::move(event)}, {}, at));
  }
  // The network is known from both sites, an RTT of 0 from none, and prefers one.
  void know(const char* network, int fra_ms, int iad_ms, const char* preferred, Instant at,
            Instant measured_at = {}) {
    event::State state;
    state.prefix = *Prefix::parse(network);
    state.version = ++sequence_;
    for (const auto& [site, ms] : {std::pair{"fra", fra_ms}, std::pair{"iad", iad_ms}}) {
      if (ms == 0) continue;
      event::State::Path path{site, {}};
      path.estimate.samples = 9;
      path.estimate.min = path.estimate.p50 = path.estimate.p90 = Micros(1'000 * ms);
      path.estimate.at = measured_at == Instant{} ? at : measured_at;
      state.paths.push_back(path);
    }
    if (!state.paths.empty()) state.preferences.push_back({"www.example.com", preferred});
    append({id(sequence_, "collector-test"), at, {}, state});
  }
  void ask(const char* network, std::uint32_t queries, Instant at,
           const char* resolver = "192.0.2.53") {
    append({id(++sequence_, "dns-ns1"),
            at,
            {},
            event::Demand{"www.example.com", *Prefix::parse(network), *Address::parse(resolver),
                          queries, Millis(1'000)}});
  }
  ChangesReport changes(int since, int until, std::size_t limit = 1'000) const {
    return changes_in(*log_, setup_, {minute(since), minute(until), ServiceId(0), limit},
                      [] { return true; })
        .value();
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
  PastSetup setup_{two_sites(), nullptr, Seconds(3'600), {}};
  std::uint64_t sequence_ = 0;
};

TEST_F(ChangesOfALog, SaysWhatMovedWhereAndWhatItCarries) {
  know(kNear, 10, 90, "fra", minute(0));
  know(kFar, 80, 20, "iad", minute(0));
  know(kNear, 95, 90, "fra", minute(10));  // news, but no move
  know(kNear, 120, 90, "iad", minute(11));
  ask(kNear, 30, minute(12));
  ask(kNear, 12, minute(14));
  ask(kFar, 500, minute(13));
  const ChangesReport report = changes(5, 20);
  EXPECT_EQ(report.since, minute(5));
  ASSERT_EQ(report.changes.size(), 1U);
  const Change& change = report.changes[0];
  EXPECT_EQ(change.time, minute(11));
  EXPECT_EQ(change.network, *Prefix::parse(kNear));
  EXPECT_EQ(change.from, kFra);
  EXPECT_EQ(change.to, kIad);
  EXPECT_EQ(change.why, WhyMoved::faster);
  EXPECT_EQ(change.from_rtt, Micros(120'000));
  EXPECT_EQ(change.to_rtt, Micros(90'000));
  EXPECT_EQ(change.queries, 42U);
  EXPECT_EQ(report.moved, 42U);
  EXPECT_EQ(report.queries, 542U);
  EXPECT_TRUE(changes(12, 20).changes.empty());
}

TEST_F(ChangesOfALog, SaysWhy) {
  know(kNear, 10, 90, "fra", minute(0));
  know(kNear, 10, 90, "iad", minute(1));  // no other reason: fra is full
  know(kNear, 10, 90, "fra", minute(2));  // and has room again, but is faster as well
  append(health(1, "fra", HealthStatus::down, HealthOrigin::collector, minute(3)));
  know(kNear, 10, 90, "iad", minute(4));
  append(health(2, "fra", HealthStatus::up, HealthOrigin::collector, minute(5)));
  know(kNear, 10, 90, "fra", minute(6));
  know(kNear, 0, 90, "iad", minute(7));  // forgotten from fra
  know(kNear, 50, 40, "iad", minute(8), minute(1));
  know(kNear, 50, 40, "fra", minute(9), minute(1));  // measured eight minutes ago
  know(kNear, 0, 0, "", minute(10));
  const ChangesReport report = changes(0, 20);
  std::vector<WhyMoved> why;
  for (const Change& change : report.changes) why.insert(why.begin(), change.why);
  EXPECT_EQ(why,
            (std::vector{WhyMoved::made_room, WhyMoved::faster, WhyMoved::site_down,
                         WhyMoved::faster, WhyMoved::silent, WhyMoved::silent, WhyMoved::gone}));
  ASSERT_EQ(report.sites.size(), 2U);
  EXPECT_EQ(report.sites[1].site, kFra);
  EXPECT_EQ(report.sites[1].status, HealthStatus::down);
}

TEST_F(ChangesOfALog, CountsWhatIsAskedForInsideARowAndByItsResolver) {
  know("10.1.0.0/16", 10, 90, "fra", minute(0));
  know("198.51.100.53/32", 10, 90, "fra", minute(0));
  know("10.1.0.0/16", 100, 90, "iad", minute(5));
  know("198.51.100.53/32", 100, 90, "iad", minute(6));
  ask("10.1.7.0/24", 5, minute(7));
  ask(kNear, 3, minute(7), "198.51.100.53");  // without Client Subnet
  ask("198.51.100.0/24", 100, minute(7), "203.0.113.53");
  const ChangesReport report = changes(1, 20);
  ASSERT_EQ(report.changes.size(), 2U);
  EXPECT_EQ(report.changes[0].queries, 3U);
  EXPECT_EQ(report.changes[1].queries, 5U);
}

TEST_F(ChangesOfALog, KeepsTheNewestAndCountsAll) {
  know(kNear, 10, 90, "fra", minute(0));
  for (int i = 1; i <= 10; ++i) know(kNear, 10, 90, i % 2 == 1 ? "iad" : "fra", minute(i));
  const ChangesReport report = changes(0, 20, 3);
  EXPECT_EQ(report.total, 10U);
  ASSERT_EQ(report.changes.size(), 3U);
  EXPECT_EQ(report.changes[0].time, minute(10));
  EXPECT_EQ(report.changes[2].time, minute(8));
}

TEST_F(ChangesOfALog, BeginsWhereTheLogDoes) {
  EXPECT_FALSE(changes_in(*log_, setup_, {minute(0), minute(1), {}, 10}, [] { return true; }));
  know(kNear, 10, 90, "fra", minute(30));
  know(kNear, 100, 90, "iad", minute(31));
  const ChangesReport report = changes(0, 60);
  EXPECT_EQ(report.since, minute(30));
  ASSERT_EQ(report.changes.size(), 2U);
  EXPECT_EQ(report.changes[1].why, WhyMoved::first);
}

}  // namespace
}  // namespace isochrone::collector
