// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "app/config_schema.h"

namespace isochrone::app {
namespace {

TEST(ConfigSchema, NamesEachKeyOnceBelowASection) {
  std::set<std::string_view> paths;
  for (const Key& key : config_keys()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    std::string_view section = key.section();
    if (section.empty()) continue;
    if (section.ends_with("[]")) section.remove_suffix(2);
    const Key* parent = find_key(section);
    ASSERT_NE(parent, nullptr) << key.path;
    EXPECT_EQ(parent->type, KeyType::section) << key.path;
  }
}

TEST(ConfigSchema, SaysWhatEachKeyIsInOneSentence) {
  for (const Key& key : config_keys()) {
    EXPECT_TRUE(key.sentence.ends_with('.')) << key.path;
    EXPECT_LE(key.sentence.size(), 100U) << key.path;
  }
}

TEST(ConfigSchema, ValuesOutsideTheirRangeSayTheRange) {
  const auto value = parse_value(*find_key("dns.workers"), "0");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().text(), "0 is outside 1..256 threads; choose a value inside");
}

TEST(ConfigSchema, NoNumberIsOutsideEveryRange) {
  EXPECT_FALSE(parse_value(*find_key("services[].min-gain-share"), "nan").has_value());
  EXPECT_FALSE(parse_value(*find_key("services[].min-gain-share"), "inf").has_value());
  EXPECT_TRUE(parse_value(*find_key("services[].min-gain-share"), "0.5").has_value());
}

TEST(ConfigSchema, HostNamesAreFoldedAndBounded) {
  const Key& key = *find_key("services[].name");
  const auto name = parse_value(key, "WWW.Example.com.");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(std::get<std::string>(*name), "www.example.com");
  EXPECT_FALSE(parse_value(key, "www..example.com").has_value());
  EXPECT_FALSE(parse_value(key, std::string(64, 'a') + ".example.com").has_value());
  EXPECT_FALSE(parse_value(key, "").has_value());
}

}  // namespace
}  // namespace isochrone::app
