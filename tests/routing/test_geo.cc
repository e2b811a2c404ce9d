// SPDX-License-Identifier: Apache-2.0
//
// GeoPrior: sound databases are read whole, broken ones are refused with words.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "routing/geo.h"
#include "tests/routing/vocabulary.h"

namespace isochrone::routing {
namespace {

using testing::address;
using testing::prefix;

const std::filesystem::path kData = std::filesystem::path(ISOCHRONE_TEST_DATA) / "mmdb";

class GeoFile : public ::testing::Test {
 protected:
  static const GeoPrior& city() {
    static const GeoPrior prior = GeoPrior::load(kData / "GeoIP2-City-Test.mmdb").value();
    return prior;
  }
  static void expect_location(const char* client, double latitude, double longitude) {
    const GeoPrior::Network* network = city().find(address(client));
    ASSERT_NE(network, nullptr) << client;
    EXPECT_NEAR(city().location(*network).latitude, latitude, 1e-6) << client;
    EXPECT_NEAR(city().location(*network).longitude, longitude, 1e-6) << client;
  }
};

TEST_F(GeoFile, GivesLocationsOfBothFamilies) {
  expect_location("81.2.69.142", 51.5142, -0.0931);     // London
  expect_location("2001:218::1", 35.68536, 139.75309);  // Japan
  expect_location("89.160.20.112", 58.4167, 15.6167);   // Linkoeping
  EXPECT_EQ(city().find(address("192.0.2.1")), nullptr);
}

TEST_F(GeoFile, ReadsIPv4AsIPv4AndItsAliasesNotAtAll) {
  const auto& networks = city().networks();
  // As the database's published source lists them.
  const auto is_v4 = [](const auto& one) { return one.prefix.family() == Family::v4; };
  EXPECT_EQ(std::ranges::count_if(networks, is_v4), 18);
  for (const char* alias : {"::/32", "2002::/16"}) {
    const Prefix around = prefix(alias);
    const auto inside = std::ranges::find_if(
        networks, [&](const auto& one) { return around.contains(one.prefix); });
    EXPECT_EQ(inside, networks.end()) << inside->prefix.to_string();
  }
}

TEST_F(GeoFile, IsSortedAndUnique) {
  const auto& networks = city().networks();
  EXPECT_TRUE(
      std::ranges::is_sorted(networks, std::ranges::less_equal(), &GeoPrior::Network::prefix));
  EXPECT_EQ(std::ranges::adjacent_find(networks, {}, &GeoPrior::Network::prefix), networks.end());
}

TEST_F(GeoFile, WithoutLocationsIsRefused) {
  const auto prior = GeoPrior::load(kData / "GeoIP2-Country-Test.mmdb");
  ASSERT_FALSE(prior);
  EXPECT_NE(prior.error().text().find("latitude"), std::string::npos) << prior.error().text();
}

TEST_F(GeoFile, GivesCountriesOfBothFamilies) {
  for (const char* file : {"GeoIP2-Country-Test.mmdb", "GeoIP2-City-Test.mmdb"}) {
    const auto networks = load_countries(kData / file);
    ASSERT_TRUE(networks) << networks.error().text();
    const auto country_of = [&](const char* client) {
      for (const CountryNetwork& network : *networks) {
        if (network.prefix.contains(address(client))) return std::string(network.country.data(), 2);
      }
      return std::string();
    };
    EXPECT_EQ(country_of("81.2.69.142"), "GB") << file;
    EXPECT_EQ(country_of("2001:218::1"), "JP") << file;
    EXPECT_EQ(country_of("192.0.2.1"), "") << file;
  }
}

TEST_F(GeoFile, ThatIsMissingIsRefusedByName) {
  const auto prior = GeoPrior::load("/nonexistent/city.mmdb");
  ASSERT_FALSE(prior);
  EXPECT_EQ(prior.error().code(), Errc::io);
  EXPECT_NE(prior.error().text().find("/nonexistent/city.mmdb"), std::string::npos);
}

TEST_F(GeoFile, ThatIsBrokenIsRefusedAndNothingWorse) {
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kData)) {
    if (entry.path().extension() != ".mmdb" || entry.path().stem() == "GeoIP2-City-Test") continue;
    const auto prior = GeoPrior::load(entry.path());
    EXPECT_FALSE(prior) << entry.path();
    if (!prior) {
      EXPECT_NE(prior.error().text().find(entry.path().filename()), std::string::npos);
    }
    refused += prior ? 0 : 1;
  }
  EXPECT_GE(refused, 25);
}

// A sound file with one byte changed is read or refused; the sanitizers watch that it is no more.
TEST_F(GeoFile, WithAnyByteDamagedIsReadOrRefused) {
  std::ifstream sound(kData / "GeoIP2-City-Test.mmdb", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(sound), {}};
  const auto file = std::filesystem::path(::testing::TempDir()) /
                    ("isochrone_damaged_" + std::to_string(::getpid()) + ".mmdb");
  Random random(3);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes;
    damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    std::ofstream(file, std::ios::binary)
        .write(damaged.data(), static_cast<std::streamsize>(damaged.size()));
    refused += GeoPrior::load(file) ? 0 : 1;
  }
  std::filesystem::remove(file);
  EXPECT_GT(refused, 0);
}

TEST(GeoPrior, FindsTheInnermostNetwork) {
  const GeoPrior prior = GeoPrior::from({{prefix("10.0.0.0/8"), {1, 1}},
                                         {prefix("10.1.0.0/16"), {2, 2}},
                                         {prefix("10.1.2.0/24"), {3, 3}},
                                         {prefix("10.0.0.0/16"), {1, 1}}});
  const auto latitude = [&](const char* client) {
    const GeoPrior::Network* network = prior.find(address(client));
    return network == nullptr ? 0 : prior.location(*network).latitude;
  };
  EXPECT_EQ(latitude("10.1.2.3"), 3);
  EXPECT_EQ(latitude("10.1.3.1"), 2);
  EXPECT_EQ(latitude("10.0.1.1"), 1);
  EXPECT_EQ(latitude("10.200.0.1"), 1);
  EXPECT_EQ(latitude("9.255.255.255"), 0);
  EXPECT_EQ(latitude("11.0.0.0"), 0);
  EXPECT_EQ(latitude("::1"), 0);
  EXPECT_EQ(prior.locations().size(), 3U);
}

TEST(GeoPrior, TakesTheLastOfEqualNetworks) {
  const GeoPrior prior =
      GeoPrior::from({{prefix("10.0.0.0/8"), {1, 1}}, {prefix("10.0.0.0/8"), {2, 2}}});
  ASSERT_EQ(prior.networks().size(), 1U);
  EXPECT_EQ(prior.location(prior.networks()[0]).latitude, 2);
}

}  // namespace
}  // namespace isochrone::routing
