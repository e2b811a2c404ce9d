// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "app/table.h"

namespace isochrone::app {
namespace {

TEST(Table, PutsNumbersToTheRightAndWordsToTheLeft) {
  Table table({"site", "p50 ms", "note"});
  table.add({"fra", "1.5", "best"});
  table.add({"singapore", "120.0", ""});
  EXPECT_EQ(table.text(),
            "site       p50 ms  note\n"
            "fra           1.5  best\n"
            "singapore   120.0  -\n");
}

TEST(Table, WithoutRowsIsItsHeader) { EXPECT_EQ(Table({"a", "b"}).text(), "a  b\n"); }

TEST(Table, FillsRowsThatAreShort) {
  Table table({"a", "b"});
  table.add({"x"});
  EXPECT_EQ(table.text(), "a  b\nx  -\n");
}

}  // namespace
}  // namespace isochrone::app
