// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "event/check.h"
#include "event/event.h"
#include "event/names.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using namespace testing;

TEST(Event, EveryChannelHasANameThatReadsBack) {
  for (std::size_t i = 0; i < kChannels; ++i) {
    const auto channel = static_cast<Channel>(i);
    EXPECT_EQ(parse_channel(to_string(channel)), channel);
  }
  EXPECT_FALSE(parse_channel("weather"));
  EXPECT_FALSE(parse_channel(""));
}

TEST(Event, EveryMethodHasANameThatReadsBack) {
  for (int i = 0; i <= static_cast<int>(routing::Method::beacon); ++i) {
    const auto method = static_cast<routing::Method>(i);
    EXPECT_EQ(parse_method(method_name(method)), method);
  }
  EXPECT_FALSE(parse_method("ping"));
}

TEST(Event, ItsChannelIsThatOfItsPayload) {
  EXPECT_EQ(a_measurement().channel(), Channel::measurement);
  EXPECT_EQ(a_decision().channel(), Channel::decision);
}

TEST(Check, TakesWhatIsAtItsLimits) {
  Event event = a_measurement();
  event.id.source = std::string(kMaxNameBytes, 's');
  event.task.clear();
  event.time = kMinTime;
  std::get<Measurement>(event.payload).rtt = kMaxRtt;
  EXPECT_TRUE(check(event));
}

TEST(Check, TimesOutsideItsSpanAreRefused) {
  Event event = a_load();
  for (const Instant time : {kMinTime - Nanos(1), kMaxTime}) {
    event.time = time;
    EXPECT_FALSE(check(event));
  }
}

TEST(Check, NamesAreWellFormedUtf8) {
  struct Row {
    std::string text;
    bool is_taken;
  };
  const std::vector<Row> rows{
      {"fra", true},
      {"m\xc3\xbcnchen", true},
      {"\xe6\x9d\xb1\xe4\xba\xac", true},
      {"\xf0\x9f\x8c\x8d", true},
      {"\xc0\xaf", false},
      {"\xe0\x80\x80", false},
      {"\xed\xa0\x80", false},
      {"\xf4\x90\x80\x80", false},
      {"\xc3", false},
      {"a\x7f", false},
      {std::string("a\0b", 3), false},
      {"\x80", false},
  };
  for (const Row& row : rows) {
    Event event = a_load();
    std::get<Load>(event.payload).site = row.text;
    EXPECT_EQ(check(event).has_value(), row.is_taken) << ::testing::PrintToString(row.text);
  }
}

}  // namespace
}  // namespace isochrone::event
