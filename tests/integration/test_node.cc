// SPDX-License-Identifier: Apache-2.0
//
// One process, all of its life: start, answers, reload, end.
#include <gtest/gtest.h>
#include <signal.h>

#include "base/http_client.h"
#include "base/listening.h"
#include "base/random.h"
#include "tests/integration/world.h"

namespace isochrone::test {
namespace {

constexpr auto kClient = "198.51.100.0/24";

class Node : public testing::Test {
 protected:
  World world_;
  std::string file_ = world_.write("node.yaml", world_.all_in_one());

  void rewrite(const std::string& text) { world_.write("node.yaml", text); }
};

TEST_F(Node, AnswersInTheOrderOfLastResortUntilSomethingIsMeasured) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const DnsQuestion question{std::string(kService), 1, Prefix::parse(kClient)};
  const auto udp = ask(daemon.endpoint("dns"), question);
  const auto tcp = ask_tcp(daemon.endpoint("dns"), question);
  ASSERT_TRUE(udp && tcp);
  EXPECT_EQ(udp->rcode, 0);
  EXPECT_TRUE(udp->is_authoritative);
  EXPECT_EQ(udp->addresses, std::vector{*Address::parse("192.0.2.1")});
  EXPECT_EQ(udp->scope, 0) << "everybody gets the same";
  EXPECT_EQ(tcp->addresses, udp->addresses);
  EXPECT_EQ(tcp->scope, udp->scope);
}

TEST_F(Node, EndsCleanlyWhenItIsTold) {
  for (const int number : {SIGTERM, SIGINT}) {
    Daemon daemon(file_);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    daemon.signal(number);
    EXPECT_EQ(daemon.ended(), 0) << daemon.log();
    EXPECT_NE(daemon.log().find("stopped"), std::string::npos);
  }
}

TEST_F(Node, AnAddressInUseEndsTheStartWithItsName) {
  const auto taken = listen_tcp({*Address::parse("127.0.0.1"), 0});
  ASSERT_TRUE(taken.has_value());
  const std::string port = std::to_string(bound_port(*taken));
  const Finished finished = isochrone(
      {"run", "--config", world_.write("taken.yaml", world_.collector_only(bound_port(*taken)))});
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.err.find("127.0.0.1@" + port), std::string::npos) << finished.err;
}

TEST_F(Node, ReloadTakesNewServicesAndZones) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  world_.write_zone("mail IN A 192.0.2.25\n");
  rewrite(world_.all_in_one() + "  - {name: api.example.com, sites: [sin]}\n");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.hears("reloaded")) << daemon.log();
  const auto api = ask(dns, {"api.example.com", 1, {}});
  const auto mail = ask(dns, {"mail.example.com", 1, {}});
  ASSERT_TRUE(api && mail);
  EXPECT_EQ(api->addresses, std::vector{*Address::parse("192.0.2.3")});
  EXPECT_EQ(mail->addresses, std::vector{*Address::parse("192.0.2.25")});
  EXPECT_TRUE(answers(dns, kClient, "192.0.2.1"));
}

TEST_F(Node, ABrokenReloadChangesNothingAndSaysSo) {
  const std::vector<std::pair<std::string, std::string>> breakages = {
      {world_.all_in_one() + "colour: red\n", "unknown key \"colour\""},
      {world_.all_in_one() + "  - {name: api.example.com, sites: [fr]}\n", "unknown site \"fr\""},
      {"node: [\n", "not YAML"},
      {"", "node is missing"},
      {world_.collector_only(), "node.roles changed"},
  };
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  for (const auto& [text, error] : breakages) {
    rewrite(text);
    daemon.signal(SIGHUP);
    ASSERT_TRUE(daemon.hears(error)) << error << "\n" << daemon.log();
    ASSERT_TRUE(daemon.hears("reload refused, nothing changed")) << daemon.log();
    EXPECT_TRUE(answers(daemon.endpoint("dns"), kClient, "192.0.2.1")) << error;
  }
}

TEST_F(Node, ABrokenZoneAtReloadLeavesTheOldOne) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  world_.write_zone("ns1 IN A not-an-address\n");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.hears("example.com.zone:6:")) << daemon.log();
  ASSERT_TRUE(daemon.hears("reload refused, nothing changed")) << daemon.log();
  const auto reply = ask(daemon.endpoint("dns"), {"ns1.example.com", 1, {}});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->addresses, std::vector{*Address::parse("192.0.2.53")});
}

TEST_F(Node, ANodeWithoutACollectorTellsItsOwnStatus) {
  Daemon daemon(world_.write("dns.yaml", world_.dns_only("")));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const std::string url = "http://127.0.0.1:" + std::to_string(daemon.endpoint("http").port);
  HttpClient client(url);
  const auto health = client.get("/healthz", Millis(5'000));
  const auto metrics = client.get("/metrics", Millis(5'000));
  ASSERT_TRUE(health && metrics);
  EXPECT_EQ(health->status, 200);
  EXPECT_NE(metrics->body.find("isochrone_node_info"), std::string::npos);
  EXPECT_NE(metrics->body.find("isochrone_dns_"), std::string::npos);
  EXPECT_EQ(get_json(url, "/v1/status").value("node", ""), "ns1");
  EXPECT_TRUE(get_json(url, "/v1/status").contains("dns"));
  const auto missing = client.get("/v1/table", Millis(5'000));
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->status, 404);
}

// Ill-formed datagrams are answered with FORMERR or not at all, and harm nobody who asks properly.
TEST_F(Node, MalformedPacketsHarmNobody) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  Random random(20241123);
  const auto good = to_wire({std::string(kService), 1, Prefix::parse(kClient)}, 7);
  for (int i = 0; i < 500; ++i) {
    auto bytes = good;
    bytes.resize(random.below(good.size() + 40));
    for (std::uint64_t changes = random.below(8); changes > 0 && !bytes.empty(); --changes) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.below(256));
    }
    exchange(dns, bytes, 0);
  }
  EXPECT_TRUE(eventually([&] { return answers(dns, kClient, "192.0.2.1"); }));
  auto cut = good;
  cut.resize(20);  // inside the question
  const auto reply = exchange(dns, cut, 1'000);
  ASSERT_GE(reply.size(), 12U);
  EXPECT_EQ(reply[3] & 0xf, 1) << "FORMERR";
  auto response = good;
  response[2] |= 0x80;  // QR: an answer, which must not be answered
  EXPECT_TRUE(exchange(dns, response, 100).empty());
}

}  // namespace
}  // namespace isochrone::test
