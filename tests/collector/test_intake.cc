// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/intake.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

Batch checked(std::vector<event::Event> events) {
  Batch batch;
  for (std::size_t i = 0; i < events.size(); ++i) {
    batch.indexes.push_back(i);
    batch.lines.push_back(i + 1);
  }
  batch.events = std::move(events);
  check_content(batch, two_sites(), test_options(), kStart);
  return batch;
}

TEST(Intake, KeepsTheGoodLinesOfABatchAndNamesTheBad) {
  const std::string good = event::to_json(measured(1, "fra", "192.0.2.0/24", kStart, Micros(9)));
  const auto batch = decode_ndjson(good + "\n\n{broken\n" + good, event::Channel::measurement);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->events.size(), 2U);
  ASSERT_EQ(batch->rejected.size(), 1U);
  EXPECT_EQ(batch->rejected[0].line, 3U);
  EXPECT_EQ(batch->rejected[0].index, 1U);
}

TEST(Intake, TakesNoBodyForABatchThatIsNone) {
  EXPECT_FALSE(decode_ndjson("", event::Channel::measurement));
  EXPECT_FALSE(decode_ndjson("\n \n", event::Channel::measurement));
  EXPECT_FALSE(decode_protobuf("", event::Channel::measurement));
}

TEST(Intake, KeepsWhatComesBeforeAndAfterABadEvent) {
  const auto good = measured(1, "fra", "192.0.2.0/24", kStart, Micros(9));
  auto later = good;
  later.bytes = event::to_protobuf(good) + "\x20\x02";  // schema 2
  std::string body;
  event::append_delimited(body, good);
  body += std::string("\x80\x80\x04") + std::string(0x10000, 'x');  // 64 KiB
  body += std::string("\x03") + "\xff\xff\xff";
  body += static_cast<char>(later.bytes.size());
  body += later.bytes;
  event::append_delimited(body, good);
  body += "\x20too short";
  const auto batch = decode_protobuf(body, event::Channel::measurement);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->indexes, (std::vector<std::size_t>{0, 4}));
  std::vector<std::pair<std::size_t, Refusal>> refused;
  for (const Rejected& each : batch->rejected) refused.emplace_back(each.index, each.why);
  EXPECT_EQ(refused, (decltype(refused){{1, Refusal::oversized},
                                        {2, Refusal::malformed},
                                        {3, Refusal::schema},
                                        {5, Refusal::truncated}}));
}

TEST(Intake, RefusesALaterSchemaInEitherEncoding) {
  auto line = event::to_json(measured(1, "fra", "192.0.2.0/24", kStart, Micros(9)));
  line.insert(1, "\"schema\":2,");
  const auto batch = decode_ndjson(line, event::Channel::measurement);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->rejected.at(0).why, Refusal::schema);
}

TEST(Intake, KeepsUnknownFieldsWhenItCutsAnAddress) {
  const auto event = measured(1, "fra", "192.0.2.77/32", kStart, Micros(9));
  const std::string unknown = "\x98\x06\x07";
  const std::string bytes = event::to_protobuf(event) + unknown;
  std::string body(1, static_cast<char>(bytes.size()));
  body += bytes;
  auto batch = decode_protobuf(body, event::Channel::measurement);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->events[0].bytes, bytes);
  check_content(*batch, two_sites(), test_options(), kStart);
  auto cut = event;
  std::get<event::Measurement>(cut.payload).prefix = *Prefix::parse("192.0.2.0/24");
  EXPECT_EQ(batch->events[0], cut);
  EXPECT_EQ(batch->events[0].bytes, event::to_protobuf(cut) + unknown);
}

TEST(Intake, RefusesAnEventOfAnotherChannel) {
  std::string body;
  event::append_delimited(body, measured(1, "fra", "192.0.2.0/24", kStart, Micros(9)));
  const auto batch = decode_protobuf(body, event::Channel::health);
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->events.empty());
  EXPECT_EQ(batch->rejected[0].error, "this is a measurement event, posted to health");
}

TEST(Intake, RefusesWhatCannotBeTrue) {
  struct Row {
    event::Event event;
    const char* error;
  };
  const Row rows[] = {
      {measured(1, "fro", "192.0.2.0/24", kStart, Micros(9)),
       "unknown site \"fro\"; did you mean \"fra\"?"},
      {measured(1, "fra", "192.0.2.0/24", kStart, Micros(0)), "rtt_us is 0: nothing is so near"},
      {measured(1, "fra", "192.0.2.0/24", kStart + Seconds(61), Micros(9)),
       "time 2024-05-01T12:01:01.000000Z is in the future"},
      {measured(1, "fra", "192.0.2.0/24", kStart - Seconds(86'401), Micros(9)),
       "time 2024-04-30T11:59:59.000000Z is older than what is kept (1d)"},
      {health(1, "fra", event::HealthStatus::down, event::HealthOrigin::collector, kStart),
       "origin collector is the collector's own verdict; post as operator"},
  };
  for (const Row& row : rows) {
    const Batch batch = checked({row.event});
    ASSERT_EQ(batch.rejected.size(), 1U) << row.error;
    EXPECT_EQ(batch.rejected[0].error, row.error);
    EXPECT_TRUE(batch.events.empty());
  }
}

TEST(Intake, CutsAClientsAddressToItsNetwork) {
  const Batch batch = checked({measured(1, "fra", "192.0.2.77/32", kStart, Micros(9)),
                               measured(2, "fra", "2001:db8:1:2::3/128", kStart, Micros(9))});
  ASSERT_EQ(batch.events.size(), 2U);
  const auto prefix = [&](std::size_t i) {
    return std::get<event::Measurement>(batch.events[i].payload).prefix.to_string();
  };
  EXPECT_EQ(prefix(0), "192.0.2.0/24");
  EXPECT_EQ(prefix(1), "2001:db8:1::/48");
}

TEST(Intake, KeepsASitesOwnAddressWhole) {
  const Batch batch = checked({measured(1, "fra", "192.0.2.2/32", kStart, Micros(9))});
  ASSERT_EQ(batch.events.size(), 1U);
  EXPECT_EQ(std::get<event::Measurement>(batch.events[0].payload).prefix.to_string(),
            "192.0.2.2/32");
}

}  // namespace
}  // namespace isochrone::collector
