// SPDX-License-Identifier: Apache-2.0
//
// Tasks for browsers and what is believed of their reports: every lie has its own answer.
#include <gtest/gtest.h>

#include <set>

#include "collector/beacon_candidates.h"
#include "collector/beacon_desk.h"
#include "collector/beacon_quota.h"
#include "collector/beacon_token.h"
#include "collector/nel.h"
#include "event/beacon_label.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

const std::string kSecret(64, 's');
const std::string kOther(64, 'o');
const Prefix kClient = *Prefix::parse("198.51.100.0/24");

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

BeaconTask a_task() {
  return {0x1234'5678'9abc'def0, kStart + Seconds(60), kClient, {"fra", "iad"}};
}

TEST(BeaconToken, SaysWhatWasSealed) {
  for (const char* network : {"198.51.100.0/24", "2001:db8:7::/48"}) {
    BeaconTask task = a_task();
    task.client = *Prefix::parse(network);
    const auto opened = unseal(seal(task, kSecret), {kSecret}, kStart);
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, task);
  }
}

TEST(BeaconToken, IsBelievedByTheOldSecretToo) {
  const std::string token = seal(a_task(), kSecret);
  EXPECT_TRUE(unseal(token, {kOther, kSecret}, kStart));
  EXPECT_EQ(unseal(token, {kOther}, kStart).error(), TokenFault::forged);
}

TEST(BeaconToken, ExpiresToTheSecond) {
  const std::string token = seal(a_task(), kSecret);
  EXPECT_TRUE(unseal(token, {kSecret}, kStart + Seconds(60) - Nanos(1)));
  EXPECT_EQ(unseal(token, {kSecret}, kStart + Seconds(60)).error(), TokenFault::expired);
}

// Whatever character is another, it is no token of ours.
TEST(BeaconToken, IsForgedByAnyOtherCharacter) {
  const std::string token = seal(a_task(), kSecret);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(unseal(other, {kSecret}, kStart)) << i;
    EXPECT_FALSE(unseal(token.substr(0, i), {kSecret}, kStart)) << i;
  }
  EXPECT_FALSE(unseal(token + "A", {kSecret}, kStart));
  EXPECT_FALSE(unseal(token + "=", {kSecret}, kStart));
}

TEST(BeaconLabel, IsReadInEitherCase) {
  const SipKey key = event::beacon_label_key(kSecret);
  std::string label = event::beacon_label(key, 0xffff'ffff'0000'0001);
  ASSERT_EQ(label.size(), event::kBeaconLabelOctets);
  EXPECT_EQ(event::parse_beacon_label(key, bytes_of(label)), 0xffff'ffff'0000'0001);
  for (char& c : label) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(event::parse_beacon_label(key, bytes_of(label)), 0xffff'ffff'0000'0001);
}

TEST(BeaconLabel, IsNobodyElses) {
  const SipKey key = event::beacon_label_key(kSecret);
  const std::string label = event::beacon_label(key, 77);
  EXPECT_FALSE(event::parse_beacon_label(event::beacon_label_key(kOther), bytes_of(label)));
  for (std::size_t i = 0; i < label.size(); ++i) {
    for (const char c : {'0', '1', 'v', 'w', '-'}) {
      std::string other = label;
      if (other[i] == c) continue;
      other[i] = c;
      EXPECT_FALSE(event::parse_beacon_label(key, bytes_of(other))) << other;
    }
  }
}

TEST(BeaconLabel, TheTaskOfANumberIsReadBack) {
  EXPECT_EQ(event::beacon_task(0xab), "beacon-00000000000000ab");
  EXPECT_EQ(event::parse_beacon_task("beacon-00000000000000ab"), 0xabU);
  for (const char* no : {"", "beacon-", "beacon-ab", "beacon-00000000000000ag", "fra-1-2",
                         "beacon-00000000000000abc"}) {
    EXPECT_FALSE(event::parse_beacon_task(no)) << no;
  }
}

class Desk : public ::testing::Test {
 protected:
  static routing::Topology sites() {
    routing::Topology topology = two_sites();
    topology.sites[0].location = routing::Location{50, 8};
    topology.sites[1].location = routing::Location{39, -77};
    return topology;
  }
  static BeaconOptions options() {
    BeaconOptions options;
    options.secrets = {kSecret};
    options.timeout = Millis(4'000);
    options.sites = {{"fra", "https://fra.example.com/o", "https://fra.example.com/r"},
                     {"iad", "https://iad.example.com/o", ""}};
    return options;
  }
  static std::shared_ptr<const routing::GeoPrior> map() {
    return std::make_shared<const routing::GeoPrior>(
        routing::GeoPrior::from({{kClient, routing::Location{50, 8}}}));
  }

  // What becomes of a report of these results, whose task is `task`.
  BeaconOutcome judge(const std::string& results, BeaconTask task = a_task(),
                      const Prefix& from = kClient) {
    const auto events = desk_.judge(
        "{\"token\":\"" + seal(task, kSecret) + "\",\"results\":[" + results + "]}", from, kStart);
    if (!events) return events.error().why;
    events_ = *events;
    return events_.empty() ? BeaconOutcome::blind : BeaconOutcome::taken;
  }

  BeaconDesk desk_{options(), sites(), map(), "beacon-c1", 7};
  std::vector<event::Event> events_;
};

const std::string kFra = R"({"site":"fra","rtt_us":9000})";
const std::string kIad = R"({"site":"iad","rtt_us":95000})";

TEST_F(Desk, AReportBecomesMeasurementsOfTheTask) {
  ASSERT_EQ(judge(kFra + R"(,{"site":"iad","error":"timeout"})"), BeaconOutcome::taken);
  ASSERT_EQ(events_.size(), 2U);
  const event::Event expected{
      {"beacon-c1", 7, 1},
      kStart,
      "beacon-123456789abcdef0",
      event::Measurement{"fra", kClient, routing::Method::beacon, Micros(9'000)}};
  EXPECT_EQ(events_[0], expected);
  EXPECT_EQ(std::get<event::Measurement>(events_[1].payload).rtt, std::nullopt);
  EXPECT_EQ(events_[1].id.sequence, 2U);
}

TEST_F(Desk, EverySiteIsToldOfOnceButNotAllAtOnce) {
  EXPECT_EQ(judge(kFra), BeaconOutcome::taken);
  EXPECT_EQ(judge(kFra), BeaconOutcome::replayed);
  EXPECT_EQ(judge(kFra + "," + kIad), BeaconOutcome::replayed);
  EXPECT_EQ(judge(kIad), BeaconOutcome::taken);
  EXPECT_EQ(judge(kIad), BeaconOutcome::replayed);
}

TEST_F(Desk, EveryLieHasItsAnswer) {
  BeaconTask expired = a_task();
  expired.expires = kStart;
  EXPECT_EQ(judge(kFra, expired), BeaconOutcome::expired);
  EXPECT_EQ(judge(kFra, a_task(), *Prefix::parse("203.0.113.0/24")), BeaconOutcome::network);
  EXPECT_EQ(judge(R"({"site":"sin","rtt_us":9000})"), BeaconOutcome::site);
  EXPECT_EQ(judge(R"({"site":"fra","rtt_us":4000001})"), BeaconOutcome::timeout);
  EXPECT_EQ(judge(kFra + "," + kFra), BeaconOutcome::malformed);
  EXPECT_EQ(judge(""), BeaconOutcome::malformed);
  // From Frankfurt to Washington are 6500 km: 60 ms even if the map is 500 km wrong.
  EXPECT_EQ(judge(kFra + R"(,{"site":"iad","rtt_us":50000})"), BeaconOutcome::light);
  // Of what was refused nothing counts, so the truth still does.
  EXPECT_EQ(judge(kFra + "," + kIad), BeaconOutcome::taken);
}

TEST_F(Desk, ABrowserThatReachesNobodyTellsOfItself) {
  const std::string lost = R"({"site":"fra","error":"network"},{"site":"iad","error":"timeout"})";
  EXPECT_EQ(judge(lost), BeaconOutcome::blind);
}

TEST_F(Desk, TimesThatAreHiddenAreNoLoss) {
  EXPECT_EQ(judge(kFra + R"(,{"site":"iad","error":"timing"})"), BeaconOutcome::taken);
  EXPECT_EQ(events_.size(), 1U);
}

TEST(BeaconReport, IsStrict) {
  for (const char* no : {
           "",
           "[]",
           "{}",
           R"({"token":"t"})",
           R"({"token":1,"results":[{"site":"fra","rtt_us":1}]})",
           R"({"token":"t","results":[]})",
           R"({"token":"t","results":{}})",
           R"({"token":"t","token":"u","results":[{"site":"fra","rtt_us":1}]})",
           R"({"token":"t","more":1,"results":[{"site":"fra","rtt_us":1}]})",
           R"({"token":"t","results":[{"site":"fra"}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":0}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":-1}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":1.5}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":60000001}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":1,"error":"timeout"}]})",
           R"({"token":"t","results":[{"site":"fra","error":"bored"}]})",
           R"({"token":"t","results":[{"site":"fra","rtt_us":1,"rtt_us":2}]})",
       }) {
    EXPECT_FALSE(parse_beacon_report(no)) << no;
  }
  EXPECT_TRUE(parse_beacon_report(R"({"token":"t","results":[{"site":"fra","rtt_us":1}]})"));
}

TEST(BeaconQuota, CountsClientsAndTheirNetworks) {
  using Verdict = BeaconQuota::Verdict;
  BeaconQuota quota({Seconds(60), 3, 2, 1'000});
  const Monotonic now{Seconds(100)};
  const auto take = [&](const char* address, Monotonic at) {
    return quota.take(*Address::parse(address), at);
  };
  EXPECT_EQ(take("192.0.2.1", now), Verdict::granted);
  EXPECT_EQ(take("192.0.2.1", now), Verdict::granted);
  EXPECT_EQ(take("192.0.2.1", now), Verdict::client);
  EXPECT_EQ(take("192.0.2.2", now), Verdict::granted);
  EXPECT_EQ(take("192.0.2.3", now), Verdict::prefix);
  EXPECT_EQ(take("198.51.100.1", now), Verdict::granted);
  // A /64 is one client, however many addresses it has.
  EXPECT_EQ(take("2001:db8::1", now), Verdict::granted);
  EXPECT_EQ(take("2001:db8::2", now), Verdict::granted);
  EXPECT_EQ(take("2001:db8::3", now), Verdict::client);
  EXPECT_EQ(take("192.0.2.1", now + Seconds(60)), Verdict::granted);
}

TEST(BeaconQuota, BoundsEverybodyByTheSecond) {
  BeaconQuota quota({Seconds(60), 10, 10, 2});
  const Monotonic now{Seconds(100)};
  const Address client = Address::v4(192, 0, 2, 1);
  EXPECT_EQ(quota.take(client, now), BeaconQuota::Verdict::granted);
  EXPECT_EQ(quota.take(client, now), BeaconQuota::Verdict::granted);
  EXPECT_EQ(quota.take(client, now), BeaconQuota::Verdict::rate);
  EXPECT_EQ(quota.take(client, now + Seconds(1)), BeaconQuota::Verdict::granted);
}

TEST(BeaconCandidates, AreTheBestKnownAndOneOther) {
  routing::Topology topology;
  std::vector<BeaconSite> sites;
  routing::PrefixState known;
  for (std::uint16_t i = 0; i < 6; ++i) {
    topology.sites.push_back({"s" + std::to_string(i), {}, {}});
    sites.push_back({"s" + std::to_string(i), "https://o", i % 2 == 0 ? "https://r" : ""});
    routing::Estimate estimate;
    estimate.samples = 9;
    estimate.p50 = Micros(1'000 * (10 - i));
    if (i < 4) known.set(routing::SiteId(i), estimate);
  }
  std::set<std::uint16_t> last;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random dice(seed);
    const auto chosen = beacon_candidates(topology, sites, routing::kAllSites, &known, {}, 3, dice);
    ASSERT_EQ(chosen.size(), 3U);
    EXPECT_EQ(chosen[0], routing::SiteId(3));
    EXPECT_EQ(chosen[1], routing::SiteId(2));
    last.insert(chosen[2].value());
  }
  EXPECT_EQ(last, (std::set<std::uint16_t>{0, 1, 4, 5}));
  Random dice(1);
  const auto up = routing::site_bit(routing::SiteId(0));
  EXPECT_EQ(beacon_candidates(topology, sites, up, &known, {}, 3, dice),
            std::vector{routing::SiteId(0)});
  const std::vector<std::string> measured{"s0", "s2"};
  const auto reporters = beacon_reporters(sites, measured, dice);
  ASSERT_EQ(reporters.size(), 3U);
  EXPECT_EQ(reporters[0]->site, "s4");  // neutral
}

TEST(NetworkErrors, OnlyWhatLostPacketsIsALoss) {
  const auto report = [](const std::string& type, const std::string& phase) {
    return R"({"age":1500,"type":"network-error","url":"https://FRA.example.com:8443/a","body":{)"
           R"("type":")" +
           type + R"(","phase":")" + phase + R"(","server_ip":"192.0.2.1"}})";
  };
  const auto errors = parse_network_errors(
      "[" + report("tcp.timed_out", "connection") + "," + report("tcp.refused", "connection") +
      "," + report("dns.name_not_resolved", "dns") + "," + report("ok", "application") +
      R"(,{"type":"csp-violation","body":{}},7])");
  ASSERT_TRUE(errors);
  ASSERT_EQ(errors->size(), 4U);
  EXPECT_EQ((*errors)[0],
            (NetworkError{"fra.example.com", Address::v4(192, 0, 2, 1), Millis(1'500), true}));
  for (std::size_t i = 1; i < 4; ++i) EXPECT_FALSE((*errors)[i].is_loss);
  EXPECT_FALSE(parse_network_errors("{}"));
  EXPECT_FALSE(parse_network_errors("[" + std::string(2 * kMaxNelReports, '7') + "]x"));
}

TEST_F(Desk, ANetworkErrorIsALostMeasurementOfItsSite) {
  const NetworkError by_host{"iad.example.com", {}, Millis(0), true};
  const NetworkError by_address{"www.example.com", Address::v4(192, 0, 2, 1), Millis(0), true};
  const NetworkError elsewhere{"other.example", {}, Millis(0), true};
  const NetworkError old{"iad.example.com", {}, Seconds(301), true};
  const auto events = desk_.judge_errors({by_host, by_address, elsewhere, old}, kClient, kStart);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(std::get<event::Measurement>(events[0].payload),
            (event::Measurement{"iad", kClient, routing::Method::beacon, {}}));
  EXPECT_EQ(std::get<event::Measurement>(events[1].payload).site, "fra");
}

}  // namespace
}  // namespace isochrone::collector
