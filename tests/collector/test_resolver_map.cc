// SPDX-License-Identifier: Apache-2.0
//
// Who is behind a resolver: counted in any order to the same octets, fading, bounded, kept over restarts,
// and blended into a row of its own.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "collector/core.h"
#include "collector/log_rocksdb.h"
#include "collector/resolver_map.h"
#include "collector/resolver_rows.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

const Address kResolver = *Address::parse("192.0.2.53");
const Prefix kNear = *Prefix::parse("198.51.100.0/24");
const Prefix kFar = *Prefix::parse("203.0.113.0/24");
constexpr Seconds kLifetime{120};
// By when what was given out at a time is counted: the rest of its slot, the token's life, the way.
constexpr Seconds kCounted{10 + 120 + 30};

event::BeaconNumber task_at(Instant time, std::uint32_t n) {
  return static_cast<std::uint64_t>(unix_nanos(time) / 1'000'000'000) << 32 | n;
}

// One task: given out at `time`, looked up by the resolver, reported from the network.
void pair(ResolverMap& map, Instant time, std::uint32_t n, const Address& resolver,
          const Prefix& network) {
  EXPECT_TRUE(map.saw_resolver(task_at(time, n), resolver, time));
  EXPECT_TRUE(map.saw_client(task_at(time, n), network, time));
}

TEST(ResolverMap, NeedsBothHalvesOfATask) {
  ResolverMap map(kLifetime);
  pair(map, kStart, 1, kResolver, kNear);
  map.saw_resolver(task_at(kStart, 2), kResolver, kStart);
  map.saw_client(task_at(kStart, 3), kFar, kStart);
  EXPECT_TRUE(map.close(kStart + kLifetime).empty());
  EXPECT_EQ(map.close(kStart + kCounted), std::vector{kResolver});
  ASSERT_NE(map.find(kResolver), nullptr);
  EXPECT_EQ(map.find(kResolver)->shares,
            (std::vector<ResolverMap::Share>{{kNear, ResolverMap::kTask}}));
  EXPECT_EQ(map.open_tasks(), 0U);
  EXPECT_FALSE(map.saw_client(task_at(kStart, 2), kNear, kStart + kCounted));
}

TEST(ResolverMap, AnyOrderOfArrivalGivesTheSameOctets) {
  struct Half {
    event::BeaconNumber task;
    Address resolver;
    Prefix network;
    bool is_client;
  };
  std::vector<Half> halves;
  Random random(7);
  for (std::uint32_t n = 0; n < 2'000; ++n) {
    const Instant time = kStart + Seconds(static_cast<std::int64_t>(random.below(600)));
    const Address resolver = Address::v4(192, 0, 2, static_cast<std::uint8_t>(random.below(20)));
    const Prefix network(Address::v4(10, 0, static_cast<std::uint8_t>(random.below(50)), 0), 24);
    halves.push_back({task_at(time, n), resolver, network, true});
    halves.push_back({task_at(time, n), resolver, network, false});
  }
  const auto records = [&] {
    ResolverMap map(Seconds(3'600));
    for (const Half& half : halves) {
      EXPECT_TRUE(half.is_client
                      ? map.saw_client(half.task, half.network, kStart + Seconds(600))
                      : map.saw_resolver(half.task, half.resolver, kStart + Seconds(600)));
    }
    map.close(kStart + Seconds(5'000));
    std::vector<std::string> all;
    for (const auto& [resolver, mix] : map.mixes()) all.push_back(map.record(resolver));
    return all;
  };
  const auto first = records();
  EXPECT_EQ(first.size(), 20U);
  for (int i = 0; i < 5; ++i) {
    for (std::size_t j = halves.size(); j > 1; --j)
      std::swap(halves[j - 1], halves[random.below(j)]);
    EXPECT_EQ(records(), first);
  }
}

TEST(ResolverMap, WhoWentAwayFades) {
  ResolverMap map(kLifetime);
  for (std::uint32_t n = 0; n < 8; ++n) pair(map, kStart + Seconds(10 * n), n, kResolver, kFar);
  map.close(kStart + Seconds(70) + kCounted);
  const Instant day = kStart + Seconds(86'400 + 35);
  pair(map, day, 1, kResolver, kNear);
  map.close(day + kCounted);
  const auto& shares = map.find(kResolver)->shares;
  ASSERT_EQ(shares.size(), 2U);
  EXPECT_EQ(shares[0].weight, ResolverMap::kTask);
  // Half of eight; whole numbers lose less than one in a thousand.
  EXPECT_NEAR(shares[1].weight, 4 * ResolverMap::kTask, 8);
  const Instant week = kStart + Seconds(10 * 86'400);
  pair(map, week, 1, kResolver, kNear);
  map.close(week + kCounted);
  EXPECT_EQ(map.find(kResolver)->shares.size(), 1U);
}

TEST(ResolverMap, OneNetworkCannotOutvoteTheOthersInASlot) {
  ResolverMap map(kLifetime);
  for (std::uint32_t n = 0; n < 1'000; ++n) pair(map, kStart, n, kResolver, kNear);
  map.close(kStart + kCounted);
  EXPECT_EQ(map.find(kResolver)->weight(), ResolverMap::kMaxPerSlot * ResolverMap::kTask);
}

TEST(ResolverMap, IsBounded) {
  ResolverMap map(kLifetime);
  std::uint32_t n = 0;
  for (int net = 0; net < 40; ++net) {
    const Prefix network(Address::v4(10, 0, static_cast<std::uint8_t>(net), 0), 24);
    for (int i = 0; i <= net % 3; ++i) pair(map, kStart, n++, kResolver, network);
  }
  map.close(kStart + kCounted);
  const auto& shares = map.find(kResolver)->shares;
  EXPECT_EQ(shares.size(), ResolverMap::kMaxNetworks);
  const auto lightest = std::min_element(shares.begin(), shares.end(),
                                         [](auto& a, auto& b) { return a.weight < b.weight; });
  EXPECT_EQ(std::count_if(shares.begin(), shares.end(),
                          [](auto& share) { return share.weight > ResolverMap::kTask; }),
            26);  // of 40 networks those with two or three tasks
  EXPECT_EQ(lightest->weight, ResolverMap::kTask);
  // More resolvers for one name than a client has are somebody's game.
  for (std::uint8_t i = 0; i < 10; ++i) {
    map.saw_resolver(task_at(kStart + Seconds(300), 1), Address::v4(9, 9, 9, i),
                     kStart + Seconds(300));
  }
  map.saw_client(task_at(kStart + Seconds(300), 1), kNear, kStart + Seconds(300));
  EXPECT_EQ(map.close(kStart + Seconds(300) + kCounted).size(), ResolverMap::kMaxOfResolvers);
}

TEST(ResolverMap, ARecordIsReadBackAndNothingElseIs) {
  ResolverMap map(kLifetime);
  pair(map, kStart, 1, kResolver, kNear);
  pair(map, kStart, 2, kResolver, *Prefix::parse("2001:db8::/48"));
  map.close(kStart + kCounted);
  const std::string record = map.record(kResolver);
  ResolverMap next(kLifetime);
  EXPECT_TRUE(next.restore(kResolver, record));
  EXPECT_EQ(*next.find(kResolver), *map.find(kResolver));
  for (std::size_t i = 0; i < record.size(); ++i) {
    constexpr std::size_t kOneShare = 8 + 22;
    EXPECT_EQ(next.restore(kResolver, record.substr(0, i)), i == kOneShare) << i;
  }
  std::string wrong = record;
  wrong[9] = 99;  // the first network's length
  EXPECT_FALSE(next.restore(kResolver, wrong));
}

routing::Estimate estimate(int ms, std::uint32_t samples = 10) {
  routing::Estimate made;
  made.min = made.p50 = made.p90 = Micros(1'000 * ms);
  made.samples = samples;
  made.at = kStart;
  return made;
}

TEST(Blend, IsTheMeanByWeight) {
  routing::PerformanceState state;
  state.at(kNear).set(routing::SiteId(0), estimate(10));
  state.at(kNear).set(routing::SiteId(1), estimate(100));
  state.at(kFar).set(routing::SiteId(0), estimate(200));
  state.at(kFar).set(routing::SiteId(1), estimate(20));
  const auto k = ResolverMap::kTask;
  const auto paths = blend({0, {{kNear, k}, {kFar, 3 * k}}}, state);
  ASSERT_EQ(paths.size(), 2U);
  EXPECT_EQ(paths[0].estimate.p50, Micros(152'500));
  EXPECT_EQ(paths[1].estimate.p50, Micros(40'000));
}

TEST(Blend, WhereNothingWasMeasuredTheWorstCounts) {
  routing::PerformanceState state;
  state.at(kNear).set(routing::SiteId(0), estimate(10));
  state.at(kNear).set(routing::SiteId(1), estimate(50));
  state.at(kFar).set(routing::SiteId(1), estimate(20));
  const auto k = ResolverMap::kTask;
  const auto half = blend({0, {{kNear, 2 * k}, {kFar, 2 * k}}}, state);
  ASSERT_EQ(half.size(), 2U);
  EXPECT_EQ(half[0].estimate.p50, Micros(15'000));
  EXPECT_EQ(half[1].estimate.p50, Micros(35'000));
  // From site 0 most clients were not measured: nothing is said of it.
  EXPECT_EQ(blend({0, {{kNear, k}, {kFar, 3 * k}}}, state).size(), 1U);
}

TEST(Blend, SaysNothingOfAFewOrOfStrangers) {
  routing::PerformanceState state;
  state.at(kNear).set(routing::SiteId(0), estimate(10));
  const auto k = ResolverMap::kTask;
  EXPECT_TRUE(blend({0, {{kNear, 2 * k}}}, state).empty());
  EXPECT_TRUE(blend({0, {{kNear, 2 * k}, {kFar, 3 * k}}}, state).empty());
  EXPECT_EQ(blend({0, {{kNear, 3 * k}, {kFar, 3 * k}}}, state).size(), 1U);
}

class CoreOfResolvers : public ::testing::Test {
 protected:
  CoreOfResolvers() { begin(); }

  void begin() {
    Options options = test_options();
    options.beacon.token_lifetime = kLifetime;
    core_.emplace(options, two_sites(), 1);
    log_ = open_rocksdb_log(folder_.path() / "log").value();
    core_->restore(*log_, now_);
  }
  void end() {
    core_.reset();
    log_.reset();
  }
  void commit(const std::vector<event::Event>& events) {
    auto admitted = core_->admit(events, now_);
    const auto positions = log_->append(admitted.fresh, core_->notes(), now_);
    core_->apply(admitted.fresh, *positions, now_);
  }
  void pass(Seconds time) {
    for (const Instant until = now_ + time; now_ < until;) {
      now_ += Seconds(1);
      core_->advance(now_);
      ASSERT_TRUE(log_->append(core_->outbox().events, core_->outbox().notes, now_));
      core_->outbox_is_durable();
    }
  }
  // A client of the network has its task: what its DNS node, the beacon's doors and the probers, who see the
  // same paths, make of that.
  void browse(const Prefix& network, int fra_ms, int iad_ms) {
    const auto task = task_at(now_, ++tasks_);
    const std::string name = event::beacon_task(task);
    const event::Demand looked_up{"b.example.com", client_network(kResolver), kResolver, 1,
                                  Millis(1'000)};
    const auto from = [&](const char* site, int ms) {
      return event::Measurement{site, network, routing::Method::beacon, Micros(1'000 * ms)};
    };
    const auto probed = [&](const char* site, int ms) {
      return event::Measurement{site, network, routing::Method::icmp, Micros(1'000 * ms)};
    };
    commit({{{"dns-ns1", 1, ++queries_}, now_, name, looked_up},
            {{"beacon-test", 1, ++reports_}, now_, name, from("fra", fra_ms)},
            {{"beacon-test", 1, ++reports_}, now_, name, from("iad", iad_ms)},
            {{"prober-test", 1, ++probes_}, now_, {}, probed("fra", fra_ms)},
            {{"prober-test", 1, ++probes_}, now_, {}, probed("iad", iad_ms)}});
    pass(Seconds(3));
  }
  std::optional<std::uint16_t> site_of(const Address& resolver) const {
    const auto* row = core_->state().find({resolver, resolver.width()});
    const auto* site = row == nullptr ? nullptr : row->preferred(routing::ServiceId(0));
    return site == nullptr ? std::nullopt : std::optional(site->value());
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
  std::optional<Core> core_;
  Instant now_ = kStart;
  std::uint32_t tasks_ = 0;
  std::uint64_t queries_ = 0;
  std::uint64_t reports_ = 0;
  std::uint64_t probes_ = 0;
};

TEST_F(CoreOfResolvers, AResolverIsServedFromWhereMostOfItsClientsAreNear) {
  for (int i = 0; i < 6; ++i) {
    browse(kNear, 10, 100);
    if (i % 3 == 0) browse(kFar, 120, 40);
  }
  pass(kCounted);
  EXPECT_EQ(site_of(kResolver), 0U);       // fra: 37 ms in the mean, iad 85
  EXPECT_EQ(core_->targets().size(), 0U);  // nobody's demand
  // More and more of the other network come.
  for (int i = 0; i < 30; ++i) browse(kFar, 120, 40);
  pass(kCounted);
  EXPECT_EQ(site_of(kResolver), 1U);
}

TEST_F(CoreOfResolvers, ARestartKnowsWhatTheLifeBeforeKnew) {
  for (int i = 0; i < 5; ++i) browse(kNear, 10, 100);
  pass(kCounted);
  for (int i = 0; i < 5; ++i) browse(kFar, 120, 40);
  end();
  begin();
  EXPECT_EQ(site_of(kResolver), 0U);
  EXPECT_EQ(core_->resolvers().open_tasks(), 5U);
  pass(kCounted);
  const auto* mix = core_->resolvers().find(kResolver);
  ASSERT_NE(mix, nullptr);
  ASSERT_EQ(mix->shares.size(), 2U);
  EXPECT_NEAR(mix->shares[0].weight, mix->shares[1].weight, 30);  // one faded for five minutes
}

TEST_F(CoreOfResolvers, WhatWasCountedIsNotCountedAgain) {
  for (int i = 0; i < 5; ++i) browse(kNear, 10, 100);
  pass(kCounted);
  const std::string before = core_->resolvers().record(kResolver);
  for (int life = 0; life < 3; ++life) {
    end();
    begin();
    pass(kCounted);
  }
  EXPECT_EQ(core_->resolvers().record(kResolver), before);
}

}  // namespace
}  // namespace isochrone::collector
