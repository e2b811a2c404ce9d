// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "prober/hop_search.h"

namespace isochrone::prober {
namespace {

// A path whose hops up to `length` exist, `silent` ones among them say nothing.
struct Path {
  std::uint8_t length = 0;
  std::set<std::uint8_t> silent;
  bool answers(std::uint8_t ttl) const { return ttl <= length && !silent.contains(ttl); }
  std::uint8_t last() const {
    std::uint8_t hop = length;
    while (hop > 0 && silent.contains(hop)) --hop;
    return hop;
  }
};

struct Found {
  HopSearch search;
  int probes = 0;
};

Found walk(const Path& path) {
  Found found;
  for (; !found.search.is_over() && found.probes < 100; ++found.probes) {
    const std::uint8_t ttl = found.search.ttl();
    EXPECT_GE(ttl, 1);
    EXPECT_LE(ttl, HopSearch::kMaxHops);
    if (path.answers(ttl)) {
      found.search.answered(ttl, false);
    } else {
      found.search.lost(ttl);
    }
  }
  return found;
}

TEST(HopSearch, FindsTheLastHopOfEveryLengthInAtMostEightProbes) {
  for (std::uint8_t length = 1; length <= HopSearch::kMaxHops; ++length) {
    const Found found = walk({length, {}});
    EXPECT_TRUE(found.search.is_found()) << int{length};
    EXPECT_EQ(found.search.ttl(), length);
    EXPECT_LE(found.probes, 5 + HopSearch::kBeyond);
  }
}

TEST(HopSearch, StepsOverRoutersThatStaySilent) {
  for (std::uint8_t length = 4; length <= HopSearch::kMaxHops; ++length) {
    for (std::uint8_t silent = 2; silent < length; ++silent) {
      const Path path{length, {silent}};
      EXPECT_EQ(walk(path).search.ttl(), path.last()) << int{length} << ' ' << int{silent};
    }
  }
}

TEST(HopSearch, EndsWithoutAHopWhereNobodyAnswers) {
  const Found found = walk({0, {}});
  EXPECT_TRUE(found.search.is_over());
  EXPECT_FALSE(found.search.is_found());
  EXPECT_LE(found.probes, 5 + HopSearch::kBeyond);
}

TEST(HopSearch, EndsAtOnceWhereNoHopLiesBehind) {
  HopSearch search;
  search.answered(15, true);
  EXPECT_TRUE(search.is_found());
  EXPECT_EQ(search.ttl(), 15);
}

TEST(HopSearch, MovesOnWhenAHopFurtherAwayAnswersLater) {
  Found found = walk({6, {}});
  found.search.answered(8, false);
  EXPECT_FALSE(found.search.is_found());
  for (int i = 0; i < HopSearch::kBeyond; ++i) found.search.lost(found.search.ttl());
  EXPECT_TRUE(found.search.is_found());
  EXPECT_EQ(found.search.ttl(), 8);
}

TEST(HopSearch, EndsWhateverIsLostOnTheWay) {
  Random random(3);
  for (int i = 0; i < 10'000; ++i) {
    HopSearch search;
    int probes = 0;
    for (; !search.is_over() && probes < 200; ++probes) {
      const std::uint8_t ttl = search.ttl();
      ASSERT_GE(ttl, 1);
      ASSERT_LE(ttl, HopSearch::kMaxHops);
      if (random.below(2) == 0) {
        search.answered(ttl, false);
      } else {
        search.lost(ttl);
      }
    }
    ASSERT_LE(probes, 2 * HopSearch::kMaxHops + 16);
  }
}

}  // namespace
}  // namespace isochrone::prober
