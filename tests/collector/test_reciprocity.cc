// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "collector/reciprocity.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using routing::SiteId;

constexpr std::uint16_t kSites = 8;

routing::Topology topology() {
  routing::Topology topology;
  for (std::uint16_t i = 0; i < kSites; ++i) {
    topology.sites.push_back(
        {fmt::format("s{}", i), {}, {Address::v4(192, 0, 2, static_cast<std::uint8_t>(i))}});
  }
  return topology;
}

class Mesh : public testing::Test {
 protected:
  static Micros truth(int a, int b) { return Micros(10'000 * (1 + std::abs(a - b))); }

  // Every site but those of `silent` measures all others once; `says` what it saw.
  template <class Says>
  std::vector<SiteId> round(Says says) {
    now_ += Seconds(10);
    std::vector<SiteId> fallen;
    for (int a = 0; a < kSites; ++a) {
      for (int b = 0; b < kSites; ++b) {
        const Prefix home(topology_.sites[static_cast<std::size_t>(b)].addresses.front(), 32);
        const auto found =
            mesh_.claim(SiteId(static_cast<std::uint16_t>(a)), home, says(a, b), now_);
        fallen.insert(fallen.end(), found.begin(), found.end());
      }
    }
    return fallen;
  }
  unsigned contradicted() const {
    unsigned count = 0;
    for (std::uint16_t i = 0; i < kSites; ++i) count += mesh_.is_contradicted(SiteId(i)) ? 1U : 0U;
    return count;
  }

  const routing::Topology topology_ = topology();
  Reciprocity mesh_{topology_};
  Instant now_ = kStart;
};

TEST_F(Mesh, SitesThatSayTheSameAreBelieved) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(round([&](int a, int b) { return truth(a, b) + Micros(2'000 * (a % 3)); }).empty());
  }
  EXPECT_EQ(contradicted(), 0U);
}

TEST_F(Mesh, OneThatAllContradictIsNotBelievedUntilItFitsAgain) {
  const auto honest = [](int a, int b) { return truth(a, b); };
  for (const int ms : {1'000, 1}) {
    const auto lie = [&](int a, int b) {
      return a == 3 ? Micros(1'000 * ms) : truth(a, b) + Micros(30'000);
    };
    round(honest);
    round(honest);
    EXPECT_TRUE(round(lie).empty()) << "one window may be chance";
    EXPECT_EQ(round(lie), std::vector{SiteId(3)});
    EXPECT_TRUE(round(lie).empty()) << "said once";
    EXPECT_TRUE(mesh_.is_contradicted(SiteId(3)));
    EXPECT_EQ(contradicted(), 1U);
    round(honest);
    round(honest);
    EXPECT_EQ(contradicted(), 0U);
  }
}

TEST_F(Mesh, ThreeOfEightThatSayTheSameAreFoundOut) {
  for (int i = 0; i < 3; ++i) {
    round([](int a, int b) { return a < 3 ? Micros(1'000'000) : truth(a, b); });
  }
  EXPECT_EQ(contradicted(), 3U);
  for (std::uint16_t i = 0; i < 3; ++i) EXPECT_TRUE(mesh_.is_contradicted(SiteId(i)));
}

// Both ends see it; and who measures first sees it first.
TEST_F(Mesh, ACongestedSiteIsBelieved) {
  for (int i = 0; i < 20; ++i) {
    const auto seen = round([&](int a, int b) {
      const bool is_congested = (a == 3 || b == 3) && i >= 10 && (i > 10 || a == 3);
      return truth(a, b) + (is_congested ? Micros(300'000) : Micros(0));
    });
    EXPECT_TRUE(seen.empty()) << i;
  }
}

TEST_F(Mesh, WhatIsOldOrOfNoSiteOrOfTooFewSaysNothing) {
  const auto lie = [](int a, int b) { return a == 3 ? Micros(1'000'000) : truth(a, b); };
  for (int i = 0; i < 5; ++i) {
    round([&](int a, int b) { return b > 3 ? Micros(1) : lie(a, b); });
    now_ += Seconds(700);
  }
  EXPECT_EQ(contradicted(), 0U) << "each round is too old for the next";
  EXPECT_TRUE(mesh_.claim(SiteId(0), *Prefix::parse("198.51.100.0/24"), Micros(1), now_).empty());
  Reciprocity alone;
  EXPECT_TRUE(alone.claim(SiteId(0), *Prefix::parse("192.0.2.1/32"), Micros(1), now_).empty());
  EXPECT_FALSE(alone.is_contradicted(SiteId(0)));
}

}  // namespace
}  // namespace isochrone::collector
