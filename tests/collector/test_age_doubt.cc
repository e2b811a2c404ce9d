// SPDX-License-Identifier: Apache-2.0
//
// AgeDoubt: a clock that was set forward makes nothing too old, also when lives end meanwhile.
#include <gtest/gtest.h>

#include "collector/age_doubt.h"
#include "collector/log_rocksdb.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

constexpr Seconds kHour{3'600};

class AgeDoubts : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_rocksdb_log(folder_.path() / "log");
    ASSERT_TRUE(opened) << opened.error().text();
    log_ = std::move(*opened);
  }
  void arrives(Instant at, std::vector<Note> notes = {}) {
    const auto event = measured(++sequence_, "fra", "192.0.2.0/24", at, Micros(9));
    ASSERT_TRUE(log_->append({event}, notes, at));
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
  std::uint64_t sequence_ = 0;
  const Instant start_ = *parse_instant("2024-05-01T12:00:00Z");
  const Monotonic boot_{Seconds(1'000)};
};

TEST_F(AgeDoubts, AClockThatGoesIsBelieved) {
  AgeDoubt doubt(*log_, start_, boot_);
  EXPECT_TRUE(doubt.is_over(boot_));
  EXPECT_FALSE(doubt.observe(start_ + kHour, boot_ + kHour));
  EXPECT_TRUE(doubt.is_over(boot_ + kHour));
}

TEST_F(AgeDoubts, SetForwardItIsDoubtedForAnHourAndSetBackItIsNot) {
  AgeDoubt doubt(*log_, start_, boot_);
  EXPECT_EQ(doubt.observe(start_ + 40 * kHour, boot_), Nanos(40 * kHour));
  EXPECT_FALSE(doubt.is_over(boot_ + kHour - Seconds(1)));
  EXPECT_TRUE(doubt.is_over(boot_ + kHour));
  EXPECT_EQ(doubt.observe(start_, boot_ + kHour), Nanos(-41 * kHour));
  EXPECT_TRUE(doubt.is_over(boot_ + kHour));
}

TEST_F(AgeDoubts, ALifeThatEndsDoesNotEndIt) {
  arrives(start_);
  const Instant wrong = start_ + 40 * kHour;
  arrives(wrong, {AgeDoubt::note(wrong)});
  // What arrived by the new time is young, so it alone would say that all is well.
  const AgeDoubt soon(*log_, wrong + Seconds(60), boot_);
  EXPECT_FALSE(soon.is_over(boot_ + kHour - Seconds(61)));
  EXPECT_TRUE(soon.is_over(boot_ + kHour - Seconds(60)));
  // Set right meanwhile: an hour at most.
  const AgeDoubt back(*log_, start_ + Seconds(60), boot_);
  EXPECT_FALSE(back.is_over(boot_ + kHour - Seconds(1)));
  EXPECT_TRUE(back.is_over(boot_ + kHour));
}

TEST_F(AgeDoubts, AfterALongRestNobodyKnows) {
  arrives(start_);
  EXPECT_TRUE(AgeDoubt(*log_, start_ + kHour / 2, boot_).is_over(boot_));
  EXPECT_FALSE(AgeDoubt(*log_, start_ + 2 * kHour, boot_).is_over(boot_));
}

}  // namespace
}  // namespace isochrone::collector
