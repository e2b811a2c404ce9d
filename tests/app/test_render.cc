// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "app/render.h"

namespace isochrone::app {
namespace {

std::string text(std::string_view json) {
  const auto rendered = render(json);
  EXPECT_TRUE(rendered.has_value());
  return rendered.value_or("");
}

TEST(Render, FactsBecomeLinesAndListsTables) {
  EXPECT_EQ(text(R"({"generation": 7, "basis": null, "candidates": [
      {"site": "iad", "up": true, "estimate": {"p50_us": 1500, "loss_permille": 25}},
      {"site": "sin", "up": false}]})"),
            "basis: -\n"
            "generation: 7\n"
            "\n"
            "candidates\n"
            "site  up   p50 ms  loss %\n"
            "iad   yes     1.5     2.5\n"
            "sin   no        -       -\n");
}

TEST(Render, WhatAReaderLooksForComesFirst) {
  EXPECT_EQ(
      text(
          R"([{"age_s": 2, "extra": 1, "p50_us": 3000, "prefix": "192.0.2.0/24", "site": "fra"}])"),
      "prefix        site  p50 ms  age s  extra\n"
      "192.0.2.0/24  fra      3.0      2      1\n");
}

TEST(Render, AListOfDecisionsShowsEachWithItsTable) {
  EXPECT_EQ(text(R"([{"service": "a", "candidates": [{"site": "x"}]},
                     {"service": "b", "candidates": [{"site": "y"}]}])"),
            "service: a\n\ncandidates\nsite\nx\n"
            "\n"
            "service: b\n\ncandidates\nsite\ny\n");
}

TEST(Render, ObjectsInsideAreIndented) {
  EXPECT_EQ(text(R"({"node": "ns1", "dns": {"generation": 3}})"),
            "node: ns1\ndns\n  generation: 3\n");
}

TEST(Render, ListsInsideRowsShowNames) {
  EXPECT_EQ(text(R"([{"name": "www", "sites": ["fra", "iad"]}, {"name": "api", "sites": []}])"),
            "name  sites\nwww   fra iad\napi   -\n");
}

TEST(Render, WhatIsNotJsonIsAnError) { EXPECT_FALSE(render("<html>").has_value()); }

}  // namespace
}  // namespace isochrone::app
