// SPDX-License-Identifier: Apache-2.0
//
// Shares: collectors that see the same notes in the same order, each by its own clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "collector/shares.h"

namespace isochrone::collector {
namespace {

constexpr Millis kLease{3'000};
const Monotonic kBegin{Seconds(1'000)};

// A log that nobody fails to write: whoever has something to say reads first, then says it to all.
class Cluster {
 public:
  Shares& join(const std::string& name, std::uint64_t life = 1) {
    all_.emplace_back(name, life, kLease);
    all_.back().take(said_, now_);
    awake_.push_back(true);
    return all_.back();
  }
  void pause(std::size_t i) { awake_[i] = false; }
  void resume(std::size_t i) {
    awake_[i] = true;
    all_[i].take(said_, now_);
  }
  void pass(Millis time) {
    for (const Monotonic end = now_ + time; now_ < end; now_ += Millis(50)) {
      for (std::size_t i = 0; i < all_.size(); ++i) {
        if (awake_[i]) say(all_[i].due(now_));
      }
    }
  }
  Shares& operator[](std::size_t i) { return all_[i]; }
  // How many partitions each that is awake has; all of them together once.
  std::vector<std::size_t> counts() {
    std::vector<std::size_t> counts;
    Parts seen;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!awake_[i]) continue;
      EXPECT_TRUE((seen & all_[i].mine()).none());
      seen |= all_[i].mine();
      counts.push_back(all_[i].mine().count());
    }
    EXPECT_TRUE(seen.all());
    return counts;
  }

 private:
  void say(const std::vector<Note>& notes) {
    said_.insert(said_.end(), notes.begin(), notes.end());
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (awake_[i]) all_[i].take(notes, now_);
    }
  }

  Monotonic now_ = kBegin;
  std::deque<Shares> all_;
  std::vector<bool> awake_;
  std::vector<Note> said_;
};

TEST(Shares, TheFirstTakesEverythingAtOnce) {
  Cluster cluster;
  cluster.join("c1");
  cluster.pass(Millis(50));
  EXPECT_EQ(cluster.counts(), std::vector<std::size_t>{kPartitions + 1});
}

TEST(Shares, WhoJoinsIsGivenItsShare) {
  Cluster cluster;
  for (const char* name : {"c1", "c2", "c3"}) {
    cluster.join(name);
    cluster.pass(Millis(200));
  }
  for (const std::size_t count : cluster.counts()) EXPECT_GE(count, 2U);
}

TEST(Shares, WhatALostOneHadIsTakenAfterALeaseAndNotBefore) {
  Cluster cluster;
  cluster.join("c1");
  cluster.join("c2");
  cluster.pass(Millis(200));
  const std::size_t before = cluster[0].mine().count();
  cluster.pause(1);
  cluster.pass(kLease - Millis(1'200));
  EXPECT_EQ(cluster[0].mine().count(), before);
  cluster.pass(Millis(1'300));
  EXPECT_EQ(cluster.counts(), std::vector<std::size_t>{kPartitions + 1});
}

TEST(Shares, WhoWasPausedFindsItsPartitionsTakenAndIsGivenThemBack) {
  Cluster cluster;
  cluster.join("c1");
  cluster.join("c2");
  cluster.pass(Millis(200));
  const Parts before = cluster[1].mine();
  cluster.pause(1);
  cluster.pass(kLease * 20);
  cluster.resume(1);
  EXPECT_TRUE(cluster[1].mine().none());
  cluster.pass(kLease);
  EXPECT_EQ(cluster[1].mine(), before);
  cluster.counts();
}

TEST(Shares, ANameThatStartsAnewTakesWhatItHad) {
  Cluster cluster;
  cluster.join("c1");
  cluster.join("c2", 7);
  cluster.pass(Millis(200));
  const Parts before = cluster[1].mine();
  cluster.pause(1);
  cluster.join("c2", 8);
  cluster.pass(Millis(100));
  EXPECT_EQ(cluster[2].mine(), before);
  cluster.resume(1);
  EXPECT_TRUE(cluster[1].mine().none()) << "its earlier life has nothing";
}

TEST(Partition, OfABlockIsThatOfWhatIsInIt) {
  std::vector<std::size_t> sizes(kPartitions);
  for (int i = 0; i < 4'096; ++i) {
    const Prefix block(
        Address::v4(static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 0, 0), 16);
    const Prefix network(
        Address::v4(static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 77, 0), 24);
    EXPECT_EQ(partition_of(network), partition_of(block));
    ++sizes[partition_of(block)];
  }
  // 256 each are expected with a standard deviation of 15.5; six of them are never seen by chance.
  EXPECT_GT(*std::min_element(sizes.begin(), sizes.end()), 163U);
  // A part of the log's format.
  EXPECT_EQ(partition_of(*Prefix::parse("192.0.2.0/24")), 3U);
  EXPECT_EQ(partition_of(*Prefix::parse("2001:db8:1::/48")), 0U);
}

}  // namespace
}  // namespace isochrone::collector
