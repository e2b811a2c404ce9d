// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "prober/tally.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

constexpr Millis kSince{10'000};

Connection connection(std::uint64_t cookie, std::string_view client, int rtt_us) {
  Connection one;
  one.cookie = cookie;
  one.client = address(client);
  one.rtt = one.min_rtt = Micros(rtt_us);
  return one;
}

struct Told {
  std::vector<std::int64_t> rtts;  // microseconds, in order
  int losses = 0;
};

Told tell(Tally& tally, std::string_view network) {
  Told told;
  tally.tell(Instant{}, 1, [&](const Observation& seen) {
    if (seen.prefix != prefix(network)) return;
    EXPECT_EQ(seen.method, Method::passive);
    if (seen.rtt) told.rtts.push_back(seen.rtt->count() / 1000);
    told.losses += seen.rtt ? 0 : 1;
  });
  std::sort(told.rtts.begin(), told.rtts.end());
  return told;
}

TEST(Tally, TellsANetworkAndNeverAnAddress) {
  Tally tally(1);
  tally.add(connection(1, "192.0.2.7", 20'000), kSince);
  tally.add(connection(2, "192.0.2.9", 30'000), kSince);
  tally.add(connection(3, "2001:db8:1:2::3", 40'000), kSince);
  std::vector<Prefix> prefixes;
  tally.tell(Instant{}, 1, [&](const Observation& seen) { prefixes.push_back(seen.prefix); });
  std::sort(prefixes.begin(), prefixes.end());
  EXPECT_EQ(prefixes, (std::vector{prefix("192.0.2.0/24"), prefix("192.0.2.0/24"),
                                   prefix("2001:db8:1::/48")}));
  EXPECT_EQ(tell(tally, "192.0.2.0/24").rtts.size(), 0U);  // told once
}

TEST(Tally, ADelayedAcknowledgementIsNotThePaths) {
  Tally tally(1);
  Connection one = connection(1, "192.0.2.7", 32'000);  // 20 ms, and 40 ms now and then
  one.min_rtt = Micros(20'000);
  one.deviation = Micros(15'000);
  tally.add(one, kSince);
  EXPECT_EQ(tell(tally, "192.0.2.0/24").rtts, std::vector<std::int64_t>{20'000});
  one.min_rtt = Micros(20'000);  // what it was before the path changed
  one.rtt = Micros(60'000);
  one.deviation = Micros(1'000);
  tally.add(one, kSince);
  EXPECT_EQ(tell(tally, "192.0.2.0/24").rtts, std::vector<std::int64_t>{59'000});
}

TEST(Tally, ManyAreToldByTheirQuantilesAndTheirMinimum) {
  Tally tally(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto cookie = static_cast<std::uint64_t>(i + 1);
    Connection one = connection(cookie, "192.0.2.7", 20'000 + i);
    if (i == 5'000) one.min_rtt = Micros(11'000);
    tally.add(one, kSince);
  }
  const Told told = tell(tally, "192.0.2.0/24");
  ASSERT_EQ(told.rtts.size(), Tally::kTold);
  EXPECT_EQ(told.rtts.front(), 11'000);
  // Of 64 drawn from 10 000 evenly spread: the middle two within four deviations of the median,
  // 10 000 / (2 * sqrt(64)) = 625 each.
  EXPECT_NEAR(static_cast<double>(told.rtts[3] + told.rtts[4]) / 2, 25'000, 4 * 625);
}

TEST(Tally, AConnectionThatSaysNothingNewIsNotHeardAgain) {
  Tally tally(1);
  Connection one = connection(1, "192.0.2.7", 20'000);
  one.quiet = kSince + Millis(1);
  tally.add(one, kSince);
  EXPECT_TRUE(tell(tally, "192.0.2.0/24").rtts.empty());
}

TEST(Tally, LossIsTheShareOfSegmentsSentAgainSinceTheSweepBefore) {
  Tally tally(7);
  int losses = 0;
  std::size_t answers = 0;
  Connection one = connection(1, "192.0.2.7", 20'000);
  one.segments = 1'000'000;  // hours ago, all of them sent twice
  one.repeated = 500'000;
  for (int sweep = 0; sweep <= 4'000; ++sweep) {
    tally.add(one, kSince);
    tally.end_sweep();
    const Told told = tell(tally, "192.0.2.0/24");
    losses += told.losses;
    answers += told.rtts.size();
    one.segments += 100;
    one.repeated += 5;
  }
  EXPECT_EQ(answers, 4'001U);
  // 5 % of what is told: 4000 * 0.05 / 0.95 = 210.5, drawn with a deviation of 14.
  EXPECT_NEAR(losses, 210.5, 4 * 14);
}

TEST(Tally, WhatIsSentIntoSilenceCountsWhenTheAnswerComes) {
  Tally tally(7);
  Connection one = connection(1, "192.0.2.7", 20'000);
  tally.add(one, kSince);
  tally.end_sweep();
  tell(tally, "192.0.2.0/24");
  one.segments = one.repeated = 100;
  one.quiet = kSince + Millis(1);
  tally.add(one, kSince);
  tally.end_sweep();
  EXPECT_EQ(tell(tally, "192.0.2.0/24").losses, 0);
  one.quiet = Millis(0);
  tally.add(one, kSince);
  EXPECT_EQ(tell(tally, "192.0.2.0/24").losses, 1);  // as many as answers: half at most
}

TEST(Tally, ForgetsWhoIsGoneAndHoldsNoMoreThanItSays) {
  Tally tally(1);
  for (std::uint64_t i = 1; i <= 100; ++i) tally.add(connection(i, "192.0.2.7", 20'000), kSince);
  tally.end_sweep();
  tally.add(connection(1, "192.0.2.7", 20'000), kSince);
  tally.end_sweep();
  EXPECT_EQ(tally.connections(), 1U);
  for (std::uint32_t i = 0; i < Tally::kMaxNetworks + 10; ++i) {
    tally.add(Address::from_bits(Family::v4, std::uint64_t{i} << 40, 0), Micros(1));
  }
  EXPECT_EQ(tally.networks(), Tally::kMaxNetworks);
}

}  // namespace
}  // namespace isochrone::prober
