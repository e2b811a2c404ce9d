// SPDX-License-Identifier: Apache-2.0
//
// Clients that are slow, deaf or many, and descriptors that run out: service goes on and recovers.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <deque>

#include "tests/integration/world.h"
#include "tests/support/process.h"
#include "tests/support/tcp_client.h"

namespace isochrone::test {
namespace {

constexpr auto kClient = "198.51.100.0/24";

void limit_descriptors(rlim_t soft, rlim_t hard) {
  const rlimit limit{soft, hard};
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// This process holds the other end of every connection.
void raise_own_descriptors() { limit_descriptors(20'000, 20'000); }

class Exhaustion : public testing::Test {
 protected:
  std::string config(const std::string& dns) const {
    return world_.write("node.yaml",
                        "node: {name: ns1, state-dir: state, http: 127.0.0.1@0}\n"
                        "dns: {listen: 127.0.0.1@0, " +
                            dns +
                            "}\n"
                            "zones: [{name: example.com, file: example.com.zone}]\n" +
                            World::topology());
  }
  static bool answers_by_tcp(const Endpoint& dns) {
    const auto reply = ask_tcp(dns, {std::string(kService), 1, {}});
    return reply && reply->addresses == std::vector{*Address::parse("192.0.2.1")};
  }
  static double metric(const Daemon& daemon, const std::string& name) {
    return test::metric(fmt::format("http://127.0.0.1:{}", daemon.endpoint("http").port), name);
  }

  World world_;
};

// Three thousand connections from sixty addresses that send a part of a query each and no more.
TEST_F(Exhaustion, SlowClientsByTheThousandMakeRoom) {
  raise_own_descriptors();
  Daemon daemon(config("tcp-connections: 1000, tcp-idle: 2s"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  const auto query = framed(to_wire({std::string(kService), 1, {}}, 1));
  std::deque<TcpClient> slow;
  for (int i = 0; i < 3'000; ++i) {
    slow.emplace_back(dns, Address::v4(127, 0, 1, static_cast<std::uint8_t>(1 + i % 60)));
    ASSERT_TRUE(slow.back().is_open()) << i;
  }
  ASSERT_TRUE(
      eventually([&] { return metric(daemon, "isochrone_dns_tcp_accepted_total") >= 1'000; }));
  for (TcpClient& client : slow) client.send(Bytes(query).first(5));
  EXPECT_TRUE(answers(dns, kClient, "192.0.2.1")) << "UDP does not notice";
  EXPECT_TRUE(eventually([&] { return answers_by_tcp(dns); })) << "who asks, gets in";
  // The limit holds whoever comes: its connections, and what else the process has open.
  EXPECT_LT(open_descriptors(daemon.pid()), 1'100U);
  for (TcpClient& client : slow) client.send(Bytes(query).subspan(5, 1));
  EXPECT_TRUE(eventually([&] {
    return metric(daemon, "isochrone_dns_tcp_timed_out_total") >= 3'000;
  })) << "each is closed, however it trickles";
  EXPECT_TRUE(answers_by_tcp(dns));
  EXPECT_EQ(count_of(daemon.log(), "all TCP connections are taken"), 1U) << daemon.log();
}

// Byte after byte, each in time for a limit between bytes: what counts is the whole message, and that it
// asks something. Of ones the length is 257; zeros are messages of no octets.
TEST_F(Exhaustion, ATricklingClientIsClosedAllTheSame) {
  Daemon daemon(config("tcp-idle: 300ms"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  double closed = 0;
  for (const auto octet : {std::uint8_t{1}, std::uint8_t{0}}) {
    TcpClient client(daemon.endpoint("dns"));
    const std::vector<std::uint8_t> one{octet};
    EXPECT_TRUE(eventually([&] {
      client.send(one);
      return client.is_closed_by_server(20);
    }));
    EXPECT_EQ(metric(daemon, "isochrone_dns_tcp_timed_out_total"), ++closed);
  }
}

// A hundred clients that ask without end and read nothing cost a bounded backlog each, then go.
TEST_F(Exhaustion, ClientsThatNeverReadCostABoundedBacklog) {
  world_.write_zone("big IN TXT \"" + std::string(250, 'x') + "\"\n");
  Daemon daemon(config("tcp-connections: 200, tcp-idle: 1s"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  const std::size_t memory = resident_kib(daemon.pid());
  std::vector<std::uint8_t> queries;
  for (std::uint16_t id = 0; id < 400; ++id) {
    const auto query = framed(to_wire({"big.example.com", 16, {}}, id));
    queries.insert(queries.end(), query.begin(), query.end());
  }
  std::deque<TcpClient> deaf;
  for (int i = 0; i < 100; ++i) deaf.emplace_back(dns);
  std::size_t most = 0;
  const bool all_closed = eventually([&] {
    for (TcpClient& client : deaf) client.send(queries);
    most = std::max(most, resident_kib(daemon.pid()));
    EXPECT_TRUE(answers(dns, kClient, "192.0.2.1"));
    return metric(daemon, "isochrone_dns_tcp_timed_out_total") >= 100;
  });
  EXPECT_TRUE(all_closed);
  // Two of the largest messages of replies and two of queries for each; twice that for vectors that grow.
  EXPECT_LT(most, memory + kSanitizedMemory * 100 * 2 * 4 * 64) << "KiB at the start: " << memory;
  EXPECT_TRUE(answers_by_tcp(dns));
}

// So few descriptors that TCP could take them all: it may not, and zones are still read again.
TEST_F(Exhaustion, DescriptorsAreKeptForWhatIsNotTcp) {
  raise_own_descriptors();
  const std::string file =
      config("tcp-connections: 1000, tcp-connections-per-client: 1000, tcp-idle: 20s");
  Daemon daemon(file, [] { limit_descriptors(160, 160); });
  ASSERT_TRUE(daemon.hears("fewer TCP connections than dns.tcp-connections")) << daemon.log();
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  {
    std::deque<TcpClient> crowd;
    for (int i = 0; i < 500; ++i) crowd.emplace_back(dns);
    ASSERT_TRUE(daemon.hears("all TCP connections are taken")) << daemon.log();
    EXPECT_TRUE(answers(dns, kClient, "192.0.2.1"));
    world_.write_zone("mail IN A 192.0.2.25\n");
    daemon.signal(SIGHUP);
    ASSERT_TRUE(daemon.hears("reloaded")) << daemon.log();
    const auto mail = ask(dns, {"mail.example.com", 1, {}});
    ASSERT_TRUE(mail.has_value());
    EXPECT_EQ(mail->addresses, std::vector{*Address::parse("192.0.2.25")});
  }
  EXPECT_TRUE(eventually([&] { return answers_by_tcp(dns); }));
  EXPECT_EQ(metric(daemon, "isochrone_dns_tcp_refused_total"), 0);
}

// No descriptor is left at all: said once, counted, and over when there are some again.
TEST_F(Exhaustion, WithoutADescriptorUdpGoesOnAndTcpComesBack) {
  Daemon daemon(config("tcp-idle: 1s"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  EXPECT_TRUE(answers_by_tcp(dns));
  rlimit before{};
  ASSERT_EQ(::prlimit(daemon.pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::prlimit(daemon.pid(), RLIMIT_NOFILE, &none, nullptr), 0);
  std::deque<TcpClient> waiting;
  for (int i = 0; i < 20; ++i) waiting.emplace_back(dns);
  ASSERT_TRUE(daemon.hears("no TCP connection can be taken")) << daemon.log();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(answers(dns, kClient, "192.0.2.1"));
  ASSERT_EQ(::prlimit(daemon.pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  ASSERT_TRUE(daemon.hears("TCP connections are taken again")) << daemon.log();
  EXPECT_TRUE(answers_by_tcp(dns));
  EXPECT_EQ(count_of(daemon.log(), "no TCP connection can be taken"), 1U);
  EXPECT_GE(metric(daemon, "isochrone_dns_tcp_refused_total"), 1);
}

}  // namespace
}  // namespace isochrone::test
