// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/site_health.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Health;
using event::HealthOrigin;
using event::HealthStatus;

const routing::SiteId kFra(0);
const Health kHeartbeat{"fra", HealthStatus::up, HealthOrigin::prober, {}};

TEST(SiteHealth, LeavesUnheardSitesUp) {
  SiteHealth health(2, Millis(3000));
  EXPECT_TRUE(health.judge(kStart + Seconds(3600)).empty());
  EXPECT_EQ(health.up(), 0b11U);
}

TEST(SiteHealth, FindsASilentSiteAndItsReturn) {
  SiteHealth health(2, Millis(3000));
  health.apply(kFra, kHeartbeat, kStart, kStart);
  EXPECT_TRUE(health.judge(kStart + Millis(3000)).empty());
  auto verdicts = health.judge(kStart + Millis(3001));
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_EQ(verdicts[0].status, HealthStatus::down);
  EXPECT_TRUE(
      health.apply(kFra, {"fra", HealthStatus::down, HealthOrigin::collector, ""}, kStart, kStart));
  EXPECT_EQ(health.up(), 0b10U);
  EXPECT_TRUE(health.judge(kStart + Millis(4000)).empty());  // said once

  health.apply(kFra, kHeartbeat, kStart, kStart + Millis(5000));
  verdicts = health.judge(kStart + Millis(5001));
  ASSERT_EQ(verdicts.size(), 1U);
  EXPECT_EQ(verdicts[0].status, HealthStatus::up);
}

TEST(SiteHealth, KeepsAnOperatorsWordThroughHeartbeats) {
  SiteHealth health(2, Millis(3000));
  const Health down{"fra", HealthStatus::down, HealthOrigin::operators, "maintenance"};
  EXPECT_TRUE(health.apply(kFra, down, kStart, kStart));
  health.apply(kFra, kHeartbeat, kStart, kStart + Millis(10));
  EXPECT_EQ(health.up(), 0b10U);
  EXPECT_TRUE(health.apply(kFra, {"fra", HealthStatus::up, HealthOrigin::operators, ""},
                           kStart + Millis(20), kStart + Millis(20)));
  EXPECT_EQ(health.up(), 0b11U);
}

TEST(SiteHealth, GivesAHeardSiteATimeoutOfGraceInTheNextLife) {
  SiteHealth health(2, Millis(3000));
  health.restore(kFra, true, false, HealthStatus::up, {}, kStart);
  EXPECT_TRUE(health.judge(kStart + Millis(2999)).empty());
  EXPECT_EQ(health.judge(kStart + Millis(3001)).size(), 1U);
}

TEST(SiteHealth, KeepsASilentSiteDownInTheNextLifeUntilItIsHeard) {
  SiteHealth health(2, Millis(3000));
  health.restore(kFra, true, true, HealthStatus::up, {}, kStart);
  EXPECT_EQ(health.up(), 0b10U);
  EXPECT_TRUE(health.judge(kStart + Millis(1)).empty());
  health.apply(kFra, kHeartbeat, kStart, kStart + Millis(2));
  EXPECT_EQ(health.judge(kStart + Millis(3)).size(), 1U);
}

TEST(SiteHealth, TakesTheOperatorsLastWordInWhateverOrderItArrives) {
  const Health down{"fra", HealthStatus::down, HealthOrigin::operators, "works"};
  const Health up{"fra", HealthStatus::up, HealthOrigin::operators, "done"};
  SiteHealth health(1, Millis(3000));
  health.apply(kFra, up, kStart + Seconds(60), kStart + Seconds(61));
  health.apply(kFra, down, kStart, kStart + Seconds(62));
  EXPECT_EQ(health.up(), 1U);
  EXPECT_EQ(health.sites()[0].reason, "done");
  health.apply(kFra, down, kStart + Seconds(90), kStart + Seconds(91));
  EXPECT_EQ(health.up(), 0U);
}

// A pause, a clock set forward, a clock set back: what nobody watched is no silence.
TEST(SiteHealth, TakesNoAbsenceOfItsOwnForASitesSilence) {
  for (const Seconds step : {Seconds(60), Seconds(86'400), Seconds(-60), Seconds(-86'400)}) {
    SiteHealth health(1, Millis(3000));
    health.apply(kFra, kHeartbeat, kStart, kStart);
    const Instant before = kStart + Seconds(1);
    const Instant now = before + step;
    health.excuse(before, now);
    EXPECT_TRUE(health.judge(now + Millis(1900)).empty()) << step.count();
    EXPECT_EQ(health.judge(now + Millis(3100)).size(), 1U) << step.count();
    // One that was heard meanwhile, by the new clock.
    health.apply(kFra, kHeartbeat, now, now);
    health.excuse(before, now);
    EXPECT_TRUE(health.judge(now + Millis(2900)).empty()) << step.count();
    EXPECT_EQ(health.judge(now + Millis(3100)).size(), 1U) << step.count();
  }
}

}  // namespace
}  // namespace isochrone::collector
