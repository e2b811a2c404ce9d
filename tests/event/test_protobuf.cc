// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/codec.h"
#include "tests/event/vocabulary.h"

namespace isochrone::event {
namespace {

using namespace testing;
using ::testing::HasSubstr;

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// One field of wire type 2, built by hand: what another implementation would send.
std::string field(unsigned number, std::string_view content) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(content.size())) + std::string(content);
}
std::string number_field(unsigned number, unsigned value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string head() { return field(1, field(1, "p") + number_field(2, 1) + number_field(3, 1)); }
const std::string kPrefixV4 = field(1, std::string("\xc0\x00\x02\x00", 4)) + number_field(2, 24);

TEST(Protobuf, ReadsBackWhatItWrites) {
  for (Event event : one_of_each()) {
    event.time += Nanos(123);  // Protobuf keeps nanoseconds
    const auto read = from_protobuf(bytes_of(to_protobuf(event)));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(*read, event) << to_json(event);
  }
}

TEST(Protobuf, GoldenBytes) {
  Event event = a_measurement();
  event.id = {"p", 1, 1};
  event.time = from_unix_nanos(1);
  event.task = "";
  const std::string golden =
      head() + std::string("\x11\x01\x00\x00\x00\x00\x00\x00\x00", 9) +
      field(10, field(1, "fra") + field(2, kPrefixV4) + number_field(3, 1) + "\x20\x9b\x9d\x01");
  EXPECT_EQ(to_protobuf(event), golden);
}

TEST(Protobuf, ABatchOfStoredEventsReadsBackInOrder) {
  std::string batch;
  Position position = 0;
  for (const Event& event : one_of_each()) append_delimited(batch, StoredEvent{++position, event});
  Bytes rest = bytes_of(batch);
  Position expected = 0;
  for (const Event& event : one_of_each()) {
    const auto next = next_delimited(rest);
    ASSERT_TRUE(next) << next.error().text();
    EXPECT_EQ(stored_from_protobuf(*next).value(), (StoredEvent{++expected, event}));
  }
  EXPECT_TRUE(rest.empty());
}

TEST(Protobuf, ABatchOfEventsReadsBackInOrder) {
  std::string batch;
  for (const Event& event : one_of_each()) append_delimited(batch, event);
  Bytes rest = bytes_of(batch);
  for (const Event& event : one_of_each()) {
    EXPECT_EQ(from_protobuf(next_delimited(rest).value()).value(), event);
  }
  EXPECT_TRUE(rest.empty());
}

TEST(Protobuf, FieldsItDoesNotKnowAreHarmless) {
  const std::string unknown = field(15, "from the future") + number_field(14, 7);
  const std::string load = field(1, "fra") + number_field(2, 3) + number_field(3, 4) + unknown;
  const auto read = from_protobuf(bytes_of(head() + field(13, load) + unknown.substr(17)));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(std::get<Load>(read->payload), (Load{"fra", 3, 4}));
}

TEST(Protobuf, AnOversizedMessageIsSteppedOver) {
  std::string batch = "\x80\x80\x04" + std::string(0x10000, 'x');
  append_delimited(batch, one_of_each().front());
  Bytes rest = bytes_of(batch);
  EXPECT_EQ(next_delimited(rest).error().code(), Errc::limit);
  EXPECT_EQ(from_protobuf(next_delimited(rest).value()).value(), one_of_each().front());
}

TEST(Protobuf, KeepsFieldsItDoesNotKnow) {
  const std::string unknown = field(99, "from the future");
  const std::string load = field(1, "fra") + number_field(2, 3) + number_field(3, 4) + unknown;
  const std::string original = head() + field(13, load) + unknown;
  auto event = from_protobuf(bytes_of(original)).value();
  EXPECT_TRUE(
      is_same_content(bytes_of(to_protobuf(event, bytes_of(original))), bytes_of(original)));
  EXPECT_FALSE(is_same_content(bytes_of(to_protobuf(event)), bytes_of(original)));
  std::get<Load>(event.payload).offered = 5;
  const std::string changed = to_protobuf(event, bytes_of(original));
  EXPECT_EQ(from_protobuf(bytes_of(changed)).value(), event);
  EXPECT_EQ(changed.size(), original.size());
}

TEST(Protobuf, ContentDoesNotDependOnTheOrderOfFields) {
  const std::string load = field(1, "fra") + number_field(2, 3) + number_field(3, 4);
  const std::string turned = number_field(3, 4) + field(1, "fra") + number_field(2, 3);
  EXPECT_TRUE(
      is_same_content(bytes_of(head() + field(13, load)), bytes_of(field(13, turned) + head())));
  EXPECT_FALSE(is_same_content(bytes_of(head() + field(13, load)), bytes_of(head())));
}

TEST(Protobuf, RefusesALaterSchema) {
  const std::string load = field(13, field(1, "fra") + number_field(2, 3) + number_field(3, 4));
  EXPECT_TRUE(from_protobuf(bytes_of(head() + number_field(4, 1) + load)));
  const auto later = from_protobuf(bytes_of(head() + number_field(4, 2) + load));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code(), Errc::not_found);
  EXPECT_THAT(later.error().text(), HasSubstr("version 2 is not known here"));
}

TEST(Protobuf, BadMessagesAreRefusedByField) {
  const std::string path = field(1, "fra") + field(2, kPrefixV4);
  const std::vector<std::pair<std::string, std::string>> messages{
      {"\xff\xff", "not a Protobuf message isochrone.v1.Event"},
      {"", "\"payload\": should be set"},
      {head(), "\"payload\": should be set"},
      {field(13, field(1, "fra")), "field \"id.source\": should be 1 to 253 bytes"},
      {head() + field(13, ""), "field \"site\": should be 1 to 253 bytes"},
      {head() + field(13, field(1, "\xff")), "not a Protobuf message"},
      {head() + field(13, field(1, "a\x1b[0m")), "without control characters"},
      {head() + field(10, path), "field \"method\": should be one of the values"},
      {head() + field(10, path + number_field(3, 99)), "field \"method\": should be one of"},
      {head() + field(10, field(1, "fra") + number_field(3, 1)),
       "field \"prefix.address\": should be 4 or 16 bytes"},
      {head() + field(10, field(1, "fra") +
                              field(2, field(1, "\x01\x02\x03\x04") + number_field(2, 33)) +
                              number_field(3, 1)),
       "field \"prefix.length\": should be at most the width"},
      {head() + field(10, field(1, "fra") +
                              field(2, field(1, "\x01\x02\x03\x04") + number_field(2, 24)) +
                              number_field(3, 1)),
       "field \"prefix.address\": should be zero from bit"},
      {head() + field(10, path + number_field(3, 1) + std::string("\x20\xff\xff\xff\xff\x0f")),
       "field \"rtt_us\": should be 0 to 60000000"},
      {std::string(kMaxEventBytes + 1, '\0'), "at most 32768 bytes"},
  };
  for (const auto& [message, error] : messages) {
    const auto read = from_protobuf(bytes_of(message));
    ASSERT_FALSE(read) << ::testing::PrintToString(message);
    EXPECT_THAT(read.error().text(), HasSubstr(error));
  }
}

TEST(Protobuf, EveryTruncationIsReadOrRefusedAndNeverCrashes) {
  const std::string whole = to_protobuf(a_state());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto read = from_protobuf(bytes_of(std::string_view(whole).substr(0, length)));
    EXPECT_FALSE(read && *read == a_state()) << length;
  }
}

TEST(Protobuf, ABrokenBatchIsRefused) {
  const std::vector<std::pair<std::string, std::string>> batches{
      {"\x80", "cut short in a size"},
      {"\x05"
       "abc",
       "cut short in an event"},
      {"\xff\xff\x7f", "at most 32768 bytes"},
      {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "at most five bytes"},
  };
  for (const auto& [batch, error] : batches) {
    Bytes rest = bytes_of(batch);
    const auto next = next_delimited(rest);
    ASSERT_FALSE(next);
    EXPECT_THAT(next.error().text(), HasSubstr(error));
  }
}

}  // namespace
}  // namespace isochrone::event
