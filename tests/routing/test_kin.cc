// SPDX-License-Identifier: Apache-2.0
//
// Thin paths lean on their kin as much as these have proved right, and no more.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/random.h"
#include "routing/kin.h"

namespace isochrone::routing {
namespace {

constexpr SiteId kFra(0);
constexpr SiteId kIad(1);

Topology two_sites() {
  Topology topology;
  topology.sites = {{"fra", Location{50.1, 8.7}, {}}, {"iad", Location{39.0, -77.5}, {}}};
  return topology;
}

std::shared_ptr<const RoutedNetworks> routed(std::string_view text) {
  return std::make_shared<const RoutedNetworks>(*RoutedNetworks::parse(text));
}

Prefix at(const char* text) { return *Prefix::parse(text); }

Micros ms(double millis) { return Micros(std::llround(millis * 1'000)); }

Estimate seen(Micros p50, std::uint32_t answers) {
  Estimate estimate;
  estimate.min = p50;
  estimate.p50 = p50;
  estimate.p90 = p50;
  estimate.samples = answers;
  return estimate;
}

double gaussian(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.below(1'000'000)) / 1e6;
  return sum;
}

class KinTest : public testing::Test {
 protected:
  void learn(const char* prefix, SiteId site, Micros p50) {
    kin_.learn(groups_.groups_of(groups_.place_of(at(prefix)), site), p50);
  }
  std::optional<Kin::Forecast> forecast(const char* prefix, SiteId site) const {
    return kin_.forecast(groups_.groups_of(groups_.place_of(at(prefix)), site));
  }

  KinGroups groups_{routed("198.18.0.0/15 64500\n203.0.113.0/24 64500\n192.0.2.0/24 64501\n"),
                    std::make_shared<const GeoPrior>(GeoPrior::from(
                        {{at("198.18.0.0/16"), {48.1, 11.6}}, {at("192.0.2.0/24"), {48.2, 11.5}}})),
                    two_sites()};
  Kin kin_;
};

TEST_F(KinTest, KnowsNothingOfWhatHasNoKin) {
  learn("198.18.1.0/24", kFra, ms(10));
  EXPECT_FALSE(forecast("203.0.113.0/24", kIad)) << "another site";
  EXPECT_FALSE(forecast("8.8.8.0/24", kFra)) << "another network, of no known place";
}

TEST_F(KinTest, ForecastsByTheGroupThatHasProvedRight) {
  for (int i = 0; i < 40; ++i) {
    // The AS is all alike; what is routed together is here and there.
    const std::string inside = "198.18." + std::to_string(i) + ".0/24";
    learn(inside.c_str(), kFra, ms(i % 2 == 0 ? 10 : 80));
  }
  const auto of_prefix = forecast("198.18.200.0/24", kFra);
  ASSERT_TRUE(of_prefix);
  EXPECT_GT(of_prefix->variance, 1) << "it has been off by three octaves every other time";

  KinGroups of_as(routed("198.18.0.0/24 64500\n198.18.1.0/24 64500\n198.18.2.0/24 64500\n"),
                  nullptr, two_sites());
  Kin kin;
  for (int i = 0; i < 40; ++i) {
    const std::string inside = "198.18." + std::to_string(i % 2) + ".0/24";
    kin.learn(of_as.groups_of(of_as.place_of(at(inside.c_str())), kFra), ms(20 + i % 3 * 0.2));
  }
  const auto forecast = kin.forecast(of_as.groups_of(of_as.place_of(at("198.18.2.0/24")), kFra));
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->kind, KinKind::as);
  EXPECT_NEAR(std::exp2(forecast->octaves) / 1'000, 20.2, 0.1);
}

TEST_F(KinTest, WhatIsAtTheSameDistanceIsKin) {
  for (int i = 0; i < 20; ++i) learn("198.18.1.0/24", kFra, ms(12));
  const auto found = forecast("192.0.2.0/24", kFra);
  ASSERT_TRUE(found) << "of another prefix and AS, but twenty kilometres away";
  EXPECT_EQ(found->kind, KinKind::distance);
}

TEST_F(KinTest, LeansMoreTheFewerAnswersThereAre) {
  const Kin::Forecast kin{std::log2(20'000), 1.0 / 400, KinKind::as};
  Micros before = ms(20);
  for (const std::uint32_t answers : {1U, 2U, 4U, 7U}) {
    const Micros leaned = lean(seen(ms(30), answers), kin).p50;
    EXPECT_GT(leaned, before) << answers;
    EXPECT_LT(leaned, ms(30)) << answers;
    before = leaned;
  }
  const Kin::Forecast unsure{std::log2(20'000), 9, KinKind::as};
  EXPECT_GT(lean(seen(ms(30), 1), unsure).p50, ms(29.9));
}

TEST_F(KinTest, LeavesWellKnownPathsAlone) {
  for (int i = 0; i < 20; ++i) learn("198.18.1.0/24", kFra, ms(10));
  PrefixState known{at("198.18.9.0/24"), 1, {}, {}};
  known.set(kFra, seen(ms(40), kThin));
  EXPECT_FALSE(lean_thin_paths(known, groups_, kin_));
  EXPECT_EQ(known.find(kFra)->p50, ms(40));
  known.set(kFra, seen(ms(40), 1));
  EXPECT_TRUE(lean_thin_paths(known, groups_, kin_));
  EXPECT_LT(known.find(kFra)->p50, ms(40));
}

// Networks of ASes, each so far from two sites, known by one to four answers of which each is off: which site is
// chosen, and what it costs against the nearer one, by what was measured and leaned on kin. `spread`: by how much
// networks of an AS differ, in octaves.
struct Penalty {
  double measured_ms = 0;
  double leaned_ms = 0;
};
Penalty penalty(double spread, std::uint32_t answers, std::uint64_t seed) {
  constexpr int kAses = 60;
  constexpr int kKnown = 12;
  constexpr int kNew = 40;
  constexpr double kOff = 0.15;  // of one answer: a tenth
  Random random(seed);
  std::string text;
  const auto prefix = [](int as, int network) {
    return Prefix(
        Address::v4(10, static_cast<std::uint8_t>(as), static_cast<std::uint8_t>(network), 0), 24);
  };
  for (int as = 0; as < kAses; ++as) {
    text += "10." + std::to_string(as) + ".0.0/16 " + std::to_string(64'500 + as) + "\n";
  }
  KinGroups groups(routed(text), nullptr, two_sites());
  Kin kin;
  Penalty sum;
  for (int as = 0; as < kAses; ++as) {
    const double usual[2] = {3 + static_cast<double>(random.below(4'000)) / 1'000,
                             3 + static_cast<double>(random.below(4'000)) / 1'000};
    for (int i = 0; i < kKnown + kNew; ++i) {
      const Prefix network = prefix(as, i);
      PrefixState known{network, 1, {}, {}};
      double truth[2];
      for (const SiteId site : {kFra, kIad}) {
        truth[site.index()] = std::exp2(usual[site.index()] + spread * gaussian(random));
        if (i < kKnown) {
          kin.learn(groups.groups_of(groups.place_of(network), site), ms(truth[site.index()]));
          continue;
        }
        const double off = kOff * gaussian(random) / std::sqrt(answers);
        known.set(site, seen(ms(truth[site.index()] * std::exp2(off)), answers));
      }
      if (i < kKnown) continue;
      const auto cost = [&] {
        const bool is_iad = known.find(kIad)->p50 < known.find(kFra)->p50;
        return truth[is_iad ? 1 : 0] - std::min(truth[0], truth[1]);
      };
      sum.measured_ms += cost() / (kAses * kNew);
      lean_thin_paths(known, groups, kin);
      sum.leaned_ms += cost() / (kAses * kNew);
    }
  }
  return sum;
}

TEST(KinWorth, IsALotWhereNetworksAreAlikeAndNoHarmWhereTheyAreNot) {
  std::printf("spread in an AS   answers   measured   leaned (mean ms lost)\n");
  for (const double spread : {0.05, 0.2, 1.0}) {
    for (const std::uint32_t answers : {1U, 2U, 4U}) {
      Penalty mean;
      constexpr int kDraws = 10;
      for (int draw = 0; draw < kDraws; ++draw) {
        const Penalty one = penalty(spread, answers, static_cast<std::uint64_t>(draw + 1));
        mean.measured_ms += one.measured_ms / kDraws;
        mean.leaned_ms += one.leaned_ms / kDraws;
      }
      std::printf("%14.2f   %7u   %8.3f   %6.3f\n", spread, answers, mean.measured_ms,
                  mean.leaned_ms);
      EXPECT_LE(mean.leaned_ms, mean.measured_ms * 1.02) << spread << ", " << answers;
      if (spread < 0.1 && answers < 4) {
        EXPECT_LT(mean.leaned_ms, mean.measured_ms * 0.9) << answers;
      }
    }
  }
}

}  // namespace
}  // namespace isochrone::routing
