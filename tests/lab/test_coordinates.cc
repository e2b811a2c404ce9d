// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lab/coordinates.h"
#include "lab/matrix.h"

namespace isochrone::lab {
namespace {

std::string error_of(std::string_view text) {
  const auto places = parse_coordinates(text, "places.csv");
  return places ? "" : places.error().text();
}

TEST(Coordinates, ReadsDegreesPerLine) {
  const auto places = parse_coordinates("50.11,8.68\r\n\n-33.9, 151.2\n", "places.csv");
  ASSERT_TRUE(places);
  ASSERT_EQ(places->size(), 2U);
  EXPECT_DOUBLE_EQ((*places)[0].latitude, 50.11);
  EXPECT_DOUBLE_EQ((*places)[1].longitude, 151.2);
}

TEST(Coordinates, NamesFileAndLineOfWhatIsWrong) {
  for (const char* line : {"50.11", "50.11;8.68", "91,0", "0,181", "nan,0", "a,b", "1,2,3"}) {
    EXPECT_EQ(error_of(std::string("0,0\n") + line).rfind("places.csv:2: '", 0), 0U) << line;
  }
}

TEST(Matrix, TakesOtherUnits) {
  const auto seconds = RttMatrix::parse("0.21", "rtt.tsv", RttUnit::s);
  ASSERT_TRUE(seconds);
  EXPECT_EQ(seconds->rtt(0, 0), Micros(210'000));
  EXPECT_EQ(RttMatrix::parse("175", "rtt.tsv", RttUnit::us)->rtt(0, 0), Micros(175));
  EXPECT_NE(
      RttMatrix::parse("61", "rtt.tsv", RttUnit::s).error().text().find("seconds from 0 to 60"),
      std::string::npos);
}

}  // namespace
}  // namespace isochrone::lab
