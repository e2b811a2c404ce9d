// SPDX-License-Identifier: Apache-2.0
//
// A running node replaced by another process, and reloaded, under load: every query is counted.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "base/http_client.h"
#include "base/listening.h"
#include "base/text.h"
#include "base/unix_channel.h"
#include "tests/integration/world.h"
#include "tests/support/load.h"
#include "tests/support/program.h"

namespace isochrone::test {
namespace {

constexpr auto kClient = "198.51.100.0/24";
const DnsQuestion kQuestion{std::string(kService), 1, Prefix::parse(kClient)};

// The counters of a node by name and labels; empty when it does not answer.
std::map<std::string, double> counters_of(const std::string& url) {
  std::map<std::string, double> counters;
  const auto reply = HttpClient(url).get("/metrics", Millis(5'000));
  if (!reply || reply->status != 200) return counters;
  for (const std::string_view line : split(reply->body, '\n')) {
    const auto space = line.rfind(' ');
    const std::string_view name = line.substr(0, std::min(space, line.find('{')));
    if (line.empty() || line.front() == '#' || !name.ends_with("_total")) continue;
    counters[std::string(line.substr(0, space))] = std::stod(std::string(line.substr(space + 1)));
  }
  return counters;
}

// Scrapes without end, and notes what went back.
class Scraper {
 public:
  explicit Scraper(std::string url) : url_(std::move(url)), thread_([this] { scrape(); }) {}
  ~Scraper() { stop(); }

  std::string stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return went_back_;
  }

 private:
  void scrape() {
    std::map<std::string, double> before;
    while (!is_stopping_) {
      for (const auto& [name, value] : counters_of(url_)) {
        double& known = before[name];
        if (value < known) went_back_ += fmt::format("{}: {} after {}\n", name, value, known);
        known = value;
      }
    }
  }

  const std::string url_;
  std::string went_back_;
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

// Posts measurements one after the other, each until it is acknowledged.
class Posting {
 public:
  explicit Posting(std::string url) : url_(std::move(url)), thread_([this] { run(); }) {}
  ~Posting() { stop(); }

  std::uint64_t stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return acknowledged_;
  }

 private:
  void run() {
    while (!is_stopping_) {
      const std::string line = measurement("fra", kClient, 20'000, acknowledged_ + 1);
      const auto is_done = [&] {
        const auto posted = post(url_, "measurement", line);
        return posted && posted->status == 200;
      };
      if (!eventually(is_done)) return;
      ++acknowledged_;
    }
  }

  const std::string url_;
  std::uint64_t acknowledged_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

void expect_none_lost(const Load::Counts& counts) {
  EXPECT_EQ(counts.udp.answered, counts.udp.asked);
  EXPECT_EQ(counts.tcp.answered, counts.tcp.asked);
  EXPECT_EQ(counts.kept.answered, counts.kept.asked);
  std::printf("asked: udp %lu, tcp %lu, on one connection %lu, of these again %lu\n",
              counts.udp.asked, counts.tcp.asked, counts.kept.asked, counts.asked_again);
}

class Replace : public testing::Test {
 protected:
  // dns and collector with `dns` as the dns section.
  std::string config(const std::string& dns) const {
    return "node: {name: ns1, state-dir: state-ns1, roles: [dns, collector]}\ndns: " + dns +
           "\ncollector: {listen: 127.0.0.1@0, window: 200ms, lateness: 1s}\n"
           "zones: [{name: example.com, file: example.com.zone}]\n" +
           World::topology();
  }
  void rewrite(const std::string& text) { world_.write("node.yaml", text); }

  World world_;
  std::string file_ =
      world_.write("node.yaml", config("{listen: 127.0.0.1@0, workers: 2, tcp-idle: 1s}"));
  std::string control_ = world_.path("state-ns1/control.sock");
};

TEST_F(Replace, LosesNoQueryNoEventAndNoCount) {
  Daemon first(file_);
  ASSERT_TRUE(first.is_ready()) << first.log();
  const std::string url = first.collector_url();
  Load load(first.endpoint("dns"), kQuestion);
  Scraper scraper(url);
  Posting posting(url);
  ASSERT_TRUE(load.goes_on());
  Daemon second(file_, {"replace"});
  ASSERT_TRUE(second.is_ready()) << second.log() << first.log();
  EXPECT_EQ(first.ended(), 0) << first.log();
  ASSERT_TRUE(load.goes_on()) << second.log();
  Daemon third(file_, {"replace"});
  ASSERT_TRUE(third.is_ready()) << third.log() << second.log();
  EXPECT_EQ(second.ended(), 0) << second.log();
  EXPECT_EQ(third.endpoint("dns"), first.endpoint("dns"));
  ASSERT_TRUE(load.goes_on()) << third.log();
  const auto counts = load.stop();
  expect_none_lost(counts);
  EXPECT_EQ(scraper.stop(), "");
  const std::uint64_t acknowledged = posting.stop();
  EXPECT_EQ(events_of(url, "measurement").size(), acknowledged);
  const auto metrics = counters_of(url);
  EXPECT_EQ(metrics.at("isochrone_dns_queries_total{transport=\"udp\"}"),
            static_cast<double>(counts.udp.asked));
  EXPECT_GE(metrics.at("isochrone_dns_queries_total{transport=\"tcp\"}"),
            static_cast<double>(counts.tcp.asked + counts.kept.asked));
  EXPECT_GE(metrics.at("isochrone_collector_events_accepted_total"),
            static_cast<double>(acknowledged));
}

TEST_F(Replace, AnOpenConnectionIsServedToItsEndByTheOldOne) {
  rewrite(config("{listen: 127.0.0.1@0, tcp-idle: 1m}"));
  Daemon first(file_);
  ASSERT_TRUE(first.is_ready()) << first.log();
  std::optional<TcpConnection> connection(first.endpoint("dns"));
  ASSERT_TRUE(connection->asks(kQuestion));
  Daemon second(file_, {"replace"});
  ASSERT_TRUE(second.is_ready()) << second.log();
  EXPECT_TRUE(connection->asks(kQuestion)) << first.log();
  EXPECT_TRUE(ask_tcp(second.endpoint("dns"), kQuestion));
  connection.reset();
  EXPECT_EQ(first.ended(), 0) << first.log();
}

TEST_F(Replace, ABrokenNewOneLeavesTheOldAsItWas) {
  const auto taken = listen_tcp({*Address::parse("127.0.0.1"), 0});
  ASSERT_TRUE(taken.has_value());
  const std::string in_use = fmt::format("127.0.0.1@{}", bound_port(*taken));
  const std::string good = config("{listen: 127.0.0.1@0, workers: 2, tcp-idle: 1s}");
  std::string with_prober = good;
  with_prober.replace(with_prober.find("[dns, collector]"), 16, "[dns, collector, prober]");
  std::string with_broken_zone = good;
  with_broken_zone.replace(with_broken_zone.find("example.com.zone"), 16, "broken.zone");
  world_.write("broken.zone", "www IN A not-an-address\n");
  struct Case {
    std::string text;
    std::string error;
    bool is_heard;  // by the old one
  };
  const std::vector<Case> cases = {
      {good + "colour: red\n", "unknown key \"colour\"", false},
      {with_broken_zone, "broken.zone:1:", true},
      // Wrong when the sockets are shared already.
      {config("{listen: [127.0.0.1@0, " + in_use + "], workers: 2}"), in_use, true},
      // Wrong when the old one has stopped to answer and closed its event log.
      {with_prober + "prober: {site: fra, source-addresses: 203.0.113.77}\n", "203.0.113.77", true},
  };
  Daemon old(file_);
  ASSERT_TRUE(old.is_ready()) << old.log();
  const std::string url = old.collector_url();
  std::uint64_t sequence = 0;
  Load load(old.endpoint("dns"), kQuestion);
  Scraper scraper(url);
  for (const auto& [text, error, is_heard] : cases) {
    rewrite(text);
    const Finished finished = isochrone({"replace", "--config", file_});
    EXPECT_EQ(finished.status, 1);
    EXPECT_NE(finished.err.find(error), std::string::npos) << finished.err;
    EXPECT_EQ(is_heard, is_heard && old.hears("not replaced, this process goes on")) << error;
    ASSERT_TRUE(load.goes_on()) << old.log();
    EXPECT_TRUE(eventually([&] {
      const auto posted = post(url, "measurement", measurement("fra", kClient, 20'000, ++sequence));
      return posted && posted->status == 200;
    })) << error;
  }
  expect_none_lost(load.stop());
  EXPECT_EQ(scraper.stop(), "");
  rewrite(good);
  Daemon next(file_, {"replace"});
  EXPECT_TRUE(next.is_ready()) << next.log();
  EXPECT_EQ(old.ended(), 0) << old.log();
}

TEST_F(Replace, OneThatDiesAtAnyStepLeavesTheOldAsItWas) {
  Daemon old(file_);
  ASSERT_TRUE(old.is_ready()) << old.log();
  const std::string url = old.collector_url();
  Load load(old.endpoint("dns"), kQuestion);
  const std::vector<std::string> steps = {R"({"do":"replace"})", R"({"do":"sockets"})",
                                          R"({"do":"serving"})"};
  for (std::size_t survived = 1; survived <= steps.size(); ++survived) {
    auto channel = UnixChannel::connect(control_);
    ASSERT_TRUE(channel) << channel.error().text();
    for (std::size_t i = 0; i < survived; ++i) {
      ASSERT_TRUE(channel->send(steps[i]));
      ASSERT_TRUE(channel->receive(Millis(30'000))) << steps[i] << old.log();
    }
    channel->close();
    ASSERT_TRUE(old.hears("not replaced, this process goes on")) << old.log();
    ASSERT_TRUE(load.goes_on()) << old.log();
    EXPECT_TRUE(eventually([&] { return !get_json(url, "/v1/status").empty(); }));
  }
  expect_none_lost(load.stop());
}

// Its zone includes a pipe that nobody writes, so that it is in the middle of loading.
TEST_F(Replace, OneThatIsKilledWhileItLoadsLeavesTheOldAsItWas) {
  Daemon old(file_);
  ASSERT_TRUE(old.is_ready()) << old.log();
  Load load(old.endpoint("dns"), kQuestion);
  ASSERT_EQ(::mkfifo(world_.path("pipe").c_str(), 0600), 0);
  world_.write_zone("$INCLUDE pipe\n");
  Daemon next(file_, {"replace"});
  ASSERT_TRUE(old.hears("another process comes to replace this one")) << old.log() << next.log();
  next.kill();
  EXPECT_TRUE(old.hears("not replaced, this process goes on")) << old.log();
  EXPECT_TRUE(load.goes_on()) << old.log();
  expect_none_lost(load.stop());
}

TEST_F(Replace, TakesOtherNumbersOfWorkersAndOtherAddresses) {
  rewrite(config("{listen: [127.0.0.1@0, 127.0.0.2@0], tcp-idle: 1s}"));
  Daemon one(file_);
  ASSERT_TRUE(one.is_ready()) << one.log();
  Load load(one.endpoint("dns"), kQuestion);
  ASSERT_TRUE(load.goes_on());
  rewrite(config("{listen: ['::1@0', 127.0.0.1@0], workers: 3, tcp-idle: 1s}"));
  Daemon three(file_, {"replace"});
  ASSERT_TRUE(three.is_ready()) << three.log();
  EXPECT_EQ(one.ended(), 0) << one.log();
  EXPECT_TRUE(ask(three.endpoint("dns"), kQuestion)) << "the new address";
  ASSERT_TRUE(load.goes_on());
  rewrite(config("{listen: 127.0.0.1@0, workers: 2, tcp-idle: 1s}"));
  Daemon two(file_, {"replace"});
  ASSERT_TRUE(two.is_ready()) << two.log();
  EXPECT_EQ(three.ended(), 0) << three.log();
  EXPECT_EQ(two.endpoint("dns"), one.endpoint("dns"));
  ASSERT_TRUE(load.goes_on());
  expect_none_lost(load.stop());
  EXPECT_FALSE(ask_tcp(three.endpoint("dns"), kQuestion)) << "the address that is gone";
}

// A zone from our own file, as a secondary has it that asks for what changed.
TEST_F(Replace, WhatChangedIsKnownAfterwards) {
  const auto write_version = [&](int serial) {
    world_.write("moving.zone", fmt::format("$ORIGIN example.com.\n$TTL 300\n"
                                            "@ IN SOA ns1 hostmaster {0} 1 1 60 60\n  IN NS ns1\n"
                                            "ns1 IN A 192.0.2.53\nmail IN A 192.0.2.{0}\n"
                                            "stays IN TXT \"the same\"\n",
                                            serial));
  };
  const auto reload = [&] {
    const Finished done = isochrone({"reload", "example.com", "--config", file_});
    EXPECT_EQ(done.status, 0) << done.err;
  };
  std::string text = config("{listen: 127.0.0.1@0, workers: 2, tcp-idle: 1s}");
  text.replace(text.find("example.com.zone}"), 17,
               "moving.zone, transfer: {allow: [{prefix: 127.0.0.0/8}]}}");
  rewrite(text);
  write_version(1);
  Daemon first(file_);
  ASSERT_TRUE(first.is_ready()) << first.log();
  const Endpoint server = first.endpoint("dns");
  const auto changes_since = [&](int serial) {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +noall +answer ixfr={} example.com",
                                 server.port, serial));
  };
  const std::string follower = world_.write(
      "follower.yaml",
      fmt::format("node: {{name: ns2, state-dir: state-ns2}}\ndns: {{listen: 127.0.0.1@0}}\n"
                  "zones: [{{name: example.com, transfer: {{primaries: [{{address: {}}}]}}}}]\n",
                  server.to_string()));
  Daemon secondary(follower);
  ASSERT_TRUE(secondary.hears("zone transferred zone=example.com serial=1")) << secondary.log();
  Load load(server, kQuestion);
  write_version(2);
  reload();
  Daemon second(file_, {"replace"});
  ASSERT_TRUE(second.is_ready()) << second.log() << first.log();
  ASSERT_TRUE(load.goes_on()) << second.log();
  write_version(3);
  reload();
  const std::string changes = changes_since(1);
  for (const char* one : {"192.0.2.1\n", "192.0.2.2\n", "192.0.2.3\n"}) {
    EXPECT_NE(changes.find(one), std::string::npos) << one << changes;
  }
  EXPECT_EQ(changes.find("TXT"), std::string::npos) << "what stays is not sent: " << changes;
  ASSERT_TRUE(secondary.hears("serial=3 from=")) << secondary.log();
  EXPECT_EQ(count_of(secondary.log(), "incremental=false"), 1U) << secondary.log();
  EXPECT_EQ(second.log().find("not newer"), std::string::npos) << second.log();
  expect_none_lost(load.stop());
}

// From a primary, while the one that comes is loading: it goes on from what the other had last, whether
// the zone is served as it came or signed here.
class ReplaceSecondary : public Replace, public testing::WithParamInterface<bool> {
 protected:
  // Most of it stays, so that even new signatures over everything are sent as a difference.
  void write_version(int serial) const {
    std::string text = fmt::format(
        "$ORIGIN example.com.\n$TTL 300\n@ IN SOA ns1 hostmaster {0} 1 1 60 60\n  IN NS ns1\n"
        "ns1 IN A 192.0.2.53\nmail IN A 192.0.2.{0}\n",
        serial);
    for (int i = 0; i < 60; ++i) text += fmt::format("stays IN TXT \"{:0200}\"\n", i);
    world_.write("primary.zone", text);
  }
  static bool has_version(const Endpoint& server, int serial) {
    const auto reply = ask(server, {"mail.example.com", 1, {}});
    return reply &&
           reply->addresses == std::vector{*Address::parse(fmt::format("192.0.2.{}", serial))};
  }
};
INSTANTIATE_TEST_SUITE_P(Signed, ReplaceSecondary, testing::Bool());

TEST_P(ReplaceSecondary, GoesOnFromWhatTheOtherHadLast) {
  write_version(1);
  const std::string primary_file =
      world_.write("primary.yaml",
                   "node: {name: ns0, state-dir: state-ns0}\ndns: {listen: 127.0.0.1@0}\n"
                   "zones: [{name: example.com, file: primary.zone, transfer: {allow: [{prefix: "
                   "127.0.0.0/8}]}}]\n");
  Daemon primary(primary_file);
  ASSERT_TRUE(primary.is_ready()) << primary.log();
  rewrite(
      fmt::format("node: {{name: ns1, state-dir: state-ns1}}\n"
                  "dns: {{listen: 127.0.0.1@0, workers: 2, tcp-idle: 1s}}\n"
                  "zones:\n"
                  "  - {{name: example.com, {}transfer: {{primaries: [{{address: {}}}], "
                  "allow: [{{prefix: 127.0.0.0/8}}]}}}}\n"
                  "  - {{name: example.org, file: other.zone}}\n",
                  GetParam() ? "dnssec: {}, " : "", primary.endpoint("dns").to_string()));
  const std::string other = "@ IN SOA ns1.example.net. host 1 2 3 4 5\n IN NS ns1.example.net.\n";
  world_.write("other.zone", other);
  if (GetParam()) {
    ASSERT_EQ(isochrone({"key", "generate", "example.com", "--config", file_}).status, 0);
  }
  Daemon old(file_);
  ASSERT_TRUE(old.is_ready()) << old.log();
  const Endpoint server = old.endpoint("dns");
  ASSERT_TRUE(eventually([&] { return has_version(server, 1); })) << old.log();
  Load load(server, {"mail.example.com", 1, {}});
  // The one that comes has read the zone, and stands before a pipe that nobody writes.
  ASSERT_EQ(::mkfifo(world_.path("pipe").c_str(), 0600), 0);
  world_.write("other.zone", other + "$INCLUDE pipe\n");
  Daemon next(file_, {"replace"});
  // To open it for writing waits until somebody reads.
  Fd pipe(::open(world_.path("pipe").c_str(), O_WRONLY | O_CLOEXEC));
  write_version(2);
  ASSERT_EQ(isochrone({"reload", "example.com", "--config", primary_file}).status, 0);
  // Nobody notifies: the zone is asked for every second.
  ASSERT_TRUE(eventually([&] { return has_version(server, 2); })) << old.log();
  pipe.reset();
  ASSERT_TRUE(next.is_ready()) << next.log();
  EXPECT_EQ(old.ended(), 0) << old.log();
  EXPECT_TRUE(has_version(server, 2)) << next.log();
  const std::string changes =
      output_of(fmt::format("dig @127.0.0.1 -p {} +noall +answer ixfr=1 example.com", server.port));
  EXPECT_NE(changes.find("192.0.2.1\n"), std::string::npos) << changes << next.log();
  EXPECT_NE(changes.find("192.0.2.2\n"), std::string::npos) << changes;
  EXPECT_EQ(changes.find("\tTXT\t"), std::string::npos) << "what stays is not sent: " << changes;
  EXPECT_EQ(next.log().find("not newer"), std::string::npos) << next.log();
  expect_none_lost(load.stop());
}

TEST_F(Replace, SaysThatThereIsNobodyToReplace) {
  const Finished finished = isochrone({"replace", "--config", file_});
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.err.find("no process to replace runs with node.state-dir"), std::string::npos)
      << finished.err;
}

// A service manager's end of its notification socket.
class Manager {
 public:
  explicit Manager(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{30, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }

  std::string hears() const {
    std::array<char, 512> bytes{};
    const auto size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    return size < 0 ? "nothing" : std::string(bytes.data(), static_cast<std::size_t>(size));
  }

 private:
  Fd socket_;
};

TEST_F(Replace, InTheBackgroundTellsTheServiceManagerWhoIsMainNow) {
  const Manager manager(world_.path("notify"));
  Daemon first(file_);
  ASSERT_TRUE(first.is_ready()) << first.log();
  EXPECT_TRUE(manager.hears().starts_with("READY=1"));
  ::unsetenv("NOTIFY_SOCKET");  // the new one gets it from the old one
  Daemon command(file_, {"replace", "--detach"});
  ASSERT_EQ(command.ended(), 0) << command.log();
  const std::string main = manager.hears();
  ASSERT_TRUE(main.starts_with("MAINPID=")) << main;
  EXPECT_TRUE(manager.hears().starts_with("READY=1"));
  EXPECT_EQ(first.ended(), 0) << first.log();
  EXPECT_TRUE(ask(first.endpoint("dns"), kQuestion));
  const pid_t second = std::stoi(main.substr(8));
  EXPECT_EQ(::kill(second, SIGTERM), 0);
  EXPECT_EQ(manager.hears(), "STOPPING=1");
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(control_); }));
}

TEST_F(Replace, ReloadsUnderLoadLoseNoQuery) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  Load load(daemon.endpoint("dns"), kQuestion);
  for (int i = 1; i <= 5; ++i) {
    world_.write_zone(fmt::format("mail IN A 192.0.2.{}\n", i));
    const Finished one = isochrone({"reload", "Example.com.", "--config", file_});
    EXPECT_EQ(one.status, 0) << one.err;
    const auto mail = ask(daemon.endpoint("dns"), {"mail.example.com", 1, {}});
    ASSERT_TRUE(mail.has_value());
    EXPECT_EQ(mail->addresses, std::vector{*Address::parse(fmt::format("192.0.2.{}", i))});
    ASSERT_TRUE(load.goes_on(50));
    daemon.signal(SIGHUP);
    ASSERT_TRUE(daemon.hears("reloaded node=")) << daemon.log();
    EXPECT_EQ(isochrone({"reload", "--config", file_}).status, 0);
    ASSERT_TRUE(load.goes_on(50));
  }
  expect_none_lost(load.stop());
}

TEST_F(Replace, AReloadThatIsRefusedSaysWhy) {
  Daemon daemon(file_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  world_.write_zone("ns1 IN A not-an-address\nns2 IN A nor-this\n");
  for (const std::string zone : {"example.com", ""}) {
    std::vector<std::string> arguments{"reload", "--config", file_};
    if (!zone.empty()) arguments.push_back(zone);
    const Finished finished = isochrone(arguments);
    EXPECT_EQ(finished.status, 1);
    EXPECT_NE(finished.err.find("example.com.zone:6:"), std::string::npos) << finished.err;
    EXPECT_NE(finished.err.find("example.com.zone:7:"), std::string::npos) << finished.err;
    const auto reply = ask(daemon.endpoint("dns"), {"ns1.example.com", 1, {}});
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->addresses, std::vector{*Address::parse("192.0.2.53")});
  }
  EXPECT_EQ(isochrone({"reload", "example.org", "--config", file_}).status, 1);
}

}  // namespace
}  // namespace isochrone::test
