// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "prober/campaign.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

const Instant kStart = from_unix_nanos(1'700'000'000'000'000'000);

Options options_with(std::vector<TargetSource> targets) {
  Options options;
  options.site = "fra";
  options.allow_private = true;
  options.round_interval = Millis(3'000);
  options.timeout = Millis(500);
  options.targets = std::move(targets);
  return options;
}

TargetSource host(std::uint8_t network) {
  return {Prefix(Address::v4(10, 0, network, 0), 24), Address::v4(10, 0, network, 1)};
}

event::Target wanted(std::uint8_t network, std::vector<Address> addresses = {}) {
  if (addresses.empty()) addresses = {Address::v4(10, 0, network, 1)};
  return {Prefix(Address::v4(10, 0, network, 0), 24), std::move(addresses), {}, Seconds(300), 1};
}

// A campaign in manual time whose network answers as `answers` says, 10 ms later.
class World {
 public:
  explicit World(const Options& options)
      : campaign(options, 1, counters, [this](const Observation& o) { seen.push_back(o); }) {}

  void run(Nanos length) {
    const Nanos end = elapsed + length;
    while (elapsed < end) {
      elapsed += Millis(1);
      deliver();
      campaign.expire(at(elapsed));
      while (Probe* probe = campaign.next(at(elapsed), kStart + elapsed)) {
        sent.push_back(*probe);
        if (answers(*probe)) on_their_way.push_back(*probe);
      }
    }
  }

  Counters counters;
  std::vector<Observation> seen;
  std::vector<Probe> sent;
  std::function<bool(const Probe&)> answers = [](const Probe&) { return true; };
  Nanos elapsed{0};
  Campaign campaign;

 private:
  void deliver() {
    std::erase_if(on_their_way, [&](const Probe& probe) {
      if (at(elapsed) < probe.sent_at + Millis(10)) return false;
      campaign.arrived(
          {probe.sequence, probe.destination, probe.method, false, probe.sent + Millis(10)},
          at(elapsed), kStart + elapsed);
      return true;
    });
  }
  std::vector<Probe> on_their_way;
};

TEST(Campaign, ProbesEveryTargetAsOftenAsAskedEachRound) {
  World world(options_with({host(1), host(2), host(3)}));
  world.run(Millis(5'990));
  EXPECT_EQ(world.sent.size(), 18U);  // 3 targets, 3 probes, 2 rounds
  ASSERT_EQ(world.seen.size(), 18U);
  for (const Observation& seen : world.seen) EXPECT_EQ(seen.rtt, Nanos(Millis(10)));
  EXPECT_EQ(world.seen.front().round, 1U);
  EXPECT_EQ(world.seen.back().round, 2U);
}

TEST(Campaign, ReportsOrWithholdsEveryProbeExactlyOnce) {
  World world(options_with({host(1), host(2), host(3), host(4)}));
  world.answers = [](const Probe& probe) { return probe.sequence % 3 != 0; };
  world.run(Seconds(30));
  const std::uint64_t withheld = world.counters.withheld.value();
  EXPECT_EQ(world.seen.size() + withheld + world.campaign.in_flight().waiting(), world.sent.size());
  std::uint64_t ended = 0;
  for (const MethodCounters& of : world.counters.by_method) {
    ended += of.answered.value() + of.lost.value();
  }
  EXPECT_GT(world.counters.of(Method::icmp).lost.value(), 0U);
  EXPECT_EQ(ended, world.seen.size() + withheld);
}

TEST(Campaign, FindsTheMethodThatAnswersWithinTwoRoundsAndKeepsIt) {
  for (const Method speaks : {Method::icmp, Method::tcp, Method::dns, Method::hop}) {
    World world(options_with({host(1)}));
    world.answers = [&](const Probe& probe) {
      return probe.method == speaks && (speaks != Method::hop || probe.ttl <= 9);
    };
    world.run(Millis(5'990));  // two rounds
    const auto answered = [&](const Observation& seen) {
      return seen.method == speaks && seen.rtt.has_value();
    };
    EXPECT_TRUE(std::any_of(world.seen.begin(), world.seen.end(), answered)) << int(speaks);
    const std::size_t before = world.sent.size();
    world.run(Seconds(6));
    EXPECT_EQ(world.sent.size(), before + 6);
    for (std::size_t i = before; i < world.sent.size(); ++i) {
      EXPECT_EQ(world.sent[i].method, speaks);
    }
  }
}

TEST(Campaign, ASilentNetworkIsSearchedEagerlyOnceAndThenTakesItsTurnsOnly) {
  World world(options_with({host(1)}));
  world.answers = [](const Probe&) { return false; };
  world.run(Seconds(60));
  // 20 rounds of three turns and the turns of one search.
  EXPECT_LE(world.sent.size(), 60U + kEager);
  EXPECT_EQ(
      world.seen.size() + world.counters.withheld.value() + world.campaign.in_flight().waiting(),
      world.sent.size());
}

TEST(Campaign, SpendsNothingOnATargetWhoseLifetimeIsOver) {
  Options options = options_with({});
  options.round_interval = Seconds(60);
  options.probes_per_round = 60;
  World world(options);
  world.campaign.demand(wanted(9), Seconds(290), at(Nanos(0)));  // ten seconds are left
  world.run(Seconds(60));
  for (const Probe& probe : world.sent) EXPECT_LT(probe.sent_at, at(Seconds(10)));
  EXPECT_GE(world.sent.size(), 9U);
}

TEST(Campaign, TriesADemandedTargetsAddressesInTurnAndKeepsTheFirstThatAnswers) {
  World world(options_with({}));
  world.run(Millis(10));
  const Address good = address("10.0.7.3");
  world.campaign.demand(wanted(7, {address("10.0.7.1"), address("10.0.7.2"), good}), Nanos(0),
                        at(world.elapsed));
  world.answers = [&](const Probe& probe) { return probe.destination == good; };
  world.run(Seconds(9));
  ASSERT_GE(world.sent.size(), 6U);
  EXPECT_EQ(world.sent[0].destination, address("10.0.7.1"));
  EXPECT_EQ(world.sent[1].destination, address("10.0.7.2"));
  for (std::size_t i = 2; i < world.sent.size(); ++i) EXPECT_EQ(world.sent[i].destination, good);
}

TEST(Campaign, ProbesANewTargetAtOnce) {
  World world(options_with({host(1)}));
  world.run(Millis(1'500));
  const std::size_t before = world.sent.size();
  world.campaign.demand(wanted(9), Nanos(0), at(world.elapsed));
  world.run(Millis(5));
  ASSERT_EQ(world.sent.size(), before + 1);
  EXPECT_EQ(world.sent.back().destination, address("10.0.9.1"));
}

TEST(Campaign, ForgetsADemandWhenItsLifetimeIsOver) {
  World world(options_with({}));
  world.campaign.demand(wanted(9), Seconds(290), at(Nanos(0)));
  world.campaign.demand(wanted(8), Seconds(300), at(Nanos(0)));
  EXPECT_EQ(world.counters.demanded, 1U);
  world.run(Seconds(13));
  EXPECT_EQ(world.counters.demanded, 0U);
}

TEST(Campaign, LeavesTargetsForOtherSitesAlone) {
  World world(options_with({}));
  event::Target target = wanted(9);
  target.sites = {"iad"};
  world.campaign.demand(target, Nanos(0), at(Nanos(0)));
  EXPECT_EQ(world.counters.demanded, 0U);
  target.sites = {"iad", "fra"};
  world.campaign.demand(target, Nanos(0), at(Nanos(0)));
  EXPECT_EQ(world.counters.demanded, 1U);
}

TEST(Campaign, NeverHasTwoProbesOfOneTargetInFlight) {
  Options options = options_with({host(1), host(2)});
  options.round_interval = Millis(300);  // passes of 100 ms, losses after 500 ms
  World world(options);
  world.answers = [](const Probe&) { return false; };
  world.run(Seconds(10));
  for (std::size_t i = 0; i < world.sent.size(); ++i) {
    for (std::size_t j = i + 1; j < world.sent.size(); ++j) {
      if (world.sent[i].target == world.sent[j].target) {
        EXPECT_GE(world.sent[j].sent_at - world.sent[i].sent_at, Nanos(Millis(500)));
      }
    }
  }
  EXPECT_GT(world.counters.skipped.value(), 0U);
}

TEST(Campaign, StretchesARoundThatDoesNotFitTheRate) {
  std::vector<TargetSource> targets;
  for (std::uint8_t i = 0; i < 200; ++i) targets.push_back(host(i));
  Options options = options_with(targets);
  options.rate_pps = 100;  // 600 probes need 6 s
  World world(options);
  world.run(Millis(6'100));
  EXPECT_GE(world.counters.rounds_stretched.value(), 1U);
  std::size_t in_first_second = 0;
  for (const Probe& probe : world.sent) in_first_second += probe.sent_at < at(Seconds(1)) ? 1U : 0U;
  EXPECT_LE(in_first_second, 100U);
}

TEST(Campaign, CountsLateAndDuplicateAndForgedApart) {
  World world(options_with({host(1)}));
  world.answers = [](const Probe&) { return false; };
  world.run(Millis(100));
  ASSERT_EQ(world.sent.size(), 1U);
  Arrival arrival{world.sent[0].sequence, world.sent[0].destination, Method::icmp, true, kStart};
  world.campaign.arrived(arrival, at(world.elapsed), kStart + world.elapsed);
  world.run(Millis(600));
  arrival.is_forged = false;
  world.campaign.arrived(arrival, at(world.elapsed), kStart + world.elapsed);
  world.campaign.arrived(arrival, at(world.elapsed), kStart + world.elapsed);
  const auto& icmp = world.counters.of(Method::icmp);
  EXPECT_EQ(icmp.forged.value(), 1U);
  EXPECT_EQ(icmp.lost.value(), 1U);
  EXPECT_EQ(icmp.late.value(), 1U);
  EXPECT_EQ(icmp.duplicate.value(), 1U);
  EXPECT_EQ(world.seen.size(), 1U);
}

TEST(Campaign, TakesTheMonotonicClockWhenTheWallClockWasSet) {
  World world(options_with({host(1)}));
  world.answers = [](const Probe&) { return false; };
  world.run(Millis(100));
  const Probe& probe = world.sent.at(0);
  const Instant set = kStart + world.elapsed + Seconds(3'600);
  world.campaign.arrived({probe.sequence, probe.destination, Method::icmp, false, set},
                         at(world.elapsed), set);
  ASSERT_EQ(world.seen.size(), 1U);
  EXPECT_EQ(world.seen[0].rtt, at(world.elapsed) - probe.sent_at);
  EXPECT_EQ(world.counters.clock_steps.value(), 1U);
}

TEST(Campaign, BeingScheduledLateIsNoClockStep) {
  World world(options_with({host(1)}));
  world.answers = [](const Probe&) { return false; };
  world.run(Millis(100));
  // The process slept 50 ms before it sent, and 50 ms before it read: the kernel's stamps know.
  Probe probe = world.sent.at(0);
  const Instant received = probe.sent + Millis(3);
  world.run(Millis(100));
  world.campaign.arrived({probe.sequence, probe.destination, Method::icmp, false, received},
                         at(world.elapsed), kStart + world.elapsed);
  ASSERT_EQ(world.seen.size(), 1U);
  EXPECT_EQ(world.seen[0].rtt, Millis(3));
  EXPECT_EQ(world.counters.clock_steps.value(), 0U);
}

TEST(Campaign, ReloadDropsWhoOptedOutAndKeepsWhatIsInFlight) {
  World world(options_with({host(1), host(2)}));
  world.answers = [](const Probe&) { return false; };
  world.run(Millis(700));
  const std::size_t sent = world.sent.size();
  ASSERT_GE(sent, 2U);
  Options next = options_with({host(1), host(2)});
  next.opt_out = {host(2).prefix};
  next.rate_pps = 50'000;
  const std::size_t before = world.seen.size();
  world.campaign.configure(next);
  world.run(Seconds(6));
  EXPECT_GT(world.sent.size(), sent);
  for (std::size_t i = sent; i < world.sent.size(); ++i) {
    EXPECT_EQ(world.sent[i].destination, address("10.0.1.1"));
  }
  EXPECT_GT(world.seen.size(), before);
  EXPECT_EQ(world.counters.configured, 1U);
}

TEST(Campaign, CountsNoRouteAsLostAndOtherRefusalsNotAtAll) {
  World world(options_with({host(1), host(2)}));
  Probe* first = nullptr;
  for (; first == nullptr; world.elapsed += Millis(1)) {
    first = world.campaign.next(at(world.elapsed), kStart);
  }
  world.campaign.cancelled(first->sequence, true);
  EXPECT_EQ(world.seen.size(), 1U);
  EXPECT_FALSE(world.seen[0].rtt);
  Probe* second = nullptr;
  for (; second == nullptr; world.elapsed += Millis(1)) {
    second = world.campaign.next(at(world.elapsed), kStart);
  }
  world.campaign.cancelled(second->sequence, false);
  EXPECT_EQ(world.seen.size(), 1U);
  EXPECT_EQ(world.counters.send_errors.value(), 1U);
}

}  // namespace
}  // namespace isochrone::prober
