// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"
#include "prober/campaign.h"
#include "prober/network_pace.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

std::size_t most_in_a_second(const std::vector<Monotonic>& times) {
  std::size_t most = 0;
  for (std::size_t first = 0, last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= Seconds(1)) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

TEST(NetworkPace, CountsANetworkWhateverTheAddress) {
  NetworkPace pace(2);
  EXPECT_TRUE(pace.take(address("192.0.2.1"), at(Nanos(0))));
  EXPECT_FALSE(pace.take(address("192.0.2.200"), at(Millis(100))));
  EXPECT_TRUE(pace.take(address("192.0.3.1"), at(Millis(100))));
  EXPECT_TRUE(pace.take(address("2001:db8::1"), at(Millis(100))));
  EXPECT_FALSE(pace.take(address("2001:db8:0:9::1"), at(Millis(200))));
}

TEST(NetworkPace, TellsEachWhoWaitsALaterTime) {
  NetworkPace pace(10);
  const Address to = address("192.0.2.1");
  ASSERT_TRUE(pace.take(to, at(Nanos(0))));
  Monotonic last = at(-Pacer::kCatchUp);
  for (int i = 0; i < 5; ++i) {
    const Monotonic turn = pace.wait(to);
    EXPECT_GE(turn - last, Nanos(Millis(100)));
    last = turn;
  }
}

TEST(NetworkPace, ForgetsWhatNoLongerMatters) {
  NetworkPace pace(1);
  pace.take(address("192.0.2.1"), at(Nanos(0)));
  pace.take(address("192.0.3.1"), at(Millis(900)));
  pace.sweep(at(Millis(1'100)));
  EXPECT_EQ(pace.size(), 1U);
}

// A campaign in manual time whose loop wakes up late by up to `jitter`; every network answers as it
// likes. What left, and when.
struct Sends {
  std::vector<Monotonic> all;
  std::map<Prefix, std::vector<Monotonic>> by_network;
};

Sends run(const Options& options, std::uint64_t seed, Nanos length, Nanos jitter) {
  Random random(seed);
  Counters counters;
  Campaign campaign(options, seed, counters, [](const Observation&) {});
  Sends sends;
  std::multimap<Monotonic, Arrival> answers;
  Monotonic now = at(Nanos(0));
  while (now < at(length)) {
    const Instant wall(now.time_since_epoch());
    while (!answers.empty() && answers.begin()->first <= now) {
      campaign.arrived(answers.begin()->second, now, wall);
      answers.erase(answers.begin());
    }
    campaign.expire(now);
    while (const Probe* probe = campaign.next(now, wall)) {
      sends.all.push_back(now);
      sends.by_network[client_network(probe->destination)].push_back(now);
      if (random.below(3) == 0) continue;  // lost
      const Nanos rtt(static_cast<std::int64_t>(1'000'000 + random.below(80'000'000)));
      answers.emplace(now + rtt, Arrival{probe->sequence, probe->destination, probe->method, false,
                                         wall + rtt});
    }
    Monotonic wake = campaign.wake();
    if (!answers.empty()) wake = std::min(wake, answers.begin()->first);
    const auto late = random.below(static_cast<std::uint64_t>(jitter.count()));
    now = std::max(wake, now) + Nanos(1 + static_cast<std::int64_t>(late));
  }
  return sends;
}

// Many targets in few networks, and many prefixes with one resolver.
Options crowded(std::uint32_t rate_pps, std::uint32_t rate_per_network_pps) {
  Options options;
  options.site = "fra";
  options.allow_private = true;
  options.round_interval = Millis(2'000);
  options.timeout = Millis(200);
  options.rate_pps = rate_pps;
  options.rate_per_network_pps = rate_per_network_pps;
  for (std::uint8_t network = 0; network < 40; ++network) {
    for (std::uint8_t host = 1; host <= 5; ++host) {
      const Address address = Address::v4(10, 1, network, host);
      options.targets.push_back({Prefix(address, 32), address});
      options.targets.push_back(
          {Prefix(Address::v4(10, 2, network, host), 32), Address::v4(10, 9, 9, 9)});
    }
  }
  return options;
}

TEST(NetworkPace, NoNetworkGetsMoreThanItsRateInAnySecond) {
  for (const std::uint32_t per_network : {1U, 3U, 10U}) {
    for (const Nanos jitter : {Nanos(Micros(50)), Nanos(Millis(3)), Nanos(Millis(30))}) {
      const Sends sends = run(crowded(1'000, per_network), 7, Seconds(20), jitter);
      ASSERT_EQ(sends.by_network.size(), 41U);
      for (const auto& [network, times] : sends.by_network) {
        ASSERT_LE(most_in_a_second(times), per_network) << network.to_string();
      }
      EXPECT_LE(most_in_a_second(sends.all), 1'000U);
    }
  }
}

TEST(NetworkPace, WhatIsAskedOfManyNetworksIsReachedWithinOnePercent) {
  Options options = crowded(400, 10'000);
  options.methods = {Method::icmp};
  options.round_interval = Seconds(1);  // 400 targets, 3 probes: more than the rate allows
  const Sends sends = run(options, 7, Seconds(30), Micros(100));
  EXPECT_LE(most_in_a_second(sends.all), 400U);
  EXPECT_GE(sends.all.size(), 400U * 30 * 99 / 100);
}

TEST(NetworkPace, EveryTargetOfACrowdedNetworkHasItsTurns) {
  Options options = crowded(1'000, 10);  // a network of five targets is asked for 7.5 a second
  options.targets.erase(options.targets.begin() + 2, options.targets.end());
  for (std::uint8_t host = 2; host <= 5; ++host) {
    const Address address = Address::v4(10, 1, 0, host);
    options.targets.push_back({Prefix(address, 32), address});
  }
  Counters counters;
  std::map<Address, int> sent;
  Campaign campaign(options, 3, counters, [](const Observation&) {});
  for (Nanos elapsed{0}; elapsed < Seconds(20); elapsed += Millis(1)) {
    const Instant wall(at(elapsed).time_since_epoch());
    while (const Probe* probe = campaign.next(at(elapsed), wall)) {
      ++sent[probe->destination];
      campaign.arrived({probe->sequence, probe->destination, probe->method, false, wall},
                       at(elapsed), wall);
    }
  }
  EXPECT_EQ(sent.size(), 6U);
  for (const auto& [to, count] : sent) EXPECT_GE(count, 28) << to.to_string();  // of 30
}

}  // namespace
}  // namespace isochrone::prober
