// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "lab/delay_queue.h"
#include "lab/error_histogram.h"

namespace isochrone::lab {
namespace {

Monotonic at(int milliseconds) { return Monotonic(Millis(milliseconds)); }

void push(DelayQueue& queue, std::size_t mark, Monotonic due) {
  PacketSlot* slot = queue.acquire();
  ASSERT_NE(slot, nullptr);
  slot->link = mark;
  queue.push(slot, due);
}

std::vector<std::size_t> pop_all(DelayQueue& queue, Monotonic now) {
  std::vector<std::size_t> marks;
  while (PacketSlot* slot = queue.pop_due(now)) {
    marks.push_back(slot->link);
    queue.release(slot);
  }
  return marks;
}

TEST(DelayQueue, HandsOutWhatIsDueInOrderOfTime) {
  DelayQueue queue(8);
  push(queue, 30, at(30));
  push(queue, 10, at(10));
  push(queue, 20, at(20));
  EXPECT_EQ(queue.next_due(), at(10));
  EXPECT_EQ(pop_all(queue, at(9)), std::vector<std::size_t>{});
  EXPECT_EQ(pop_all(queue, at(20)), (std::vector<std::size_t>{10, 20}));
  EXPECT_EQ(queue.next_due(), at(30));
}

TEST(DelayQueue, KeepsTheOrderOfPacketsDueTogether) {
  DelayQueue queue(64);
  std::vector<std::size_t> pushed;
  for (std::size_t i = 0; i < 50; ++i) {
    push(queue, i, at(5));
    pushed.push_back(i);
  }
  EXPECT_EQ(pop_all(queue, at(5)), pushed);
}

TEST(DelayQueue, LendsNoMoreThanItsCapacity) {
  DelayQueue queue(2);
  push(queue, 1, at(1));
  push(queue, 2, at(1));
  EXPECT_EQ(queue.acquire(), nullptr);
  queue.release(queue.pop_due(at(1)));
  EXPECT_NE(queue.acquire(), nullptr);
}

TEST(DelayQueue, SortsTenThousandRandomPackets) {
  DelayQueue queue(10'000);
  Random random(3);
  for (int i = 0; i < 10'000; ++i) {
    const auto due = random.below(1'000);
    push(queue, due, at(static_cast<int>(due)));
  }
  const auto order = pop_all(queue, at(1'000));
  EXPECT_EQ(order.size(), 10'000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ErrorHistogram, QuantilesAreUpperEdgesOfTheirBuckets) {
  ErrorHistogram errors;
  for (int i = 0; i < 99; ++i) errors.add(Micros(105));
  errors.add(Millis(3));
  EXPECT_EQ(errors.quantile(0.5), Micros(110));
  EXPECT_EQ(errors.quantile(0.99), Micros(110));
  EXPECT_EQ(errors.quantile(1.0), Micros(3010));
  EXPECT_EQ(errors.max(), Micros(3000));
}

TEST(ErrorHistogram, CountsWhatIsBeyondInItsLastBucket) {
  ErrorHistogram errors;
  errors.add(Seconds(5));
  EXPECT_EQ(errors.quantile(0.5),
            ErrorHistogram::kBucketWidth * static_cast<int>(ErrorHistogram::kBuckets));
  errors.add(-Nanos(1));
  EXPECT_EQ(errors.early(), 1U);
  EXPECT_EQ(ErrorHistogram().quantile(0.5), Micros(0));
}

}  // namespace
}  // namespace isochrone::lab
