// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/random.h"
#include "collector/fusion.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using routing::Method;
using routing::SiteId;

constexpr SiteId kNear{0};
constexpr SiteId kFar{1};

class Fusion : public testing::Test {
 protected:
  // A second of four answers, the median at `p50`, half a millisecond of jitter; or of four losses.
  void see(SiteId site, Method method, Micros p50, bool teaches = true, std::uint32_t lost = 0) {
    now_ += Seconds(1);
    routing::WindowSummary window{
        now_, p50 - Micros(1'000), p50, p50 + Micros(1'000), Micros(500), 4, lost, method};
    fuse(known_, site, window, bias_, teaches);
  }
  void lose(SiteId site, Method method) {
    now_ += Seconds(1);
    routing::WindowSummary window;
    window.end = now_;
    window.lost = 4;
    window.method = method;
    fuse(known_, site, window, bias_, true);
  }
  const routing::Estimate& of(SiteId site) const { return *known_.find(site); }

  routing::PrefixState known_{*Prefix::parse("192.0.2.0/24"), 0, {}, {}};
  MethodBias bias_;
  Instant now_ = kStart;
};

TEST_F(Fusion, OneMethodIsFoldedAsItIsAndHasNoViews) {
  routing::Estimate alone;
  for (int i = 0; i < 20; ++i) {
    see(kNear, Method::tcp, Micros(20'000 + i));
    alone = fold_window(alone, {now_, Micros(19'000 + i), Micros(20'000 + i), Micros(21'000 + i),
                                Micros(500), 4, 0, Method::tcp});
  }
  EXPECT_EQ(of(kNear), alone);
  EXPECT_TRUE(known_.views.empty());
}

TEST_F(Fusion, TheMostTrustedMethodSpeaksAndTheOthersAreKeptApart) {
  for (int i = 0; i < 10; ++i) {
    see(kNear, Method::beacon, Micros(31'000));
    see(kNear, Method::icmp, Micros(20'000));
    see(kNear, Method::hop, Micros(12'000));
  }
  EXPECT_EQ(of(kNear).method, Method::icmp);
  EXPECT_EQ(of(kNear).p50, Micros(20'000));
  ASSERT_EQ(known_.views.size(), 3U);
  EXPECT_EQ(known_.views[1].estimate.method, Method::hop);
  EXPECT_EQ(known_.views[1].estimate.p50, Micros(12'000));
  EXPECT_EQ(known_.views[1].more.p50, Micros(-8'000));
  EXPECT_EQ(known_.views[2].more.p50, Micros(11'000));
  EXPECT_EQ(known_.views[0].more, routing::Excess{});
}

// Two paths of one network, the nearer one silent to ICMP: its last hop says less than the host would.
TEST_F(Fusion, APathSeenByOneMethodIsComparedWithAPathSeenByAnother) {
  for (int i = 0; i < 10; ++i) {
    see(kFar, Method::icmp, Micros(30'000));
    see(kNear, Method::hop, Micros(25'000));
  }
  EXPECT_LT(of(kNear).p50, of(kFar).p50) << "nothing is known of the difference";
  see(kFar, Method::hop, Micros(20'000));
  EXPECT_EQ(of(kFar).p50, Micros(30'000));
  EXPECT_EQ(of(kNear).p50, Micros(35'000)) << "it is 10 ms less on the network's other path";
  EXPECT_EQ(of(kNear).min, Micros(34'000));
  EXPECT_EQ(of(kNear).method, Method::hop);
  // What the hop itself said is kept.
  const auto view = std::find_if(known_.views.begin(), known_.views.end(),
                                 [](const auto& each) { return each.site == kNear; });
  ASSERT_NE(view, known_.views.end());
  EXPECT_EQ(view->estimate.p50, Micros(25'000));
}

TEST_F(Fusion, WhatAllNetworksSayIsUsedWhereTheNetworkSaysNothing) {
  for (int i = 0; i < 400; ++i) {
    routing::PrefixState other{*Prefix::parse("198.51.100.0/24"), 0, {}, {}};
    std::swap(other, known_);
    see(kNear, Method::icmp, Micros(20'000));
    see(kNear, Method::beacon, Micros(26'000));
    std::swap(other, known_);
  }
  EXPECT_NEAR(static_cast<double>(bias_.of(Method::beacon).p50.count()), 6'000, 50);
  for (int i = 0; i < 10; ++i) {
    see(kFar, Method::icmp, Micros(40'000));
    see(kNear, Method::beacon, Micros(45'000));
  }
  EXPECT_LT(of(kNear).p50, of(kFar).p50);
  MethodBias again;
  again.restore(bias_.to_bytes());
  for (const auto method : {Method::icmp, Method::beacon}) {
    EXPECT_EQ(again.of(method), bias_.of(method));
  }
  again.restore("short");
  EXPECT_EQ(again.of(Method::beacon), bias_.of(Method::beacon));
}

TEST_F(Fusion, WhereAllPathsAreSeenByOneMethodNothingIsTakenOff) {
  bias_.learn(Method::tcp, {Micros(100), Micros(100), Micros(100), Micros(0), 0, 1});
  see(kNear, Method::tcp, Micros(20'000));
  see(kFar, Method::tcp, Micros(30'000));
  EXPECT_EQ(of(kNear).p50, Micros(20'000));
  EXPECT_TRUE(known_.views.empty());
}

TEST_F(Fusion, ANextMethodSpeaksWhenTheFirstIsNotAnsweredAnyMore) {
  for (int i = 0; i < 20; ++i) see(kNear, Method::icmp, Micros(20'000));
  for (int i = 0; i < 20; ++i) {
    lose(kNear, Method::icmp);
    see(kNear, Method::tcp, Micros(21'000));
  }
  EXPECT_EQ(of(kNear).method, Method::tcp);
  EXPECT_EQ(of(kNear).loss_permille, 0);
  // All are silent: the path is lost, whatever a method said long ago.
  for (int i = 0; i < 400; ++i) lose(kNear, Method::icmp);
  EXPECT_GT(of(kNear).loss_permille, 900);
}

TEST_F(Fusion, ALieTeachesNothingAndIsNotBelievedWhereAProberSees) {
  for (int i = 0; i < 20; ++i) {
    see(kNear, Method::icmp, Micros(20'000));
    see(kNear, Method::beacon, Micros(900'000));
    see(kNear, Method::tcp, Micros(24'000), false);
  }
  EXPECT_EQ(of(kNear).p50, Micros(20'000));
  EXPECT_EQ(bias_.of(Method::beacon), routing::Excess{});
  EXPECT_EQ(bias_.of(Method::tcp), routing::Excess{}) << "of a prober that is not believed";
}

TEST_F(Fusion, LossAndJitterOfAMethodAreComparedToo) {
  for (int i = 0; i < 100; ++i) {
    see(kFar, Method::icmp, Micros(30'000));
    // Routers answer so many a second.
    see(kFar, Method::hop, Micros(30'000), true, 1);
    see(kNear, Method::hop, Micros(30'000), true, 1);
  }
  EXPECT_GT(known_.views.front().estimate.loss_permille, 150);
  EXPECT_LT(of(kNear).loss_permille, 60);
}

// Sums to the same when the views of one state are written, read again and go on.
TEST_F(Fusion, ViewsAreSortedAndOfPathsThatThereAre) {
  Random random(7);
  const std::array methods{Method::icmp, Method::tcp, Method::hop, Method::passive, Method::beacon};
  for (int i = 0; i < 2'000; ++i) {
    const SiteId site(static_cast<std::uint16_t>(random.below(5)));
    const Method method = methods[random.below(methods.size())];
    if (random.below(4) == 0) {
      lose(site, method);
    } else {
      see(site, method, Micros(10'000 + static_cast<int>(random.below(40'000))));
    }
    if (random.below(50) == 0) {
      known_.forget([&](const auto& path) { return path.site == site; });
    }
    EXPECT_TRUE(std::is_sorted(known_.views.begin(), known_.views.end(), [](auto& a, auto& b) {
      return std::pair(a.site, a.estimate.method) < std::pair(b.site, b.estimate.method);
    }));
    for (const auto& view : known_.views) ASSERT_NE(known_.find(view.site), nullptr);
    for (const auto& path : known_.paths) {
      EXPECT_GE(path.estimate.p50, Micros(path.estimate.samples > 0 ? 1 : 0));
    }
  }
}

}  // namespace
}  // namespace isochrone::collector
