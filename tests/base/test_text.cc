// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "base/text.h"

namespace isochrone {
namespace {

using ::testing::ElementsAre;

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_number<std::uint8_t>("255"), 255);
  EXPECT_EQ(parse_number<int>("-7"), -7);
  EXPECT_EQ(parse_number<double>("0.5"), 0.5);
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), 18'446'744'073'709'551'615U);
  for (const char* text : {"", " 1", "1 ", "+1", "-1", "1x", "0x1", "256", "1.0"}) {
    EXPECT_FALSE(parse_number<std::uint8_t>(text)) << text;
  }
}

TEST(ToLower, ChangesOnlyAsciiLetters) {
  EXPECT_EQ(to_lower("WwW.Example-09_[@`{\xc3\x84"), "www.example-09_[@`{\xc3\x84");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("abc", ','), ElementsAre("abc"));
}

TEST(Trim, TakesSpaceOffBothEnds) {
  EXPECT_EQ(trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(NearestName, MeetsATypingErrorAndNotAnotherWord) {
  const std::vector<std::string_view> names{"listen", "workers", "state-dir", "ttl"};
  EXPECT_EQ(nearest_name("listne", names), "listen");
  EXPECT_EQ(nearest_name("worker", names), "workers");
  EXPECT_EQ(nearest_name("state_dir", names), "state-dir");
  EXPECT_EQ(nearest_name("tll", names), "ttl");
  EXPECT_EQ(nearest_name("database", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("listen", {}), "");
}

}  // namespace
}  // namespace isochrone
