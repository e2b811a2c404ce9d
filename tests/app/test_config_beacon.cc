// SPDX-License-Identifier: Apache-2.0
//
// What a configuration says of browsers that measure, and what is refused of it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "app/config.h"
#include "app/roles.h"
#include "tests/app/scratch.h"
#include "tests/support/authority.h"

namespace isochrone::app {
namespace {

// Line 1 is the beacon's.
class ConfigBeacon : public testing::Test {
 protected:
  ConfigBeacon() {
    test::Authority ca(scratch_.path());
    ca.issue("door");
    write("secret", std::string(64, 'a') + "\n" + std::string(64, 'b') + "\n", 0600);
    write("open", std::string(64, 'a') + "\n", 0644);
    write("short", "aaaaaaaaaaaaaaaa\n", 0600);
    write("empty", "\n", 0600);
  }
  void write(const std::string& name, const std::string& text, unsigned mode) {
    ::chmod(scratch_.write(name, text).c_str(), mode);
  }
  ConfigResult parse(const std::string& beacon) const {
    return parse_config("beacon: {" + beacon +
                            "}\ncollector: {listen: 127.0.0.1@0}\nnode: {name: c1}\nsites: [{name: "
                            "fra, addresses: 192.0.2.1}, {name: iad, addresses: 192.0.2.2}]\n",
                        scratch_.path() / "c.yaml");
  }
  std::string error_of(const std::string& beacon) const {
    const auto config = parse(beacon);
    if (config) return {};
    const std::string text = config.error().front().text();
    return text.substr(text.find(".yaml:") + 6);
  }

  Scratch scratch_;
};

const std::string kSecret = "secret-file: secret, ";
const std::string kSites =
    "sites: [{site: fra, object: \"https://fra.example.com/o\", report: "
    "\"https://fra.example.com/r\"}, {site: iad, object: \"https://iad.example.com/o\"}], ";
const std::string kOrigins = "origins: \"https://WWW.example.com\"";

TEST_F(ConfigBeacon, EveryKeyArrives) {
  const auto config = parse(
      kSecret + kSites + kOrigins +
      ", listen: 127.0.0.1@0, trusted-proxies: 127.0.0.0/8, zone: b.example.com, sample-rate: "
      "0.1, timeout: 3s, token-lifetime: 1m, candidates: 2, max-per-prefix: 5, "
      "max-per-client: 1, quota-window: 30s, max-rate: 9");
  ASSERT_TRUE(config) << config.error().front().text();
  const collector::BeaconOptions& beacon = config->collector.beacon;
  EXPECT_TRUE(beacon.is_on);
  EXPECT_EQ(beacon.secrets, (std::vector{std::string(64, 'a'), std::string(64, 'b')}));
  EXPECT_EQ(beacon.origins, std::vector<std::string>{"https://www.example.com"});
  EXPECT_EQ(beacon.proxies, std::vector{*Prefix::parse("127.0.0.0/8")});
  EXPECT_EQ(beacon.zone, "b.example.com");
  EXPECT_EQ(beacon.sample_rate, 0.1);
  EXPECT_EQ(beacon.timeout, Millis(3'000));
  EXPECT_EQ(beacon.token_lifetime, Seconds(60));
  EXPECT_EQ(beacon.candidates, 2U);
  EXPECT_EQ(beacon.max_per_prefix, 5U);
  EXPECT_EQ(beacon.max_per_client, 1U);
  EXPECT_EQ(beacon.quota_window, Seconds(30));
  EXPECT_EQ(beacon.max_rate, 9U);
  EXPECT_EQ(beacon.sites, (std::vector<collector::BeaconSite>{
                              {"fra", "https://fra.example.com/o", "https://fra.example.com/r"},
                              {"iad", "https://iad.example.com/o", ""}}));
}

TEST_F(ConfigBeacon, IsOffUnlessItListens) {
  const auto none = parse_config("collector: {listen: 127.0.0.1@0}\nnode: {name: c1}\n",
                                 scratch_.path() / "c.yaml");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->collector.beacon.is_on);
  const auto zone_alone = parse(kSecret + "zone: b.example.com");
  ASSERT_TRUE(zone_alone) << zone_alone.error().front().text();
  EXPECT_FALSE(zone_alone->collector.beacon.is_on);
}

TEST_F(ConfigBeacon, SaysWhatIsWrong) {
  const std::string rest = kSites + kOrigins + ", listen: 127.0.0.1@0";
  const struct {
    std::string beacon;
    const char* error;
  } kRows[] = {
      {rest, "beacon.secret-file is missing"},
      {"secret-file: open, " + rest, "can be read by others; chmod 600 it"},
      {"secret-file: short, " + rest, "at least 32 characters"},
      {"secret-file: empty, " + rest, "at least 32 characters"},
      {kSecret + kSites + "listen: 127.0.0.1@0", "beacon.origins is missing"},
      {kSecret + kOrigins + ", listen: 127.0.0.1@0", "fewer than two"},
      {kSecret + kSites + "origins: www.example.com, listen: 127.0.0.1@0", "is no origin"},
      {kSecret + kSites + "origins: \"https://a.example/\", listen: 127.0.0.1@0", "is no origin"},
      {kSecret + kSites + kOrigins + ", listen: 192.0.2.9@443", "add beacon.certificate"},
      {kSecret + "sites: [{site: frb, object: \"https://a/\"}], zone: b.example.com",
       "unknown site \"frb\"; add it to sites or correct the name (did you mean \"fra\"?)"},
      {kSecret + "sites: [{site: fra, object: a}], zone: b.example.com", "is no URL"},
      {kSecret + "sites: [{site: fra, object: \"https://a/\"}, {site: fra, object: "
                 "\"https://a/\"}], zone: b.example.com",
       "fra"},
  };
  for (const auto& row : kRows) {
    const std::string error = error_of(row.beacon);
    EXPECT_NE(error.find(row.error), std::string::npos) << row.error << "\n" << error;
  }
}

TEST_F(ConfigBeacon, OthersReachItOverTlsOrWhenToldSo) {
  const std::string wide = kSecret + kSites + kOrigins + ", listen: 192.0.2.9@443, ";
  EXPECT_EQ(error_of(wide + "cleartext: true"), "");
  EXPECT_EQ(error_of(wide + "certificate: door.pem, key: door.key"), "");
}

TEST_F(ConfigBeacon, WhereItListensNeedsARestart) {
  const auto config = parse(kSecret + kSites + kOrigins + ", listen: 127.0.0.1@7001");
  auto next = *config;
  next.collector.beacon.sample_rate = 0.5;
  EXPECT_TRUE(needs_restart(*config, next).empty());
  next.collector.beacon.listen.port = 7002;
  ASSERT_EQ(needs_restart(*config, next).size(), 1U);
}

}  // namespace
}  // namespace isochrone::app
