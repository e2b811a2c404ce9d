// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/filter.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

bool matches(std::string_view text, const event::Event& event) {
  const auto filter = Filter::parse(text);
  EXPECT_TRUE(filter) << text << ": " << filter.error().text();
  return filter && filter->matches(event);
}

TEST(Filter, LooksAtTheFieldsOfAnEvent) {
  event::Event seen = measured(1, "fra", "192.0.2.0/24", Instant{}, Micros(60'500));
  seen.task = "fra-17";
  event::Event lost = seen;
  std::get<event::Measurement>(lost.payload).rtt.reset();
  const event::Event beat =
      health(1, "fra", event::HealthStatus::up, event::HealthOrigin::prober, Instant{});
  struct Row {
    const char* filter;
    bool seen;
    bool lost;
    bool beat;
  };
  const Row rows[] = {
      {"rtt_ms > 50 && site == \"fra\"", true, false, false},
      {"rtt_ms > 60.5", false, false, false},
      {"rtt_ms>=60.5", true, false, false},
      {"rtt_us <= 60500", true, false, false},
      {"site == \"fra\"", true, true, true},
      {"site != \"fra\"", false, false, false},
      {"site != \"iad\"", true, true, true},
      {"lost", false, true, false},
      {"!lost", true, false, true},
      {"!lost && channel == \"measurement\"", true, false, false},
      {"prefix == \"192.0.2.0/24\"", true, true, false},
      {"prefix in \"192.0.0.0/16\"", true, true, false},
      {"prefix in \"192.0.2.0/25\"", false, false, false},
      {"!(prefix in \"192.0.0.0/16\")", false, false, true},
      {"status == \"up\" || task == \"fra-17\"", true, true, true},
      {"source == \"prober-fra\" && method == \"icmp\"", true, true, false},
      // && before ||, from left to right.
      {"lost || site == \"fra\" && rtt_us == 60500", true, true, false},
      {"(lost || site == \"fra\") && rtt_us == 60500", true, false, false},
      {"rtt_ms > 1 || rtt_ms <= 1", true, false, false},
      {"queries > 0", false, false, false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(matches(row.filter, seen), row.seen) << row.filter;
    EXPECT_EQ(matches(row.filter, lost), row.lost) << row.filter;
    EXPECT_EQ(matches(row.filter, beat), row.beat) << row.filter;
  }
}

TEST(Filter, SaysInWhichColumnItIsWrong) {
  struct Row {
    std::string text;
    std::string error;
  };
  const Row rows[] = {
      {"", "column 1: a field is missing; write one like site"},
      {"site == ", "column 9: a text is missing; write it in quotes like \"fra\""},
      {"site == fra", "column 9: a text is missing; write it in quotes like \"fra\""},
      {"site == \"fra", "column 9: a quote does not end"},
      {"lost && siet == \"fra\"",
       "column 9: \"siet\" is no field; they are channel, source, task,"},
      {"site \"fra\"", "column 6: a comparison is missing; write ==, !=, <, <=, >, >= or in"},
      {"site = \"fra\"", "column 6: a comparison is missing"},
      {"site > \"fra\"", "column 6: this field has no order; write == or !="},
      {"site in \"fra\"", "column 6: \"in\" is for prefix; write == here"},
      {"prefix < \"192.0.2.0/24\"", "column 8: this field has no order"},
      {"prefix in \"192.0.2.1/24\"", "column 11: this is no prefix; write one like"},
      {"rtt_ms > much", "column 10: a number is missing; write one like 50 or 0.5"},
      {"rtt_ms > nan", "column 10: a number is missing"},
      {"rtt_ms > 1e300", "column 10: a number is missing"},
      {"(lost", "column 6: a \")\" is missing"},
      {"lost)", "column 5: this is not expected here; write && or || before it"},
      {"lost lost", "column 6: this is not expected here"},
      {"lost &&", "column 8: a field is missing"},
      {"lost & lost", "column 6: this is not expected here"},
      {std::string(17, '(') + "lost" + std::string(17, ')'), "column 18: nested more than 16 deep"},
      {std::string(17, '!') + "lost", "column 18: nested more than 16 deep"},
      {std::string(1'025, ' '), "column 1025: a filter has at most 1024 characters"},
  };
  for (const Row& row : rows) {
    const auto filter = Filter::parse(row.text);
    ASSERT_FALSE(filter) << row.text;
    EXPECT_TRUE(filter.error().text().starts_with(row.error)) << filter.error().text();
  }
  EXPECT_TRUE(Filter::parse(std::string(16, '(') + "lost" + std::string(16, ')')));
}

TEST(Filter, HoldsTheDeepestExpression) {
  // Each level leaves two waiting: one for || and one for &&.
  std::string text = "lost";
  for (int i = 0; i < 16; ++i) text = "lost||!lost&&(" + text + ")";
  const event::Event seen = measured(1, "fra", "192.0.2.0/24", Instant{}, Micros(1));
  EXPECT_FALSE(matches(text, seen));
}

}  // namespace
}  // namespace isochrone::collector
