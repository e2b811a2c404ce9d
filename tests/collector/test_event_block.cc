// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "collector/event_block.h"

namespace isochrone::collector {
namespace {

using Found = std::vector<std::pair<event::Position, std::string>>;
constexpr auto kChannel = event::Channel::health;

Found read(std::string_view block, bool* is_damaged = nullptr) {
  BlockReader reader(block, kChannel);
  Found found;
  while (reader.next()) found.emplace_back(reader.position(), reader.event());
  if (is_damaged != nullptr) *is_damaged = reader.is_damaged();
  return found;
}

TEST(EventBlock, GivesBackWhatItTook) {
  BlockWriter writer(kChannel);
  EXPECT_TRUE(writer.is_empty());
  writer.add(7, "seven");
  writer.add(9, "");
  bool is_damaged = true;
  EXPECT_EQ(read(writer.bytes(), &is_damaged), (Found{{7, "seven"}, {9, ""}}));
  EXPECT_FALSE(is_damaged);
}

// Every bit of a block in turn: never more than one event is lost, and none is altered.
TEST(EventBlock, LosesOneEventByOneFlippedBit) {
  BlockWriter writer(kChannel);
  Found all;
  Random random(3);
  for (event::Position position = 5; position < 12; ++position) {
    std::string event;
    for (std::uint64_t i = random.below(60); i > 0; --i) {
      event.push_back(static_cast<char>(random.below(256)));
    }
    writer.add(position, event);
    all.emplace_back(position, event);
  }
  for (std::size_t bit = 0; bit < 8 * writer.bytes().size(); ++bit) {
    std::string flipped = writer.bytes();
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    bool is_damaged = false;
    const Found found = read(flipped, &is_damaged);
    ASSERT_GE(found.size() + 1, all.size()) << bit;
    for (const auto& each : found) {
      ASSERT_NE(std::find(all.begin(), all.end(), each), all.end()) << bit;
    }
    ASSERT_TRUE(is_damaged) << bit;
  }
}

TEST(EventBlock, KeepsWhatIsWholeOfATornOne) {
  BlockWriter writer(kChannel);
  writer.add(1, "first");
  const std::size_t whole = writer.bytes().size();
  writer.add(2, "second");
  for (std::size_t size = whole; size < writer.bytes().size(); ++size) {
    EXPECT_EQ(read(writer.bytes().substr(0, size)), (Found{{1, "first"}})) << size;
  }
}

}  // namespace
}  // namespace isochrone::collector
