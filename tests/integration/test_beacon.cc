// SPDX-License-Identifier: Apache-2.0
//
// From a browser's task to an answer for its resolver, through the real program.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/http_client.h"
#include "event/beacon_label.h"
#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

const std::string kSecret(64, 's');
constexpr Seconds kLifetime{10};
// A slot of ten seconds is closed so long after its end (collector/resolver_map.h).
constexpr Seconds kClosedAfter = kLifetime + Seconds(30);

class Beacon : public testing::Test {
 protected:
  void SetUp() override {
    ::chmod(world_.write("secret", kSecret).c_str(), 0600);
    world_.write_zone("*.b IN A 192.0.2.80\n");
    daemon_.emplace(world_.write(
        "node.yaml",
        world_.all_in_one() +
            "beacon:\n  listen: 127.0.0.1@0\n  secret-file: secret\n  origins: \"*\"\n  zone: "
            "b.example.com\n  token-lifetime: 10s\n  sites:\n    - {site: fra, object: "
            "\"https://fra.example.com/o\"}\n    - {site: iad, object: "
            "\"https://iad.example.com/o\"}\n"));
    ASSERT_TRUE(daemon_->is_ready()) << daemon_->log();
    dns_ = daemon_->endpoint("dns");
    url_ = daemon_->collector_url();
  }

  // The demand event of a task, once it is there.
  std::optional<nlohmann::json> sighting(const std::string& task) const {
    for (const auto& event : events_of(url_, "demand")) {
      if (event.value("task", "") == task) return event;
    }
    return std::nullopt;
  }

  World world_;
  std::optional<Daemon> daemon_;
  Endpoint dns_;
  std::string url_;
};

TEST_F(Beacon, ATaskGoesFromTheDoorToTheDnsAndBack) {
  HttpClient door("http://" + [&] {
    const Endpoint at = daemon_->endpoint("beacon");
    return fmt::format("{}:{}", at.address.to_string(), at.port);
  }());
  const auto given = door.get("/v1/beacon/task", Millis(10'000));
  ASSERT_TRUE(given && given->status == 200);
  const auto task = nlohmann::json::parse(given->body);
  const auto host = task["host"].get<std::string>();
  // The browser's resolver asks: here the test itself.
  const auto reply = ask(dns_, {host, 1, {}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->addresses, std::vector{Address::v4(192, 0, 2, 80)});
  const nlohmann::json report{
      {"token", task["token"]},
      {"results", {{{"site", "fra"}, {"rtt_us", 20'000}}, {{"site", "iad"}, {"rtt_us", 9'000}}}}};
  const auto taken = door.post("/v1/beacon/report", "text/plain", report.dump(), Millis(10'000));
  ASSERT_TRUE(taken && taken->status == 200) << taken->body;
  const auto measured = events_of(url_, "measurement");
  ASSERT_EQ(measured.size(), 2U);
  const auto name = measured[0]["task"].get<std::string>();
  ASSERT_TRUE(eventually([&] { return sighting(name).has_value(); })) << daemon_->log();
  EXPECT_EQ((*sighting(name))["resolver"], "127.0.0.1");
  EXPECT_EQ((*sighting(name))["service"], "b.example.com");
  // Both halves of the session, under one name.
  EXPECT_EQ(get_json(url_, "/v1/tasks/" + name)["answered"], 2);
}

TEST_F(Beacon, AQueryWithoutClientSubnetIsRoutedByWhoIsBehindTheResolver) {
  ASSERT_EQ(ask(dns_, {std::string(kService), 1, {}})->addresses,
            std::vector{Address::v4(192, 0, 2, 1)});
  // Tasks of the slot that closes next, or the one after, if it closes too soon for them to arrive; their
  // clients are in a network that sin is nearest to.
  const auto now = std::chrono::system_clock::now();
  const auto then = now.time_since_epoch() - kClosedAfter + Seconds(4);
  const auto given_out = std::chrono::floor<Seconds>(then).count();
  std::string seen;
  std::string reports;
  for (std::uint32_t i = 1; i <= 4; ++i) {
    const auto number = static_cast<std::uint64_t>(given_out) << 32 | i;
    const std::string about =
        fmt::format(R"("time":"{}","task":"{}")", format_instant(now), event::beacon_task(number));
    seen += fmt::format(
        R"({{"id":{{"source":"dns-ns1","epoch":1,"sequence":{}}},{},"service":"b.example.com",)"
        R"("prefix":"127.0.0.0/24","resolver":"127.0.0.1","queries":1,"interval_ms":1000}})"
        "\n",
        i, about);
    for (const auto& [site, rtt] : {std::pair("fra", 80'000), {"iad", 90'000}, {"sin", 10'000}}) {
      reports +=
          fmt::format(R"({{"id":{{"source":"beacon-{}","epoch":1,"sequence":{}}},{},"site":"{}",)"
                      R"("prefix":"198.51.100.0/24","method":"beacon","rtt_us":{}}})"
                      "\n",
                      site, i, about, site, rtt);
    }
  }
  // Probers see the same.
  for (const auto& [site, rtt] : {std::pair("fra", 80'000), {"iad", 90'000}, {"sin", 10'000}}) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(
          post(url_, "measurement",
               measurement(site, "198.51.100.0/24", rtt, i, fmt::format("prober-{}", site))));
    }
  }
  EXPECT_EQ(post(url_, "demand", seen)->body["accepted"], 4);
  EXPECT_EQ(post(url_, "measurement", reports)->body["accepted"], 12);
  ASSERT_TRUE(eventually([&] {
    const auto reply = ask(dns_, {std::string(kService), 1, {}});
    return reply && reply->addresses == std::vector{Address::v4(192, 0, 2, 3)};
  })) << daemon_->log();
  const auto resolvers = get_json(url_, "/v1/resolvers");
  EXPECT_EQ(resolvers["total"], 1);
  EXPECT_EQ(resolvers["resolvers"][0]["resolver"], "127.0.0.1");
  EXPECT_EQ(resolvers["resolvers"][0]["networks"][0]["prefix"], "198.51.100.0/24");
  EXPECT_EQ(resolvers["resolvers"][0]["sites"][std::string(kService)], "sin");
  const auto route = get_json(url_, "/v1/route?address=127.0.0.1");
  EXPECT_EQ(route["decisions"][0]["basis"], "127.0.0.1/32");
}

}  // namespace
}  // namespace isochrone::test
