// SPDX-License-Identifier: Apache-2.0
//
// Real packets between two network namespaces.
#include <gtest/gtest.h>
#include <sys/capability.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "prober/engine.h"
#include "prober/prober.h"
#include "tests/prober/vocabulary.h"
#include "tests/support/two_hosts.h"

namespace isochrone::prober {
namespace {

// Nothing below takes as long; a test that gets here has failed.
constexpr Seconds kGiveUp{20};

class Packets : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(test::TwoHosts::make().trouble(), ""); }

  // Quick rounds: one target is probed 3 times within 300 ms.
  Options options_for(std::string_view to, Method method) {
    Options options;
    options.site = "near";
    options.collector = "http://127.0.0.1:1";
    options.allow_private = true;
    options.methods = {method};
    options.round_interval = Millis(300);
    options.timeout = Millis(200);
    options.rate_per_network_pps = 100'000;  // one host stands for many
    options.contact = "noc@example.net";
    options.targets = {{Prefix(address(to), address(to).width()), address(to)}};
    return options;
  }

  // Probes until `count` observations are there.
  std::vector<Observation> observe(const Options& options, std::size_t count) {
    std::vector<Observation> seen;
    auto wire = Wire::open(options);
    if (!wire) {
      ADD_FAILURE() << wire.error().text();
      return seen;
    }
    Loop loop;
    Engine engine(loop, std::move(*wire), options, 1, counters, [&](const Observation& one) {
      seen.push_back(one);
      if (seen.size() >= count) loop.stop();
    });
    Timer give_up(loop, [&] { loop.stop(); });
    give_up.start(kGiveUp);
    loop.run();
    EXPECT_GE(seen.size(), count);
    return seen;
  }

  void expect_answers(const Options& options) {
    for (const Observation& one : observe(options, 6)) {
      ASSERT_TRUE(one.rtt.has_value());
      EXPECT_GT(*one.rtt, Nanos(0));
      EXPECT_LT(*one.rtt, options.timeout);
    }
    const MethodCounters& method = counters.of(options.methods[0]);
    EXPECT_EQ(method.answered.value(), 6U);
    EXPECT_EQ(method.forged.value(), 0U);
    EXPECT_EQ(method.duplicate.value(), 0U);
    EXPECT_EQ(counters.send_errors.value(), 0U);
    EXPECT_EQ(counters.clock_steps.value(), 0U);
  }

  Counters counters;
};

TEST_F(Packets, PingOverIpv4) { expect_answers(options_for("10.99.0.2", Method::icmp)); }

TEST_F(Packets, PingOverIpv6) { expect_answers(options_for("2001:db8:99::2", Method::icmp)); }

TEST_F(Packets, PingOverLoopback) { expect_answers(options_for("127.0.0.1", Method::icmp)); }

TEST_F(Packets, AnOpenPortAnswersAndNothingStaysHalfOpen) {
  for (const char* to : {"10.99.0.2", "2001:db8:99::2"}) {
    Options options = options_for(to, Method::tcp);
    options.tcp_port = test::TwoHosts::make().open_port();
    for (const Observation& one : observe(options, 6)) EXPECT_TRUE(one.rtt.has_value()) << to;
  }
  EXPECT_EQ(counters.of(Method::tcp).answered.value(), 12U);
  EXPECT_EQ(counters.of(Method::tcp).forged.value(), 0U);
  EXPECT_EQ(test::TwoHosts::make().half_open(), 0);
}

TEST_F(Packets, AClosedPortAnswersOverIpv4) {
  expect_answers(options_for("10.99.0.2", Method::tcp));
}

TEST_F(Packets, AClosedPortAnswersOverIpv6) {
  expect_answers(options_for("2001:db8:99::2", Method::tcp));
}

TEST_F(Packets, ASilentAddressIsCountedLost) {
  for (const Method method : {Method::icmp, Method::tcp}) {
    for (const Observation& one : observe(options_for("10.99.1.9", method), 4)) {
      EXPECT_FALSE(one.rtt.has_value());
    }
    EXPECT_EQ(counters.of(method).lost.value(), 4U);
    EXPECT_EQ(counters.of(method).answered.value(), 0U);
  }
}

// A DNS server of the far host that refuses everything, until it is destroyed.
class Refuser {
 public:
  explicit Refuser(int family)
      : socket_(test::TwoHosts::make().far_socket(family, SOCK_DGRAM, 0)),
        thread_([this] { run(); }) {
    sockaddr_storage any{};
    const Address all = Address::from_bits(family == AF_INET ? Family::v4 : Family::v6, 0, 0);
    const unsigned length = Endpoint{all, 53}.to_sockaddr(any);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), length), 0);
  }
  ~Refuser() {
    ::shutdown(socket_.get(),
               SHUT_RDWR);  // wakes the thread, though it says that it is not connected
    thread_.join();
  }

 private:
  void run() {
    std::array<std::uint8_t, 512> message{};
    while (true) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const auto size = ::recvfrom(socket_.get(), message.data(), message.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
      if (size <= 12) return;
      message[2] |= 0x80;
      message[3] = 5;
      ::sendto(socket_.get(), message.data(), static_cast<std::size_t>(size), 0,
               reinterpret_cast<const sockaddr*>(&from), length);
    }
  }

  Fd socket_;
  std::thread thread_;
};

TEST_F(Packets, ADnsServersRefusalOverIpv4IsAnAnswer) {
  const Refuser refuser(AF_INET);
  expect_answers(options_for("10.99.0.2", Method::dns));
}

TEST_F(Packets, ADnsServersRefusalOverIpv6IsAnAnswer) {
  const Refuser refuser(AF_INET6);
  expect_answers(options_for("2001:db8:99::2", Method::dns));
}

TEST_F(Packets, AHostWithoutADnsServerSaysSo) {
  for (const char* to : {"10.99.0.2", "2001:db8:99::2"}) {
    for (const Observation& one : observe(options_for(to, Method::dns), 6)) {
      EXPECT_TRUE(one.rtt.has_value()) << to;
    }
  }
  EXPECT_EQ(counters.of(Method::dns).forged.value(), 0U);
}

TEST_F(Packets, TheLastHopBeforeASilentNetworkIsMeasured) {
  for (const char* to : {"10.99.2.9", "2001:db8:98::9"}) {
    Options options = options_for(to, Method::hop);
    options.timeout = Millis(50);
    for (const Observation& one : observe(options, 3)) {
      EXPECT_TRUE(one.rtt.has_value()) << to;
      EXPECT_EQ(one.method, Method::hop);
    }
  }
  EXPECT_EQ(counters.of(Method::hop).forged.value(), 0U);
}

TEST_F(Packets, ASilentNetworkIsFoundByEscalation) {
  Options options = options_for("10.99.2.9", Method::hop);
  options.methods = {Method::icmp, Method::tcp, Method::dns, Method::hop};
  options.timeout = Millis(50);
  const auto seen = observe(options, 4);
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_FALSE(seen[0].rtt.has_value());  // the first method's silence, and nothing of the search
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].method, Method::hop);
    EXPECT_TRUE(seen[i].rtt.has_value());
  }
}

TEST_F(Packets, WithoutRightsThereArePingsAndDns) {
  std::ofstream("/proc/sys/net/ipv4/ping_group_range") << "0 2147483647" << std::flush;
  Options options = options_for("10.99.0.2", Method::icmp);
  options.methods = {Method::icmp, Method::tcp, Method::dns, Method::hop};
  // Capabilities are a thread's: what is given up here, the other tests still have.
  std::thread([&] {
    const cap_t none = cap_init();
    ASSERT_EQ(cap_set_proc(none), 0);
    cap_free(none);
    auto wire = Wire::open(options);
    ASSERT_TRUE(wire) << wire.error().text();
    EXPECT_EQ(wire->usable(options.methods), (std::vector{Method::icmp, Method::dns}));
    for (const Observation& one : observe(options, 3)) EXPECT_TRUE(one.rtt.has_value());
    options.targets[0].address = address("2001:db8:99::2");
    for (const Observation& one : observe(options, 3)) EXPECT_TRUE(one.rtt.has_value());
    options.methods = {Method::tcp};
    const auto refused = Wire::open(options);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("CAP_NET_RAW"), std::string::npos);
  }).join();
  EXPECT_EQ(counters.of(Method::icmp).answered.value(), 6U);
}

TEST_F(Packets, ATargetWithoutARouteIsLostAtOnce) {
  for (const Observation& one : observe(options_for("203.0.113.1", Method::icmp), 2)) {
    EXPECT_FALSE(one.rtt.has_value());
  }
  EXPECT_EQ(counters.unreachable.value(), 2U);
}

TEST_F(Packets, ASourceAddressIsUsedWhenConfigured) {
  Options options = options_for("10.99.0.2", Method::tcp);
  options.source_addresses = {address("10.99.0.1")};
  expect_answers(options);
  options.source_addresses = {address("10.99.77.1")};
  const auto wire = Wire::open(options);
  ASSERT_FALSE(wire);
  EXPECT_NE(wire.error().text().find("10.99.77.1"), std::string::npos);
}

TEST_F(Packets, HundredsOfTargetsAreAllAnsweredAndStampedByTheKernel) {
  Options options = options_for("10.99.0.2", Method::icmp);
  options.targets.clear();
  for (std::uint8_t i = 0; i < 200; ++i) {  // one host may stand for many prefixes
    options.targets.push_back({Prefix(Address::v4(10, 1, i, 0), 24), address("10.99.0.2")});
  }
  options.rate_pps = 2'000;
  for (const Observation& one : observe(options, 1'200)) EXPECT_TRUE(one.rtt.has_value());
  EXPECT_EQ(counters.of(Method::icmp).lost.value(), 0U);
}

TEST_F(Packets, ThousandsAreSentInBatchesWithTheKernelsStampsAndWithout) {
  for (const std::uint32_t rate : {Wire::kStampedRate, Wire::kStampedRate + 1}) {
    Options options = options_for("10.99.0.2", Method::icmp);
    options.targets.clear();
    for (std::uint32_t i = 0; i < 2'000; ++i) {
      const auto high = static_cast<std::uint8_t>(i >> 8);
      const auto low = static_cast<std::uint8_t>(i);
      options.targets.push_back({Prefix(Address::v4(10, high, low, 0), 24), address("10.99.0.2")});
    }
    options.rate_pps = rate;
    options.timeout = Millis(2'000);  // a loaded machine may keep us from reading
    for (const Observation& one : observe(options, 6'000)) {
      ASSERT_TRUE(one.rtt.has_value());
      EXPECT_GE(*one.rtt, Nanos(0));
    }
  }
  EXPECT_EQ(counters.of(Method::icmp).forged.value(), 0U);
  EXPECT_EQ(counters.of(Method::icmp).duplicate.value(), 0U);
}

TEST_F(Packets, AProberBeginsAndEndsToWatchConnectionsWithAReload) {
  Options options = options_for("10.99.0.2", Method::icmp);
  auto prober = Prober::start(options);
  ASSERT_TRUE(prober) << prober.error().text();
  EXPECT_NE((*prober)->status_json().find(R"("sweeps":0)"), std::string::npos);
  options.passive.ports = {443, 80};
  options.passive.interval = Millis(20);
  ASSERT_TRUE((*prober)->reload(options));
  const auto give_up = std::chrono::steady_clock::now() + kGiveUp;
  while ((*prober)->status_json().find(R"("sweeps":0)") != std::string::npos &&
         std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
  }
  EXPECT_EQ((*prober)->status_json().find(R"("sweeps":0)"), std::string::npos);
  options.passive = {};
  ASSERT_TRUE((*prober)->reload(options));
  options.passive.ports.assign(kMaxPassivePorts + 1, 80);
  EXPECT_FALSE((*prober)->reload(options));
}

TEST_F(Packets, AProberWithoutACollectorStartsReloadsAndStops) {
  Options options = options_for("10.99.0.2", Method::icmp);
  auto prober = Prober::start(options);
  ASSERT_TRUE(prober) << prober.error().text();
  options.rate_pps = 77;
  EXPECT_TRUE((*prober)->reload(options));
  options.site = "elsewhere";
  EXPECT_FALSE((*prober)->reload(options));
  EXPECT_NE((*prober)->status_json().find("\"site\":\"near\""), std::string::npos);
  Metrics metrics;
  (*prober)->measure(metrics);
  EXPECT_NE(metrics.text().find("isochrone_prober_probes_sent_total"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::prober
