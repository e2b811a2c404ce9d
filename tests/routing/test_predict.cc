// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>

#include "routing/predict.h"

namespace isochrone::routing {
namespace {

SiteId site(std::uint16_t index) { return SiteId(index); }
Micros ms(std::int64_t count) { return Micros(count * 1'000); }

// Two continents 100 ms apart: sites 0, 1, 2 on one, 3, 4, 5 on the other, 10 to 20 ms within.
Mesh two_continents() {
  constexpr std::array<std::array<int, 6>, 6> kMs{{{0, 10, 20, 100, 105, 110},
                                                   {10, 0, 15, 95, 100, 105},
                                                   {20, 15, 0, 90, 95, 100},
                                                   {100, 95, 90, 0, 10, 20},
                                                   {105, 100, 95, 10, 0, 15},
                                                   {110, 105, 100, 20, 15, 0}}};
  Mesh mesh(6);
  for (std::uint16_t i = 0; i < 6; ++i) {
    for (std::uint16_t j = 0; j < 6; ++j) mesh.set(site(i), site(j), ms(kMs[i][j]));
  }
  return mesh;
}

const std::vector<std::optional<Location>> kNoMap(6);
const Prefix kClient = *Prefix::parse("198.51.100.0/24");

TEST(Predictor, BeginsAtTheMostCentralSite) {
  const Predictor predictor(kNoMap, two_continents());
  const auto choice = predictor.next({kClient, {}, {}}, kAllSites);
  ASSERT_TRUE(choice);
  EXPECT_TRUE(*choice == site(2) || *choice == site(3)) << choice->value();
}

TEST(Predictor, LooksWhereTheFirstMeasurementPoints) {
  const Predictor predictor(kNoMap, two_continents());
  const std::array near{Seen{site(2), ms(12), {}}};
  EXPECT_LT(predictor.next({kClient, {}, near}, kAllSites & ~site_bit(site(2)))->index(), 3U);
  const std::array far{Seen{site(2), ms(98), {}}};
  EXPECT_GE(predictor.next({kClient, {}, far}, kAllSites & ~site_bit(site(2)))->index(), 3U);
}

TEST(Predictor, ChoosesAmongCandidatesOnly) {
  const Predictor predictor(kNoMap, two_continents());
  const std::array far{Seen{site(2), ms(98), {}}};
  const SiteMask allowed = site_bit(site(0)) | site_bit(site(5));
  EXPECT_EQ(predictor.next({kClient, {}, far}, allowed), site(5));
  EXPECT_EQ(predictor.next({kClient, {}, far}, 0), std::nullopt);
}

TEST(Predictor, LeavesAloneWhatIsKnownToBeFresh) {
  const Predictor predictor(kNoMap, two_continents());
  const std::array all{Seen{site(0), ms(30), {}},  Seen{site(1), ms(25), {}},
                       Seen{site(2), ms(20), {}},  Seen{site(3), ms(90), {}},
                       Seen{site(4), ms(100), {}}, Seen{site(5), ms(105), std::chrono::hours(96)}};
  EXPECT_EQ(predictor.next({kClient, {}, all}, kAllSites), site(5));
}

TEST(Predictor, WatchesTheBestPathBeforeOneThatIsFarBehind) {
  const Predictor predictor(kNoMap, two_continents());
  const Nanos day = std::chrono::hours(24);
  const std::array all{Seen{site(0), ms(300), day}, Seen{site(1), ms(290), day},
                       Seen{site(2), ms(280), day}, Seen{site(3), ms(20), day},
                       Seen{site(4), ms(24), day},  Seen{site(5), ms(310), day}};
  const auto choice = predictor.next({kClient, {}, all}, kAllSites);
  EXPECT_TRUE(*choice == site(3) || *choice == site(4)) << choice->value();
}

// A client measured from 3 alone could be next to any of 3, 4, 5. Clients that looked the same there
// were nearest to 5.
TEST(Predictor, LearnsFromOtherClients) {
  Predictor predictor(kNoMap, two_continents());
  for (std::uint8_t i = 0; i < 40; ++i) {
    const Prefix other(Address::v4(10, 0, i, 0), 24);
    const std::array seen{Seen{site(3), ms(25), {}}, Seen{site(4), ms(30), {}},
                          Seen{site(5), ms(4), {}}};
    predictor.learn({other, {}, seen});
  }
  const std::array first{Seen{site(3), ms(25), {}}};
  EXPECT_EQ(predictor.next({kClient, {}, first}, kAllSites & ~site_bit(site(3))), site(5));
}

TEST(Predictor, BeginsAtTheNearestSiteOnTheMap) {
  const std::vector<std::optional<Location>> map{{{50, 8}},   {{51, 0}},   {{48, 2}},
                                                 {{40, -74}}, {{41, -87}}, {{37, -122}}};
  const Predictor predictor(map, two_continents());
  EXPECT_EQ(predictor.next({kClient, Location{38, -121}, {}}, kAllSites), site(5));
  EXPECT_EQ(predictor.next({kClient, Location{50, 9}, {}}, kAllSites), site(0));
}

TEST(Predictor, WorksWithoutAnyMesh) {
  const Predictor predictor(kNoMap, Mesh(6));
  EXPECT_TRUE(predictor.next({kClient, {}, {}}, kAllSites));
  const std::array seen{Seen{site(2), ms(12), {}}};
  const auto choice = predictor.next({kClient, {}, seen}, kAllSites & ~site_bit(site(2)));
  ASSERT_TRUE(choice);
  EXPECT_NE(*choice, site(2));
}

TEST(Mesh, TakesEitherDirectionAndTheMeanOfBoth) {
  Mesh mesh(3);
  mesh.set(site(0), site(1), ms(10));
  EXPECT_EQ(mesh.get(site(1), site(0)), ms(10));
  mesh.set(site(1), site(0), ms(20));
  EXPECT_EQ(mesh.get(site(0), site(1)), ms(15));
  EXPECT_EQ(mesh.get(site(0), site(2)), std::nullopt);
}

TEST(Places, KeepALimitedNumberOfExamples) {
  Places places(kNoMap, two_continents());
  const std::array<double, 6> logs{3, 3, 3, 4, 4, 4};
  const std::array<double, 6> variances{};
  for (std::size_t i = 0; i < Places::kMaxExamples + 10; ++i) {
    const Address address = Address::from_bits(Family::v4, (0x0a000000ULL + (i << 8)) << 32, 0);
    places.set_example(Prefix(address, 24), {}, {logs, variances});
  }
  EXPECT_EQ(places.size(), places.imagined() + Places::kMaxExamples);
  // The first ones made room.
  EXPECT_EQ(places.example(*Prefix::parse("10.0.0.0/24")), places.size());
  EXPECT_LT(places.example(*Prefix::parse("10.2.0.0/24")), places.size());
}

}  // namespace
}  // namespace isochrone::routing
