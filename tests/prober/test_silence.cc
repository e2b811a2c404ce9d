// SPDX-License-Identifier: Apache-2.0
//
// Networks that do not answer everything: a third is silent to ICMP, a third of those to TCP as well.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "prober/campaign.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

constexpr std::uint32_t kNetworks = 450;
constexpr Millis kRound{10'000};

Address host_of(std::uint32_t number) {
  return Address::v4(10, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number),
                     1);
}

// Whether the network answers to such a probe at all. Of those silent to ICMP and TCP every other
// answers DNS; before the rest a router answers, five hops away.
bool answers(const Probe& probe) {
  const auto bits = static_cast<std::uint32_t>(probe.destination.high() >> 40);
  const std::uint32_t number = bits & 0xffff;
  switch (probe.method) {
    case Method::icmp:
      return number % 3 != 0;
    case Method::tcp:
      return number % 9 != 0;
    case Method::dns:
      return number % 18 == 9;
    default:
      return probe.ttl <= 5;
  }
}

struct World {
  explicit World(double loss_share) : loss(loss_share) {
    options.site = "fra";
    options.allow_private = true;
    options.round_interval = kRound;
    options.timeout = Millis(800);
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      options.targets.push_back({client_network(host_of(i)), host_of(i)});
    }
  }

  template <class See>
  void run(Nanos length, See see) {
    Monotonic now = at(Nanos(0));
    Campaign campaign(options, 7, counters,
                      [&](const Observation& seen) { see(seen, now - at(Nanos(0))); });
    std::multimap<Monotonic, Arrival> on_their_way;
    while (now < at(length)) {
      const Instant wall(now.time_since_epoch());
      while (!on_their_way.empty() && on_their_way.begin()->first <= now) {
        campaign.arrived(on_their_way.begin()->second, now, wall);
        on_their_way.erase(on_their_way.begin());
      }
      campaign.expire(now);
      while (const Probe* probe = campaign.next(now, wall)) {
        if (!answers(*probe) || random.unit() < loss) continue;
        const Nanos rtt(static_cast<std::int64_t>(5'000'000 + random.below(200'000'000)));
        on_their_way.emplace(now + rtt, Arrival{probe->sequence, probe->destination, probe->method,
                                                false, wall + rtt});
      }
      now += Micros(500);
    }
  }

  double loss;
  Options options;
  Counters counters;
  Random random{11};
};

TEST(Silence, ANetworkIsMeasuredByAnotherMethodWithinTwoRounds) {
  World world(0);
  std::map<Prefix, Method> measured;
  world.run(2 * kRound, [&](const Observation& seen, Nanos) {
    if (seen.rtt) measured.emplace(seen.prefix, seen.method);
  });
  ASSERT_EQ(measured.size(), kNetworks);
  std::map<Method, int> by_method;
  for (const auto& [prefix, method] : measured) ++by_method[method];
  EXPECT_EQ(by_method,
            (std::map<Method, int>{
                {Method::icmp, 300}, {Method::tcp, 100}, {Method::dns, 25}, {Method::hop, 25}}));
}

// Of 50 000 probes the share lost has a deviation of sqrt(0.05 * 0.95 / 50 000) = 0.1 points, so 0.5
// points is five of them.
TEST(Silence, LossIsThePathsAndNotThatOfTheSearch) {
  World world(0.05);
  int lost = 0;
  int all = 0;
  std::set<Prefix> measured;
  world.run(40 * kRound, [&](const Observation& seen, Nanos elapsed) {
    if (elapsed < 2 * kRound) return;
    ++all;
    lost += seen.rtt ? 0 : 1;
    if (seen.rtt) measured.insert(seen.prefix);
  });
  EXPECT_EQ(measured.size(), kNetworks);
  EXPECT_GE(all, 45'000);
  EXPECT_NEAR(100.0 * lost / all, 5.0, 0.5);
}

}  // namespace
}  // namespace isochrone::prober
