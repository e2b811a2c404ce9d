// SPDX-License-Identifier: Apache-2.0
//
// Interned rankings: equal orders share an id, others do not, and a full set stays right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/ranking.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using ::testing::ElementsAre;
using testing::kFra;
using testing::kIad;
using testing::kSin;

TEST(RankingSet, StoresEachOrderOnce) {
  RankingSet set;
  const std::vector<SiteId> east{kFra, kSin, kIad};
  const std::vector<SiteId> west{kIad, kFra, kSin};
  const RankingId first = set.intern(east, RankingId(0));
  const RankingId second = set.intern(west, RankingId(0));
  EXPECT_NE(first, second);
  EXPECT_EQ(set.intern(east, RankingId(0)), first);
  EXPECT_EQ(set.size(), 2U);
  EXPECT_THAT(set.get(first), ElementsAre(kFra, kSin, kIad));
  EXPECT_THAT(set.get(second), ElementsAre(kIad, kFra, kSin));
}

TEST(RankingSet, TellsAnOrderFromItsBeginning) {
  RankingSet set;
  const RankingId longer = set.intern(std::vector<SiteId>{kFra, kIad}, RankingId(0));
  const RankingId shorter = set.intern(std::vector<SiteId>{kFra}, RankingId(0));
  EXPECT_NE(longer, shorter);
  EXPECT_THAT(set.get(shorter), ElementsAre(kFra));
}

TEST(RankingSet, GivesTheFallbackWhenItIsFull) {
  RankingSet set;
  for (std::uint32_t i = 0; i < kMaxRankings; ++i) {
    const std::vector<SiteId> unlike{SiteId(static_cast<std::uint16_t>(i >> 10)),
                                     SiteId(static_cast<std::uint16_t>(i & 1023))};
    ASSERT_EQ(set.intern(unlike, RankingId(7)), RankingId(i));
  }
  EXPECT_EQ(set.intern(std::vector<SiteId>{kFra}, RankingId(7)), RankingId(7));
  EXPECT_EQ(set.intern(std::vector<SiteId>{SiteId(0), SiteId(5)}, RankingId(7)), RankingId(5));
}

}  // namespace
}  // namespace isochrone::routing
