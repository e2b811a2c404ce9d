// SPDX-License-Identifier: Apache-2.0
//
// PerformanceState: what is newer wins, and paths and preferences stay sorted.
#include <gtest/gtest.h>

#include "routing/state.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::kFra;
using testing::kIad;
using testing::kSin;
using testing::measured;
using testing::prefix;
using testing::rtt;

PrefixState versioned(std::uint64_t version, double milliseconds) {
  PrefixState state = measured("192.0.2.0/24", {{kFra, rtt(milliseconds)}});
  state.version = version;
  return state;
}

TEST(PerformanceState, RefusesWhatIsNotNewer) {
  PerformanceState state;
  EXPECT_TRUE(state.apply(versioned(5, 10)));
  EXPECT_FALSE(state.apply(versioned(5, 11)));
  EXPECT_FALSE(state.apply(versioned(4, 12)));
  EXPECT_EQ(state.find(prefix("192.0.2.0/24"))->find(kFra)->p50, Micros(10'000));
  EXPECT_TRUE(state.apply(versioned(6, 13)));
  EXPECT_EQ(state.find(prefix("192.0.2.0/24"))->find(kFra)->p50, Micros(13'000));
  EXPECT_EQ(state.size(), 1U);
}

TEST(PerformanceState, ForgetsWhatIsErased) {
  PerformanceState state;
  state.apply(versioned(5, 10));
  EXPECT_FALSE(state.erase(prefix("192.0.2.0/25")));
  EXPECT_TRUE(state.erase(prefix("192.0.2.0/24")));
  EXPECT_EQ(state.find(prefix("192.0.2.0/24")), nullptr);
}

TEST(PerformanceState, MakesAnEmptyPrefixWhenAskedFor) {
  PerformanceState state;
  EXPECT_EQ(state.at(prefix("192.0.2.0/24")).prefix, prefix("192.0.2.0/24"));
  EXPECT_EQ(state.size(), 1U);
}

TEST(PrefixState, KeepsPathsSortedAndUnique) {
  PrefixState state;
  for (const SiteId site : {kSin, kFra, kIad, kSin}) state.set(site, rtt(site.value() + 1));
  ASSERT_EQ(state.paths.size(), 3U);
  EXPECT_EQ(state.paths[0].site, kFra);
  EXPECT_EQ(state.paths[2].site, kSin);
  EXPECT_EQ(state.find(kIad)->p50, Micros(2'000));
  EXPECT_EQ(state.find(SiteId(9)), nullptr);
}

TEST(PrefixState, RemembersOnePreferencePerService) {
  PrefixState state;
  state.prefer(ServiceId(1), kFra);
  state.prefer(ServiceId(0), kIad);
  state.prefer(ServiceId(1), kSin);
  ASSERT_EQ(state.preferences.size(), 2U);
  EXPECT_EQ(*state.preferred(ServiceId(1)), kSin);
  EXPECT_TRUE(state.forget_preference(ServiceId(1)));
  EXPECT_FALSE(state.forget_preference(ServiceId(1)));
  EXPECT_EQ(state.preferred(ServiceId(1)), nullptr);
}

}  // namespace
}  // namespace isochrone::routing
