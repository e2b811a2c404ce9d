// SPDX-License-Identifier: Apache-2.0
//
// Voices in a window, juries of browsers, and probers that they judge.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "collector/jury.h"
#include "collector/window.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

const Path kPath{*Prefix::parse("192.0.2.0/24"), routing::SiteId(0)};

std::vector<Sample> said(std::uint32_t voice, std::size_t times, Micros rtt) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < times; ++i) {
    samples.push_back(
        {kStart + Millis(static_cast<std::int64_t>(i)), rtt, routing::Method::icmp, voice});
  }
  return samples;
}

std::vector<Sample> together(std::initializer_list<std::vector<Sample>> voices) {
  std::vector<Sample> all;
  for (const auto& voice : voices) all.insert(all.end(), voice.begin(), voice.end());
  return all;
}

TEST(Voices, WhoSendsMoreDoesNotWeighMore) {
  const auto summary = summarize(
      together({said(1, 3, Micros(20'000)), said(2, 3, Micros(20'100)), said(3, 900, Micros(1))}),
      kStart);
  EXPECT_EQ(summary.answered, 9U);
  EXPECT_EQ(summary.p50, Micros(20'000));
}

TEST(Voices, OneAloneHasAllItSaid) {
  EXPECT_EQ(summarize(said(1, 50, Micros(700)), kStart).answered, 50U);
}

TEST(Voices, WhatIsLeftOfAVoiceIsLikeAllOfIt) {
  std::vector<Sample> wide;
  for (int i = 1; i <= 100; ++i)
    wide.push_back({kStart, Micros(i * 1'000), routing::Method::icmp, 1});
  auto summary =
      summarize(together({wide, said(2, 5, Micros(50'000)), said(3, 5, Micros(50'000))}), kStart);
  EXPECT_EQ(summary.answered, 15U);
  EXPECT_EQ(summary.min, Micros(11'000));  // the middle of the first fifth
  EXPECT_EQ(summary.p50, Micros(50'000));
  for (auto& sample : wide) sample.rtt.reset();
  summary =
      summarize(together({wide, said(2, 5, Micros(50'000)), said(3, 5, Micros(50'000))}), kStart);
  EXPECT_EQ(summary.lost, 5U);
}

TEST(Voices, OfOneMinuteAreTheSameInAnyOrder) {
  Random random(5);
  std::vector<Sample> samples;
  for (int i = 0; i < 200; ++i) {
    samples.push_back({kStart + Millis(static_cast<std::int64_t>(random.below(50))),
                       Micros(static_cast<std::int64_t>(random.below(30))), routing::Method::icmp,
                       static_cast<std::uint32_t>(random.below(5))});
  }
  const auto first = summarize(samples, kStart);
  for (int i = 0; i < 20; ++i) {
    for (std::size_t j = samples.size(); j > 1; --j)
      std::swap(samples[j - 1], samples[random.below(j)]);
    const auto again = summarize(samples, kStart);
    EXPECT_EQ(again.p50, first.p50);
    EXPECT_EQ(again.p90, first.p90);
    EXPECT_EQ(again.jitter, first.jitter);
  }
}

TEST(Voices, BrowsersAreKeptApartAndHaveOneVoteEach) {
  OpenWindows windows(Millis(1'000), Millis(0));
  const auto add = [&](routing::Method method, std::uint32_t voice, int ms) {
    windows.add(kPath, {kStart, Micros(1'000 * ms), method, voice}, 1);
  };
  add(routing::Method::icmp, 1, 20);
  for (int i = 0; i < 9; ++i) add(routing::Method::beacon, 7, 1);
  add(routing::Method::beacon, 8, 2);
  const auto closed = windows.close(kStart + Seconds(2));
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].samples, 11U);
  ASSERT_EQ(closed[0].summaries.size(), 1U);
  EXPECT_EQ(closed[0].summaries[0].answered, 1U);
  EXPECT_EQ(closed[0].summaries[0].p50, Micros(20'000));
  EXPECT_EQ(closed[0].votes.size(), 2U);
}

class Jury : public ::testing::Test {
 protected:
  std::optional<routing::WindowSummary> vote(std::optional<int> ms, const Path& path = kPath) {
    now_ += Seconds(1);
    const auto rtt = ms ? std::optional(Micros(1'000 * *ms)) : std::nullopt;
    return juries_.hear(path, {{now_, rtt, routing::Method::beacon, 0}}, now_);
  }
  std::vector<routing::SiteId> fallen() {
    std::vector<routing::SiteId> sites;
    for (const auto& each : juries_.take_fallen()) sites.push_back(each.site);
    return sites;
  }
  routing::WindowSummary claim(int ms) const {
    routing::WindowSummary seen;
    seen.end = now_;
    seen.p50 = Micros(1'000 * ms);
    seen.answered = 1;
    return seen;
  }
  // How many such votes it takes from here to a verdict.
  int votes_to_verdict(std::optional<int> ms) {
    for (int votes = 1; votes <= 200; ++votes) {
      if (verdict_ = vote(ms); verdict_) return votes;
    }
    return -1;
  }

  Juries juries_{routing::Topology{}};
  Instant now_ = kStart;
  std::optional<routing::WindowSummary> verdict_;
};

TEST_F(Jury, IsSureOnceThoseWhoAgreeLeadByEnough) {
  EXPECT_EQ(votes_to_verdict(50), Juries::kLead);
  EXPECT_EQ(verdict_->answered, 14U);
  EXPECT_EQ(verdict_->p50, Micros(50'000));
  EXPECT_EQ(verdict_->method, routing::Method::beacon);
  EXPECT_EQ(votes_to_verdict(50), Juries::kLead);  // anew
}

TEST_F(Jury, LiarsOnlyMakeItTakeLonger) {
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(vote(2));
  EXPECT_EQ(votes_to_verdict(50), Juries::kLead + 6);
  EXPECT_EQ(verdict_->min, Micros(50'000));
  EXPECT_EQ(verdict_->answered, 20U);
  EXPECT_EQ(verdict_->lost, 0U);
}

TEST_F(Jury, AFewFailuresAreNoLossAndManyAreOne) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(vote({}));
  votes_to_verdict(50);
  EXPECT_EQ(verdict_->lost, 0U);
  EXPECT_EQ(votes_to_verdict({}), Juries::kLead);
  EXPECT_EQ(verdict_->answered, 0U);
  EXPECT_EQ(verdict_->lost, 14U);
}

TEST_F(Jury, ThatCannotAgreeBeginsAnew) {
  for (std::size_t i = 0; i < Juries::kMaxVotes / 2; ++i) {
    EXPECT_FALSE(vote(2));
    EXPECT_FALSE(vote(200));
  }
  EXPECT_EQ(juries_.hung(), 1U);
  EXPECT_EQ(votes_to_verdict(50), Juries::kLead);
}

TEST_F(Jury, ForgetsWhatWasSaidLongAgo) {
  for (int i = 0; i < Juries::kLead - 1; ++i) EXPECT_FALSE(vote(50));
  now_ += Juries::kVoteLife;
  EXPECT_EQ(votes_to_verdict(50), Juries::kLead);
  juries_.forget_old(now_ + Juries::kVoteLife + Seconds(1));
  EXPECT_EQ(juries_.open(), 0U);
}

TEST_F(Jury, NoNetworkBecomesMuchNearerOnAllPathsAtOnce) {
  routing::Estimate known;
  known.samples = 60;
  routing::WindowSummary window;
  window.answered = 3;
  const auto say = [&](int was, int is, int paths, std::uint16_t site) {
    known.p50 = Micros(1'000 * was);
    window.p50 = Micros(1'000 * is);
    for (int i = 0; i < paths; ++i) {
      const Prefix prefix(Address::v4(10, 0, static_cast<std::uint8_t>(i), 0), 24);
      juries_.listen({prefix, routing::SiteId(site)}, known, window);
    }
    return juries_.is_believed(routing::SiteId(site));
  };
  EXPECT_TRUE(say(100, 95, 64, 0));
  EXPECT_TRUE(say(100, 2, 32, 0));
  EXPECT_FALSE(say(100, 2, 1, 0));
  // A site that was congested and is not any more says the same, and is believed.
  EXPECT_TRUE(say(40, 240, 64, 1));
  EXPECT_TRUE(say(240, 40, 64, 1));
  EXPECT_FALSE(say(240, 40, 64, 1));  // but once
  // Nor is it the way to be nearer than ever.
  EXPECT_TRUE(say(100, 900, 64, 2));
  EXPECT_FALSE(say(900, 2, 64, 2));
  juries_.clear({});
  EXPECT_TRUE(juries_.is_believed(routing::SiteId(0)));
}

TEST_F(Jury, AProberIsNotBelievedWhileWhatItClaimsDoesNotFit) {
  const auto judge = [&](int claimed, int seen, unsigned paths) {
    for (unsigned i = 0; i < paths; ++i) {
      const Path path{Prefix(Address::v4(10, 0, static_cast<std::uint8_t>(i), 0), 24),
                      routing::SiteId(1)};
      vote(seen, path);
      juries_.claim(path, claim(claimed));
      for (int n = 1; n < Juries::kLead; ++n) vote(seen, path);
    }
  };
  judge(100, 110, 30);
  EXPECT_TRUE(juries_.is_believed(routing::SiteId(1)));
  judge(2, 110, 29);
  EXPECT_TRUE(juries_.is_believed(routing::SiteId(1)));  // half of them
  judge(2, 110, 6);
  EXPECT_FALSE(juries_.is_believed(routing::SiteId(1)));
  EXPECT_TRUE(juries_.is_believed(routing::SiteId(0)));
  EXPECT_EQ(fallen(), std::vector{routing::SiteId(1)});
  EXPECT_TRUE(juries_.take_fallen().empty());
  judge(100, 110, 48);
  EXPECT_TRUE(juries_.is_believed(routing::SiteId(1)));
}

}  // namespace
}  // namespace isochrone::collector
