// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "prober/hit_list.h"
#include "tests/prober/vocabulary.h"

namespace isochrone::prober {
namespace {

TEST(HitList, ReadsPrefixesWithTheirAddressesAndAddressesAlone) {
  const auto list = parse_hit_list(
      "# who answers\n"
      "192.0.2.0/25 192.0.2.1 192.0.2.9\r\n"
      "\n"
      "  198.51.100.7\t# a resolver\n"
      "2001:db8:7::/48 2001:db8:7::1",
      "hits");
  ASSERT_TRUE(list) << list.error().text();
  ASSERT_EQ(list->size(), 4U);
  EXPECT_EQ((*list)[0].prefix, prefix("192.0.2.0/25"));
  EXPECT_EQ((*list)[1].prefix, prefix("192.0.2.0/25"));
  EXPECT_EQ((*list)[1].address, address("192.0.2.9"));
  EXPECT_EQ((*list)[2].prefix, prefix("198.51.100.0/24"));
  EXPECT_EQ((*list)[3].address, address("2001:db8:7::1"));
}

TEST(HitList, NamesFileLineAndWhatToDo) {
  struct Case {
    const char* text;
    const char* start;
    const char* part;
  };
  for (const Case& each : {Case{"\n192.0.2.0/33 192.0.2.1\n", "hits:2: ", "no prefix"},
                           Case{"192.0.2.0/24\n", "hits:1: ", "add who answers"},
                           Case{"192.0.2.1\n\n192.0.2.0/24 here\n", "hits:3: ", "no address"}}) {
    const auto list = parse_hit_list(each.text, "hits");
    ASSERT_FALSE(list) << each.text;
    EXPECT_TRUE(list.error().text().starts_with(each.start)) << list.error().text();
    EXPECT_NE(list.error().text().find(each.part), std::string::npos) << list.error().text();
  }
}

TEST(HitList, RefusesWhatIsTooLong) {
  const std::string text(kMaxListBytes + 1, '\n');
  EXPECT_FALSE(parse_hit_list(text, "hits"));
  EXPECT_FALSE(parse_prefix_list(text, "out"));
}

TEST(PrefixList, ReadsPrefixesAndAddresses) {
  const auto list = parse_prefix_list("192.0.2.0/24 # asked by mail\n2001:db8::1\n", "out");
  ASSERT_TRUE(list) << list.error().text();
  EXPECT_EQ(*list, (std::vector{prefix("192.0.2.0/24"), prefix("2001:db8::1/128")}));
  const auto wrong = parse_prefix_list("192.0.2.0/24\nnobody\n", "out");
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().text().starts_with("out:2: "));
}

}  // namespace
}  // namespace isochrone::prober
