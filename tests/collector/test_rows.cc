// SPDX-License-Identifier: Apache-2.0
//
// Rows: routed prefixes are divided where they are served differently, and there alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/random.h"
#include "collector/core.h"
#include "event/codec.h"
#include "event/convert.h"
#include "routing/compile.h"
#include "routing/decision.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr routing::ServiceId kWww{0};

Prefix prefix(std::string_view text) { return *Prefix::parse(text); }

// The nth block of a prefix.
Prefix block_of(const Prefix& around, std::uint64_t n) {
  const bool is_v4 = around.family() == Family::v4;
  const std::uint64_t high = around.address().high() | (is_v4 ? n << 40 : n << 16);
  return {Address::from_bits(around.family(), high, around.address().low()), is_v4 ? 24 : 48};
}

Options adaptive(const char* networks, std::size_t max_rows = 0) {
  Options options = test_options();
  if (*networks != '\0') {
    options.networks =
        std::make_shared<routing::RoutedNetworks>(*routing::RoutedNetworks::parse(networks));
  }
  options.max_rows = max_rows;
  return options;
}

// Milliseconds from a site to a block.
using Rtt = std::function<double(std::size_t site, const Prefix& block)>;

class World {
 public:
  explicit World(const Options& options, std::uint64_t seed = 1)
      : options_(options), core(options, two_sites(), 7), random_(seed) {}

  // A window in which each of these blocks is measured from both sites.
  void window(const std::vector<Prefix>& blocks, const Rtt& rtt) {
    std::vector<event::Event> events;
    for (const Prefix& block : blocks) {
      for (std::size_t site = 0; site < 2; ++site) {
        const std::string name = site == 0 ? "fra" : "iad";
        for (int i = 0; i < 3; ++i) {
          const Micros seen(std::llround(rtt(site, block) * 1'000));
          events.push_back({id(++sequence_, "prober-" + name), now_ + Millis(100 * i), "round",
                            event::Measurement{name, block, routing::Method::icmp, seen}});
        }
      }
    }
    for (std::size_t i = events.size(); i > 1; --i) {
      std::swap(events[i - 1], events[shuffle_.below(i)]);
    }
    post(std::move(events));
    now_ += options_.window;
    core.advance(now_ + options_.lateness);
    drain();
  }
  void windows(int count, const std::vector<Prefix>& blocks, const Rtt& rtt) {
    for (int i = 0; i < count; ++i) window(blocks, rtt);
  }
  void ask(const Prefix& block, std::uint32_t queries) {
    post({{id(++sequence_, "dns"),
           now_,
           {},
           event::Demand{"www.example.com", block, *Address::parse("203.0.113.9"), queries,
                         Millis(1'000)}}});
  }
  void post(std::vector<event::Event> events) {
    auto admitted = core.admit(std::move(events), now_);
    std::vector<event::Position> positions;
    for (std::size_t i = 0; i < admitted.fresh.size(); ++i) positions.push_back(++last_);
    core.apply(admitted.fresh, positions, now_);
    drain();
  }
  void shuffle_by(std::uint64_t seed) { shuffle_ = Random(seed); }

  std::vector<std::string> rows() const {
    std::vector<std::string> found;
    for (const auto& [prefix, known] : core.state().prefixes()) found.push_back(prefix.to_string());
    std::sort(found.begin(), found.end());
    return found;
  }
  std::string answer(const char* client) const {
    const auto table = routing::compile_table(core.topology(), core.state(), nullptr, 1);
    const auto choice = routing::choose(*table, kWww, *Address::parse(client), routing::kAllSites);
    return core.topology().sites[choice.site.index()].name;
  }
  // As somebody sees who follows the states.
  const routing::PerformanceState& followed() const { return followed_; }
  const std::string& said() const { return said_; }
  double noise() { return static_cast<double>(random_.below(1'000)) / 1'000; }

 private:
  Options options_;

 public:
  Core core;

 private:
  void drain() {
    for (const event::Event& event : core.outbox().events) {
      const auto* state = std::get_if<event::State>(&event.payload);
      if (state == nullptr) continue;
      said_ += event::to_protobuf({{}, {}, {}, event.payload});
      followed_.apply(event::from_event(*state, core.topology()));
      if (state->paths.empty()) followed_.erase(state->prefix);
    }
    core.outbox_is_durable();
  }

  Random random_;
  Random shuffle_{1};
  Instant now_ = kStart;
  std::uint64_t sequence_ = 0;
  event::Position last_ = 0;
  std::string said_;
  routing::PerformanceState followed_;
};

std::vector<Prefix> blocks(std::string_view around, std::initializer_list<std::uint64_t> which) {
  std::vector<Prefix> found;
  for (const std::uint64_t n : which) found.push_back(block_of(prefix(around), n));
  return found;
}

// fra is 20 ms nearer in the lower half of the third octet, iad in the upper.
double by_halves(const Prefix& block, std::size_t site) {
  const bool is_upper = (block.address().high() >> 45 & 1) != 0;
  return (site == 0) != is_upper ? 10 : 30;
}

TEST(Rows, SplitWhereHalvesAreServedDifferentlyAndMergeAgain) {
  World world(adaptive("10.1.0.0/18"));
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
  const auto halves = [&](std::size_t site, const Prefix& at) {
    return by_halves(at, site) + world.noise();
  };
  world.windows(12, all, halves);
  EXPECT_THAT(world.rows(), UnorderedElementsAre("10.1.0.0/18", "10.1.32.0/19"));
  EXPECT_EQ(world.answer("10.1.7.1"), "fra");  // nobody measured these two
  EXPECT_EQ(world.answer("10.1.40.1"), "iad");
  const auto alike = [&](std::size_t site, const Prefix&) {
    return (site == 0 ? 10 : 30) + world.noise();
  };
  world.windows(40, all, alike);
  EXPECT_THAT(world.rows(), ElementsAre("10.1.0.0/18"));
  EXPECT_EQ(world.answer("10.1.7.1"), "fra");
  EXPECT_EQ(world.answer("10.1.40.1"), "fra");
  EXPECT_EQ(world.followed().size(), 1U);
}

// A routed prefix as wide as what the table rewrites at once is two starts; their answers are one block again.
TEST(Rows, OfAWholeSixteenAreOneBlockOfAnswersWhereTheyAgree) {
  World world(adaptive("10.1.0.0/16"));
  const auto all = blocks("10.1.0.0/16", {0, 9, 100, 128, 160, 250});
  const auto halves = [&](std::size_t site, const Prefix& at) {
    const bool is_upper = (at.address().high() >> 47 & 1) != 0;
    return ((site == 0) != is_upper ? 10 : 30) + world.noise();
  };
  world.windows(12, all, halves);
  EXPECT_THAT(world.rows(), UnorderedElementsAre("10.1.0.0/17", "10.1.128.0/17"));
  EXPECT_EQ(world.answer("10.1.7.1"), "fra");
  EXPECT_EQ(world.answer("10.1.200.1"), "iad");
  world.windows(40, all, [&](std::size_t site, const Prefix&) {
    return (site == 0 ? 30 : 10) + world.noise();
  });
  const auto table = routing::compile_table(world.core.topology(), world.core.state(), nullptr, 1);
  EXPECT_EQ(table->find(kWww, *Address::parse("10.1.7.1")).block_length, 16);
}

TEST(Rows, OfIpv6FollowTheSameRule) {
  World world(adaptive("2001:db8::/40"));
  const auto all = blocks("2001:db8::/40", {0, 3, 100, 128, 130, 255});
  world.windows(12, all, [&](std::size_t site, const Prefix& at) {
    const bool is_upper = (at.address().high() >> 23 & 1) != 0;
    return ((site == 0) != is_upper ? 10 : 30) + world.noise();
  });
  EXPECT_THAT(world.rows(), UnorderedElementsAre("2001:db8::/40", "2001:db8:80::/41"));
  EXPECT_EQ(world.answer("2001:db8:7::1"), "fra");
  EXPECT_EQ(world.answer("2001:db8:90::1"), "iad");
}

TEST(Rows, FindOneBlockAmongMany) {
  World world(adaptive("10.1.0.0/18"));
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 21, 37, 50, 63});
  world.windows(12, all, [&](std::size_t site, const Prefix& at) {
    const bool is_odd = at == block_of(prefix("10.1.0.0/18"), 21);
    return ((site == 0) != is_odd ? 10 : 30) + world.noise();
  });
  EXPECT_THAT(world.rows(), UnorderedElementsAre("10.1.0.0/18", "10.1.21.0/24"));
}

TEST(Rows, AreOneHoweverFarBlocksAreFromEverything) {
  World world(adaptive("10.1.0.0/18"));
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
  world.windows(30, all, [&](std::size_t site, const Prefix& at) {
    const auto far = static_cast<double>(at.address().high() >> 40 & 63);
    return far * 3 + (site == 0 ? 10 : 14) + 2 * world.noise();
  });
  EXPECT_THAT(world.rows(), ElementsAre("10.1.0.0/18"));
}

TEST(Rows, AreNotLaidByNoise) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    World world(adaptive("10.1.0.0/18"), seed);
    const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
    std::size_t most = 0;
    for (int i = 0; i < 100; ++i) {
      world.window(all, [&](std::size_t, const Prefix&) { return 10 + 8 * world.noise(); });
      most = std::max(most, world.core.state().size());
    }
    EXPECT_EQ(most, 1U) << seed;
  }
}

TEST(Rows, AreTheSameInWhateverOrderEventsCame) {
  const auto run = [](std::uint64_t order) {
    World world(adaptive("10.1.0.0/18\n10.1.16.0/20\n2001:db8::/40", 6));
    world.shuffle_by(order);
    auto all = blocks("10.1.0.0/18", {0, 3, 9, 17, 20, 32, 37, 50, 63});
    for (const Prefix& each : blocks("2001:db8::/40", {0, 3, 128, 200})) all.push_back(each);
    // Draws are by place and time, not by turn.
    std::uint64_t window = 0;
    const auto rtt = [&](std::size_t site, const Prefix& at) {
      const std::uint64_t draw = hash_bits(at.address().high() + site, 7 + window / 10);
      return 10 + static_cast<double>(draw % 40);
    };
    for (; window < 60; ++window) {
      for (std::size_t i = 0; i < all.size(); ++i) world.ask(all[i], 1 + static_cast<unsigned>(i));
      world.window(all, rtt);
    }
    return world.said();
  };
  const std::string said = run(1);
  for (std::uint64_t order = 2; order <= 6; ++order) ASSERT_EQ(run(order), said) << order;
}

TEST(Rows, AreNeverMoreThanAllowedAndTheMostValuableStay) {
  constexpr std::size_t kMost = 100;
  World world(adaptive("", kMost));
  const auto wanted = blocks("10.1.0.0/18", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto rtt = [&](std::size_t site, const Prefix&) {
    return (site == 0 ? 10 : 30) + world.noise();
  };
  for (const Prefix& each : wanted) world.ask(each, 1'000);
  for (std::uint64_t flood = 0; flood < 30; ++flood) {
    auto all = wanted;
    for (std::uint64_t i = 0; i < 200; ++i) {
      all.push_back(block_of(prefix("11.0.0.0/8"), flood * 200 + i));
    }
    world.window(all, rtt);
    ASSERT_LE(world.core.state().size(), kMost) << flood;
    ASSERT_LE(world.followed().size(), kMost) << flood;
  }
  for (const Prefix& each : wanted) EXPECT_NE(world.core.state().find(each), nullptr);
}

// After a start with nothing but what was said: rows and what they know go on, and new blocks join them.
TEST(Rows, AreTakenUpFromWhatWasSaid) {
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
  World before(adaptive("10.1.0.0/18"));
  before.windows(12, all, [&](std::size_t site, const Prefix& at) { return by_halves(at, site); });
  World after(adaptive("10.1.0.0/18"));
  Foreign foreign;
  for (const auto& [row, known] : before.core.state().prefixes()) {
    foreign.events.push_back({id(foreign.events.size() + 1, "collector"),
                              kStart,
                              {},
                              event::to_event(known, before.core.topology())});
    foreign.positions.push_back(foreign.events.size());
  }
  after.core.take(foreign, kStart);
  after.windows(1, blocks("10.1.0.0/18", {5}),
                [&](std::size_t site, const Prefix& at) { return by_halves(at, site); });
  EXPECT_EQ(after.rows(), before.rows());
  EXPECT_EQ(after.answer("10.1.7.1"), "fra");
  EXPECT_EQ(after.answer("10.1.40.1"), "iad");
}

TEST(Rows, SurviveAReloadThatNumbersSitesAnew) {
  World world(adaptive("10.1.0.0/18"));
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
  const auto halves = [&](std::size_t site, const Prefix& at) { return by_halves(at, site); };
  world.windows(12, all, halves);
  const auto rows = world.rows();
  routing::Topology topology = two_sites();
  std::swap(topology.sites[0], topology.sites[1]);
  std::swap(topology.services[0].sites[0], topology.services[0].sites[1]);
  world.core.reconfigure(adaptive("10.1.0.0/18"), topology);
  EXPECT_EQ(world.rows(), rows);
  world.windows(3, all, halves);
  EXPECT_EQ(world.rows(), rows);
  EXPECT_EQ(world.answer("10.1.7.1"), "fra");
  EXPECT_EQ(world.answer("10.1.40.1"), "iad");
}

TEST(Rows, ThatNobodyMeasuresAreForgotten) {
  Options options = adaptive("10.1.0.0/18");
  options.path_lifetime = Seconds(30);
  World world(options);
  world.windows(12, blocks("10.1.0.0/18", {0, 3, 32, 63}),
                [&](std::size_t site, const Prefix& at) { return by_halves(at, site); });
  ASSERT_EQ(world.core.state().size(), 2U);
  world.windows(120, {}, [](std::size_t, const Prefix&) { return 1; });
  EXPECT_EQ(world.core.state().size(), 0U);
  EXPECT_EQ(world.followed().size(), 0U);
}

TEST(Rows, KnowOfAPathWhatIsKnownAroundThem) {
  World world(adaptive("10.1.0.0/18"));
  // The upper half is measured from iad and, at first, fra; what fra sees of the whole is known besides.
  const auto all = blocks("10.1.0.0/18", {0, 3, 9, 20, 32, 37, 50, 63});
  world.windows(12, all, [&](std::size_t site, const Prefix& at) { return by_halves(at, site); });
  const routing::PrefixState* part = world.core.state().find(prefix("10.1.32.0/19"));
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(part->paths.size(), 2U);
  EXPECT_EQ(part->find(routing::SiteId(0))->p50, Micros(30'000));
  EXPECT_EQ(world.core.state().find(prefix("10.1.0.0/18"))->find(routing::SiteId(0))->p50,
            Micros(10'000));
}

// Any blocks, in any state: each has a row around it, rows say what their blocks say, and a block inside a
// part without a row of its own is not worse off than chance explains.
TEST(Division, OfAnythingCoversEveryBlock) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    const routing::Topology topology = two_sites();
    std::map<Prefix, routing::PrefixState> known;
    for (std::uint64_t i = 1 + random.below(40); i > 0; --i) {
      routing::PrefixState block;
      block.prefix = block_of(prefix("10.1.0.0/18"), random.below(64));
      if (random.below(8) == 0) {
        block.prefix = Prefix(block.prefix.address(), 20 + static_cast<int>(random.below(8)));
      }
      for (std::uint16_t site = 0; site < 2; ++site) {
        if (random.below(6) == 0) continue;
        routing::Estimate estimate;
        estimate.p50 = estimate.min = estimate.p90 = Micros(5'000 + random.below(60'000));
        estimate.jitter = Micros(random.below(3'000));
        estimate.samples = static_cast<std::uint32_t>(random.below(60));
        estimate.at = kStart;
        block.set(routing::SiteId(site), estimate);
      }
      if (!block.paths.empty()) known[block.prefix] = block;
    }
    Blocks blocks;
    for (const auto& [at, block] : known) blocks.push_back(&block);
    const routing::PerformanceState rows;
    const std::set<Prefix> laid;
    const Targets targets(Seconds(300));
    const Ground ground{topology, rows, laid, targets, routing::kAllSites, 0};
    const auto found = divide(prefix("10.1.0.0/18"), blocks, ground);
    ASSERT_EQ(found.empty(), blocks.empty());
    ASSERT_LE(found.size(), blocks.size() + 1);
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_FALSE(found[i].paths.empty()) << seed;
      ASSERT_TRUE(prefix("10.1.0.0/18").contains(found[i].prefix));
      if (i > 0) {
        ASSERT_LT(found[i - 1].prefix, found[i].prefix) << seed;
      }
      // Nothing is said that no block said.
      for (const routing::PathState& path : found[i].paths) {
        Micros least = Micros::max();
        Micros most = Micros::min();
        for (const routing::PrefixState* block : blocks) {
          const routing::Estimate* estimate = block->find(path.site);
          if (estimate == nullptr || estimate->samples == 0) continue;
          least = std::min(least, estimate->p50);
          most = std::max(most, estimate->p50);
        }
        if (path.estimate.samples == 0) continue;
        ASSERT_LE(least, path.estimate.p50 + Micros(1)) << seed;
        ASSERT_GE(most, path.estimate.p50 - Micros(1)) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace isochrone::collector
