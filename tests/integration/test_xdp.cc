// SPDX-License-Identifier: Apache-2.0
//
// Queries over a cable between two namespaces, answered below the kernel's network stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/integration/xdp_world.h"
#include "tests/support/dns_client.h"
#include "tests/support/tap_file.h"
#include "tests/support/two_hosts.h"

namespace isochrone::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kByXdp = "isochrone_dns_xdp_queries_total";
constexpr auto kMalformed = "isochrone_dns_xdp_malformed_total";

std::string xdp(const std::string& mode) {
  return "  xdp: {interfaces: near, mode: " + mode + "}\n";
}

// Every kind of reply: static, alias, wildcard, routed by sender and by Client Subnet, nothing,
// no such name, not ours, too long, malformed, an unknown version, an answer instead of a question.
std::vector<Octets> questions() {
  std::vector<Octets> all;
  const auto ask = [&](const std::string& name, std::uint16_t type, const char* subnet = "") {
    all.push_back(to_wire({name, type, Prefix::parse(subnet)}, 0x4242));
  };
  ask("mail.example.com", 1);
  ask("alias.example.com", 1);
  ask("a.wild.example.com", 15);
  ask("www.example.com", 1);
  ask("www.example.com", 1, "198.51.100.0/24");
  ask("www.example.com", 28, "2001:db8:1::/48");
  ask("mail.example.com", 16);
  ask("nothing.example.com", 1);
  ask("example.org", 1);
  ask("big.example.com", 16);
  Octets cut = all.front();
  cut.pop_back();
  all.push_back(cut);
  Octets version = all[4];
  const std::array<std::uint8_t, 3> opt{0, 0, 41};
  const auto at = std::search(version.begin() + 12, version.end(), opt.begin(), opt.end());
  if (at != version.end()) *(at + 6) = 1;
  all.push_back(version);
  return all;
}

class Xdp : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(TwoHosts::make().trouble(), ""); }

  // The text that a start with this configuration fails with.
  std::string refused(const std::string& text) {
    const Finished finished = isochrone({"run", "--config", world_.write("refused.yaml", text)});
    EXPECT_EQ(finished.status, 1) << finished.err;
    return finished.err;
  }

  XdpWorld world_;
  const Octets mail_ = to_wire({"mail.example.com", 1, {}}, 7);
};

class XdpMode : public Xdp, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Modes, XdpMode, testing::Values("auto", "copy", "skb"));

TEST_P(XdpMode, AnswersWithTheBytesOfTheSocketsInBothFamilies) {
  Daemon by_xdp(world_.write("x.yaml", world_.config("x", xdp(GetParam()))));
  Daemon by_socket(world_.write("s.yaml", world_.config("s", "")));
  ASSERT_TRUE(by_xdp.is_ready()) << by_xdp.log();
  ASSERT_TRUE(by_socket.is_ready()) << by_socket.log();
  const Listening x = listening(by_xdp);
  const Listening s = listening(by_socket);
  double asked = 0;
  for (const Octets& question : questions()) {
    for (const auto& [ours, theirs] : {std::pair(x.v4, s.v4), std::pair(x.v6, s.v6)}) {
      const Octets reply = world_.ask(ours, question);
      EXPECT_FALSE(reply.empty()) << ours.to_string();
      EXPECT_EQ(reply, world_.ask(theirs, question)) << ours.to_string();
      ++asked;
    }
  }
  EXPECT_EQ(metric(by_xdp, kByXdp), asked) << "none went through the kernel";
  EXPECT_EQ(metric(by_socket, kByXdp), 0);
}

TEST_F(Xdp, IsLoggedAsDnstapWithTheFarHostsAddresses) {
  const std::string tap = "  dnstap: {file: tap.fstrm}\n";
  Daemon daemon(world_.write("x.yaml", world_.config("x", xdp("copy") + tap)));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Listening server = listening(daemon);
  const Octets v4 = world_.ask_by_frames({query_frame(server.v4, 40'002, mail_)});
  const Octets v6 = world_.ask(server.v6, mail_);
  EXPECT_EQ(metric(daemon, kByXdp), 2);
  daemon.signal(SIGTERM);
  ASSERT_EQ(daemon.ended(), 0) << daemon.log();
  const TapFrames frames = tap_frames_in(world_.path("tap.fstrm"));
  ASSERT_EQ(frames.messages.size(), 4U);
  const auto text = [](Bytes octets) { return std::string(octets.begin(), octets.end()); };
  for (std::size_t i = 0; i < 4; ++i) {
    const dnstap::Message& message = frames.messages[i].message();
    const auto address = [](std::string_view name) {
      const auto parsed = Address::parse(name).value();
      const auto octets = parsed.bytes();
      return std::string(octets.begin(), octets.begin() + parsed.width() / 8);
    };
    EXPECT_EQ(message.query_address(), address(i < 2 ? "10.99.0.2" : "2001:db8:99::2"));
    EXPECT_EQ(message.response_address(), address(i < 2 ? world_.kNearV4 : world_.kNearV6));
    EXPECT_EQ(message.response_port(), i < 2 ? server.v4.port : server.v6.port);
    EXPECT_EQ(message.socket_protocol(), dnstap::UDP);
    const bool is_query = i % 2 == 0;
    EXPECT_EQ(message.query_message(), is_query ? text(mail_) : "");
    EXPECT_EQ(message.response_message(), is_query ? "" : text(i == 1 ? v4 : v6));
  }
  EXPECT_EQ(frames.messages[0].message().query_port(), 40'002U);
}

// Between the two hooks sockets answer; what a ring still holds when its hook goes is answered, too.
TEST_F(Xdp, IsHandedOverToAnotherProcessWithoutLosingAQuery) {
  const std::string file = world_.write("x.yaml", world_.config("x", xdp("copy")));
  std::optional<Daemon> now(std::in_place, file);
  ASSERT_TRUE(now->is_ready()) << now->log();
  const Endpoint server = listening(*now).v4;
  std::atomic<bool> is_over{false};
  std::atomic<unsigned> asked{0}, answered{0};
  std::thread asking([&] {
    while (!is_over) {
      ++asked;
      if (!world_.ask(server, mail_, 30).empty()) ++answered;
    }
  });
  const auto goes_on = [&] {
    const unsigned before = answered;
    return eventually([&] { return answered >= before + 50; });
  };
  EXPECT_TRUE(goes_on());
  std::vector<std::unique_ptr<Daemon>> next;
  for (int i = 0; i < 3; ++i) {
    next.push_back(std::make_unique<Daemon>(file, std::vector<std::string>{"replace"}));
    Daemon& second = *next.back();
    EXPECT_TRUE(second.is_ready()) << second.log();
    EXPECT_EQ((i == 0 ? *now : *next[next.size() - 2]).ended(), 0) << second.log();
    const double by_xdp = metric(second, kByXdp).value_or(0);
    EXPECT_TRUE(goes_on()) << second.log();
    EXPECT_GE(metric(second, kByXdp).value_or(0), by_xdp + 49) << "by XDP again";
  }
  is_over = true;
  asking.join();
  EXPECT_EQ(answered, asked);
}

TEST_F(Xdp, LeavesWhatItDoesNotTakeToTheKernel) {
  Daemon daemon(world_.write("x.yaml", world_.config("x", xdp("copy"))));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint server = listening(daemon).v4;
  const Octets by_udp = world_.ask(server, mail_);
  Octets by_tcp = world_.ask_tcp(server, mail_);
  ASSERT_GT(by_tcp.size(), 2U);
  by_tcp.erase(by_tcp.begin(), by_tcp.begin() + 2);
  EXPECT_EQ(by_tcp, by_udp);
  // The same query in two fragments is put together by the kernel and answered by a socket.
  const Octets whole = query_frame(server, 40'000, mail_);
  EXPECT_EQ(world_.ask_by_frames(fragments(whole, 16)), by_udp);
  EXPECT_EQ(metric(daemon, kByXdp), 1);
}

TEST_F(Xdp, DropsMalformedFramesAndAnswersOn) {
  Daemon daemon(world_.write("x.yaml", world_.config("x", xdp("copy"))));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint server = listening(daemon).v4;
  const Octets good = query_frame(server, 40'001, mail_);
  const Octets reply = world_.ask_by_frames({good});
  EXPECT_EQ(reply, world_.ask(server, mail_));
  // One octet at a time: whatever is taken for a query still has to be one.
  unsigned sent = 0;
  for (std::size_t at = 14; at < good.size(); ++at) {
    Octets bad = good;
    bad[at] ^= 0x10;
    world_.send_frame(bad);
    ++sent;
  }
  for (std::size_t size = 14; size < good.size(); ++size) {
    world_.send_frame(Bytes(good).first(size));
    ++sent;
  }
  EXPECT_EQ(world_.ask(server, mail_), reply);
  EXPECT_GT(metric(daemon, kMalformed).value_or(0), sent / 4);
  EXPECT_EQ(metric(daemon, kByXdp), 3);
}

TEST_F(Xdp, LimitsRatesAsSocketsDo) {
  const std::string limit = "  rate-limit: {replies-per-second: 1, slip: 1}\n";
  Daemon daemon(world_.write("x.yaml", world_.config("x", xdp("copy") + limit)));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint server = listening(daemon).v4;
  // The bucket holds one reply: of three in the same second one at least is truncated.
  const auto is_limited = [&] {
    const auto reply = parse_reply(world_.ask(server, mail_), 7);
    return reply && reply->is_truncated;
  };
  EXPECT_TRUE(is_limited() || is_limited() || is_limited() || is_limited());
  const std::string truncated = R"(isochrone_dns_rate_limited_total{outcome="truncated"})";
  EXPECT_GE(metric(daemon, truncated).value_or(0), 1);
}

TEST_F(Xdp, ReportsDemandAsSocketsDo) {
  Daemon collector(world_.write("c.yaml", World().collector_only()));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  const std::string url = collector.collector_url();
  Daemon daemon(world_.write(
      "x.yaml", world_.config("x", xdp("copy")) + "collector: {url: '" + url + "'}\n"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Octets routed = to_wire({"www.example.com", 1, Prefix::parse("198.51.100.0/24")}, 7);
  EXPECT_FALSE(world_.ask(listening(daemon).v4, routed).empty());
  EXPECT_TRUE(eventually([&] {
    const auto events = events_of(url, "demand");
    return !events.empty() && events.front().dump().find("198.51.100.0/24") != std::string::npos;
  }));
}

TEST_F(Xdp, LeavesNothingBehindHoweverItEnds) {
  const std::string file = world_.write("x.yaml", world_.config("x", xdp("copy")));
  for (const int number : {SIGTERM, SIGKILL, SIGTERM}) {
    Daemon daemon(file);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    EXPECT_FALSE(world_.ask(listening(daemon).v4, mail_).empty());
    EXPECT_THAT(near_link(), HasSubstr("prog/xdp"));
    EXPECT_THAT(refused(world_.config("other", xdp("copy"))), HasSubstr("another XDP program"));
    daemon.signal(number);
    EXPECT_EQ(daemon.ended(), number == SIGKILL ? -SIGKILL : 0) << daemon.log();
    EXPECT_THAT(near_link(), Not(HasSubstr("prog/xdp")));
  }
}

TEST_F(Xdp, SaysWhatIsMissingOrGoesOnWithSockets) {
  const std::string gone = "  xdp: {interfaces: no-such-0}\n";
  EXPECT_THAT(refused(world_.config("x", gone)), HasSubstr("there is no interface no-such-0"));
  EXPECT_THAT(refused(world_.config("x", "  xdp: {interfaces: lo}\n")),
              HasSubstr("lo is not Ethernet"));
  EXPECT_THAT(refused(world_.config("x", xdp("zero-copy"))), HasSubstr("AF_XDP socket on near"));
  Daemon daemon(world_.write(
      "f.yaml", world_.config("f", "  xdp: {interfaces: no-such-0, fall-back: true}\n")));
  ASSERT_TRUE(daemon.hears("no XDP, sockets answer interface=no-such-0")) << daemon.log();
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  EXPECT_FALSE(world_.ask(listening(daemon).v4, mail_).empty());
  EXPECT_EQ(metric(daemon, kByXdp), 0);
}

TEST_F(Xdp, SaysWhichCapabilityIsMissing) {
  // A thread's bounding set is what a program it starts can have at most; SYS_ADMIN implies BPF.
  const auto without = [&](std::initializer_list<int> capabilities) {
    std::string text;
    std::thread([&] {
      for (const int each : capabilities) ::prctl(PR_CAPBSET_DROP, each, 0, 0, 0);
      text = refused(world_.config("x", xdp("copy")));
    }).join();
    return text;
  };
  EXPECT_THAT(without({CAP_BPF, CAP_SYS_ADMIN}), HasSubstr("XDP needs CAP_NET_ADMIN and CAP_BPF"));
  EXPECT_THAT(without({CAP_NET_RAW}), HasSubstr("AF_XDP needs CAP_NET_RAW"));
}

}  // namespace
}  // namespace isochrone::test
