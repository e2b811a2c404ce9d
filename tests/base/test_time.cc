// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/time.h"

namespace isochrone {
namespace {

TEST(Instant, IsWrittenWithMicroseconds) {
  EXPECT_EQ(format_instant(from_unix_nanos(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_instant(from_unix_nanos(1'714'564'800'000'001'999)),
            "2024-05-01T12:00:00.000001Z");
  EXPECT_EQ(format_instant(from_unix_nanos(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(Instant, IsReadWithZeroToNineDigitsOfFraction) {
  const Instant noon = from_unix_nanos(1'714'564'800'000'000'000);
  EXPECT_EQ(parse_instant("2024-05-01T12:00:00Z"), noon);
  EXPECT_EQ(parse_instant("2024-05-01T12:00:00.5Z"), noon + Millis(500));
  EXPECT_EQ(parse_instant("2024-05-01T12:00:00.000001Z"), noon + Micros(1));
  EXPECT_EQ(parse_instant("2024-05-01T12:00:00.123456789Z"), noon + Nanos(123'456'789));
  EXPECT_TRUE(parse_instant("2024-02-29T00:00:00Z"));
}

TEST(Instant, WhatIsNoTimeIsRefused) {
  for (const char* text : {"",
                           "now",
                           "2024-05-01",
                           "2024-05-01 12:00:00Z",
                           "2024-05-01T12:00:00",
                           "2024-05-01T12:00:00+00:00",
                           "2024-05-01T12:00:00.Z",
                           "2024-05-01T12:00:00.1234567890Z",
                           "2024-05-01T24:00:00Z",
                           "2024-05-01T12:60:00Z",
                           "2024-05-01T12:00:60Z",
                           "2023-02-29T00:00:00Z",
                           "2024-13-01T00:00:00Z",
                           "2024-00-01T00:00:00Z",
                           "1969-12-31T23:59:59Z",
                           "2201-01-01T00:00:00Z",
                           "2024-05-01T-1:00:00Z",
                           "2024-05-01T12:-1:00Z",
                           "2024-05-01T12:00:-1Z",
                           "2024-05-01T12:00:00.-5Z",
                           "2024--5-01T12:00:00Z",
                           "2024-05-01T12:00:00Z ",
                           "2024-05-01T12:00:0Z"}) {
    EXPECT_FALSE(parse_instant(text)) << text;
  }
}

TEST(Duration, ReadsANumberAndAUnit) {
  EXPECT_EQ(parse_duration("15m"), Seconds(900));
  EXPECT_EQ(parse_duration("250ms"), Millis(250));
  EXPECT_EQ(parse_duration("100us"), Micros(100));
  EXPECT_EQ(parse_duration("7ns"), Nanos(7));
  EXPECT_EQ(parse_duration("2h"), Seconds(7'200));
  EXPECT_EQ(parse_duration("1d"), Seconds(86'400));
  EXPECT_EQ(parse_duration("0s"), Nanos(0));
}

TEST(Duration, WhatIsNoneIsRefused) {
  for (const char* text : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "5w", "1.5s", "5ss",
                           "99999999999999999999s", "9223372036854775807d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, IsWrittenInTheLargestUnitThatIsExact) {
  struct Row {
    Nanos duration;
    const char* text;
  };
  for (const Row& row :
       {Row{Seconds(90), "90s"}, Row{Millis(2'000), "2s"}, Row{Seconds(3'600), "1h"},
        Row{Seconds(86'400), "1d"}, Row{Micros(1'500), "1500us"}, Row{Nanos(0), "0s"}}) {
    EXPECT_EQ(format_duration(row.duration), row.text);
    EXPECT_EQ(parse_duration(row.text), row.duration);
  }
}

}  // namespace
}  // namespace isochrone
