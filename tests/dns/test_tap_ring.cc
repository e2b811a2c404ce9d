// SPDX-License-Identifier: Apache-2.0
//
// The ring between a worker and the tap: order, bounds, and two threads at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <thread>

#include "base/random.h"
#include "dns/tap_backlog.h"
#include "dns/tap_ring.h"

namespace isochrone::dns {
namespace {

bool put(TapRing& ring, std::uint32_t number, std::size_t octets) {
  const MutableBytes room = ring.room(octets);
  if (room.empty()) return false;
  std::fill(room.begin(), room.end(), static_cast<std::uint8_t>(number));
  std::memcpy(room.data(), &number, sizeof number);
  ring.commit();
  return true;
}

std::uint32_t number_in(Bytes record) {
  std::uint32_t number = 0;
  std::memcpy(&number, record.data(), sizeof number);
  return number;
}

bool is_whole(Bytes record) {
  const auto body = record.subspan(sizeof(std::uint32_t));
  return std::all_of(body.begin(), body.end(), [&](std::uint8_t octet) {
    return octet == static_cast<std::uint8_t>(number_in(record));
  });
}

TEST(TapRing, GivesBackWhatWasPutInOrderThroughManyLaps) {
  TapRing ring(1'024);
  Random random(7);
  std::deque<std::pair<std::uint32_t, std::size_t>> expected;
  std::size_t refused = 0;
  for (std::uint32_t number = 0; number < 20'000; ++number) {
    const std::size_t octets = 4 + random.below(200);
    if (put(ring, number, octets)) {
      expected.emplace_back(number, octets);
    } else {
      ++refused;
    }
    for (auto taken = random.below(3); taken > 0 && !expected.empty(); --taken) {
      const Bytes record = ring.front();
      ASSERT_EQ(record.size(), expected.front().second);
      ASSERT_EQ(number_in(record), expected.front().first);
      ASSERT_TRUE(is_whole(record));
      ring.pop();
      expected.pop_front();
    }
  }
  EXPECT_GT(refused, 0U) << "it was full now and then";
  for (; !expected.empty(); expected.pop_front(), ring.pop()) {
    ASSERT_EQ(number_in(ring.front()), expected.front().first);
  }
  EXPECT_TRUE(ring.front().empty());
}

TEST(TapRing, RefusesWhatDoesNotFitAndTakesTheNextThatDoes) {
  TapRing ring(1'024);
  EXPECT_FALSE(put(ring, 0, 1'024)) << "with its head it is longer than the ring";
  EXPECT_TRUE(put(ring, 1, 600));
  EXPECT_FALSE(put(ring, 2, 600));
  EXPECT_TRUE(put(ring, 3, 300));
  EXPECT_FALSE(put(ring, 4, 200));
  EXPECT_EQ(number_in(ring.front()), 1U);
  ring.pop();
  EXPECT_TRUE(put(ring, 5, 200));
  EXPECT_EQ(number_in(ring.front()), 3U);
  ring.pop();
  EXPECT_EQ(number_in(ring.front()), 5U);
  ring.pop();
  EXPECT_TRUE(ring.front().empty());
}

TEST(TapRing, LosesAndMixesNothingBetweenTwoThreads) {
  constexpr std::uint32_t kRecords = 200'000;
  TapRing ring(4'096);
  std::thread writer([&ring] {
    Random random(3);
    for (std::uint32_t number = 0; number < kRecords; ++number) {
      const std::size_t octets = 4 + random.below(300);
      while (!put(ring, number, octets)) std::this_thread::yield();
    }
  });
  std::uint32_t next = 0;
  bool is_right = true;
  while (next < kRecords) {
    const Bytes record = ring.front();
    if (record.empty()) {
      std::this_thread::yield();
      continue;
    }
    is_right = is_right && number_in(record) == next && is_whole(record);
    ring.pop();
    ++next;
  }
  writer.join();
  EXPECT_TRUE(is_right);
  EXPECT_TRUE(ring.front().empty());
}

TEST(TapBacklog, CountsFramesWhenTheirLastOctetHasGone) {
  TapBacklog backlog;
  for (const std::size_t octets : {3U, 5U, 1U}) backlog.add(octets)[0] = 0xaa;
  EXPECT_EQ(backlog.rest().size(), 3U * 4 + 3 + 5 + 1);
  EXPECT_EQ(backlog.rest()[3], 3);
  EXPECT_EQ(backlog.rest()[4], 0xaa);
  EXPECT_EQ(backlog.took(6), 0U);
  EXPECT_EQ(backlog.took(1), 1U);
  EXPECT_EQ(backlog.took(4), 0U);
  backlog.rewind();
  EXPECT_EQ(backlog.rest()[3], 5) << "the second frame from its beginning";
  EXPECT_EQ(backlog.took(9 + 5), 2U);
  EXPECT_TRUE(backlog.is_empty());
}

}  // namespace
}  // namespace isochrone::dns
