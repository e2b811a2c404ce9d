// SPDX-License-Identifier: Apache-2.0
//
// dnstap from the real program, read by Debian's dnstap-read and fstrm_capture; and what a receiver that
// is slow, gone or wrong, and a full disk, do to answers: nothing.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>

#include "base/listening.h"
#include "tests/integration/world.h"
#include "tests/support/child.h"
#include "tests/support/load.h"
#include "tests/support/program.h"
#include "tests/support/tap_file.h"
#include "tests/support/tiny_disk.h"

namespace isochrone::test {
namespace {

using namespace std::string_literals;

constexpr auto kClient = "198.51.100.0/24";
constexpr auto kWritten = "isochrone_dns_dnstap_written_total";
constexpr auto kDropped = "isochrone_dns_dnstap_dropped_total";
constexpr auto kConnected = "isochrone_dns_dnstap_connected";
const DnsQuestion kQuestion{std::string(kService), 1, Prefix::parse(kClient)};

// A query of some 3 000 octets, so that a thousand of them fill what is held for a receiver.
std::vector<std::uint8_t> large_query() {
  constexpr std::uint16_t kPadding = 3'000;
  auto query = to_wire({"ns1.example.com", 1, {}}, 7);
  query[query.size() - 2] = (kPadding + 4) >> 8;
  query[query.size() - 1] = (kPadding + 4) & 0xff;
  query.insert(query.end(), {0, 12, kPadding >> 8, kPadding & 0xff});
  query.insert(query.end(), kPadding, 0);
  return query;
}

class Dnstap : public testing::Test {
 protected:
  // A node with `dnstap` as that section.
  std::string config(const std::string& dnstap, const std::string& more = {}) const {
    return world_.write("node.yaml",
                        "node: {name: ns1, state-dir: state-ns1, http: 127.0.0.1@0}\n"
                        "dns:\n  listen: 127.0.0.1@0\n  dnstap: " +
                            dnstap + "\n" + more +
                            "zones: [{name: example.com, file: example.com.zone}]\n" +
                            World::topology());
  }
  static std::string url(const Daemon& daemon) {
    return fmt::format("http://127.0.0.1:{}", daemon.endpoint("http").port);
  }
  static double value(const Daemon& daemon, const char* name) { return metric(url(daemon), name); }
  static bool is_answered(const Daemon& daemon, Bytes query) {
    return !exchange(daemon.endpoint("dns"), query, 30'000).empty();
  }
  // Of every file whose name begins so, each of which must be whole.
  std::size_t frames_in_all(const std::string& name) const {
    std::size_t frames = 0;
    for (const auto& entry : std::filesystem::directory_iterator(world_.path(""))) {
      if (!entry.path().filename().string().starts_with(name)) continue;
      const TapFrames one = tap_frames_in(entry.path());
      EXPECT_TRUE(one.is_whole && one.has_stopped) << entry.path();
      frames += one.messages.size();
    }
    return frames;
  }
  void end(Daemon& daemon) {
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.ended(), 0) << daemon.log();
  }

  World world_;
  const std::string file_ = world_.path("tap.fstrm");
  const std::string socket_ = world_.path("tap.sock");
};

std::vector<std::string> capture(const std::string& socket, const std::string& file) {
  return {"fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", file};
}

TEST_F(Dnstap, AFileTellsEveryTransportToDnstapRead) {
  output_of(
      fmt::format("cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                  "-nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=ns1 && "
                  "chmod 600 key.pem",
                  world_.path("")));
  Daemon daemon(config("{file: tap.fstrm}",
                       "  tls: {listen: 127.0.0.1@0, certificate: cert.pem, key: key.pem}\n"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  ASSERT_TRUE(ask(dns, kQuestion));
  ASSERT_TRUE(ask_tcp(dns, kQuestion));
  const auto comma = daemon.log().find(',', daemon.log().find(" dns="));
  const std::string second = daemon.log().substr(comma + 1);
  const auto tls = Endpoint::parse(second.substr(0, second.find(' ')));
  ASSERT_TRUE(tls) << second;
  EXPECT_NE(output_of(fmt::format("kdig @127.0.0.1 -p {} +tls +retry=0 +timeout=30 ns1.example.com",
                                  tls->port))
                .find("192.0.2.53"),
            std::string::npos);
  end(daemon);
  const TapFrames frames = tap_frames_in(file_);
  EXPECT_TRUE(frames.is_whole && frames.has_stopped);
  ASSERT_EQ(frames.messages.size(), 6U);
  const std::array protocols{dnstap::UDP, dnstap::TCP, dnstap::DOT};
  for (std::size_t i = 0; i < frames.messages.size(); ++i) {
    const dnstap::Message& message = frames.messages[i].message();
    EXPECT_EQ(frames.messages[i].identity(), "ns1");
    EXPECT_TRUE(frames.messages[i].version().starts_with("isochrone "));
    EXPECT_EQ(message.type(),
              i % 2 == 0 ? dnstap::Message::AUTH_QUERY : dnstap::Message::AUTH_RESPONSE);
    EXPECT_EQ(message.socket_protocol(), protocols[i / 2]);
    EXPECT_EQ(message.query_address(), "\x7f\0\0\1"s);
    EXPECT_EQ(message.response_address(), "\x7f\0\0\1"s);
    EXPECT_EQ(message.response_port(), i < 4 ? dns.port : tls->port);
    EXPECT_GT(message.query_port(), 0U);
  }
  int status = -1;
  const std::string read = output_of("dnstap-read " + file_, &status);
  EXPECT_EQ(status, 0) << read;
  EXPECT_EQ(count_of(read, " AQ 127.0.0.1:"), 3U) << read;
  EXPECT_EQ(count_of(read, " AR 127.0.0.1:"), 3U) << read;
  EXPECT_EQ(count_of(read, " www.example.com/IN/A"), 4U) << read;
  EXPECT_EQ(count_of(read, fmt::format("127.0.0.1:{} UDP ", dns.port)), 2U) << read;
  EXPECT_EQ(count_of(read, fmt::format("127.0.0.1:{} TCP ", dns.port)), 2U) << read;
}

TEST_F(Dnstap, QueriesOrAnswersAlone) {
  for (const auto& [only, type] : {std::pair("answers", dnstap::Message::AUTH_QUERY),
                                   std::pair("queries", dnstap::Message::AUTH_RESPONSE)}) {
    Daemon daemon(config(fmt::format("{{file: only-{0}.fstrm, {0}: false}}", only)));
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
    end(daemon);
    const TapFrames frames = tap_frames_in(world_.path(fmt::format("only-{}.fstrm", only)));
    EXPECT_EQ(frames.messages.size(), 1U);
    EXPECT_EQ(frames.of(type), 1U);
  }
}

TEST_F(Dnstap, AReceiverThatStopsReadingCostsFramesAndNoAnswer) {
  const std::string captured = world_.path("captured.fstrm");
  Child receiver(capture(socket_, captured), world_.path("capture.log"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(socket_); }));
  Daemon daemon(config("{socket: tap.sock}"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  ASSERT_TRUE(eventually([&] { return value(daemon, kConnected) == 1; })) << daemon.log();
  receiver.signal(SIGSTOP);
  const auto query = large_query();
  unsigned asked = 0;
  // Beyond what ring, frames on their way and socket hold: some 5 MiB.
  for (; asked < 2'500; ++asked) ASSERT_TRUE(is_answered(daemon, query)) << asked;
  EXPECT_GT(value(daemon, kDropped), 0);
  EXPECT_LT(value(daemon, kWritten) + value(daemon, kDropped), 2 * asked);
  receiver.signal(SIGCONT);
  EXPECT_TRUE(eventually([&] {
    return value(daemon, kWritten) + value(daemon, kDropped) == 2 * asked;
  })) << value(daemon, kWritten)
      << " + " << value(daemon, kDropped);
  EXPECT_EQ(value(daemon, kConnected), 1);
  const auto written = static_cast<std::size_t>(value(daemon, kWritten));
  end(daemon);
  receiver.signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return tap_frames_in(captured).has_stopped; }));
  const TapFrames frames = tap_frames_in(captured);
  EXPECT_TRUE(frames.is_whole);
  EXPECT_EQ(frames.messages.size(), written);
  int status = -1;
  EXPECT_EQ(count_of(output_of("dnstap-read " + captured, &status), " AQ "),
            frames.of(dnstap::Message::AUTH_QUERY));
  EXPECT_EQ(status, 0);
}

TEST_F(Dnstap, AReceiverThatWasKilledIsFoundAgain) {
  std::optional<Child> receiver(std::in_place, capture(socket_, world_.path("one.fstrm")),
                                world_.path("capture.log"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(socket_); }));
  Daemon daemon(config("{socket: tap.sock}"));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  ASSERT_TRUE(eventually([&] { return value(daemon, kConnected) == 1; })) << daemon.log();
  receiver.reset();
  EXPECT_TRUE(daemon.hears("dnstap is not written")) << daemon.log();
  EXPECT_TRUE(eventually([&] { return value(daemon, kConnected) == 0; }));
  EXPECT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  std::filesystem::remove(socket_);
  const std::string captured = world_.path("two.fstrm");
  receiver.emplace(capture(socket_, captured), world_.path("capture.log"));
  EXPECT_TRUE(daemon.hears("dnstap is written")) << daemon.log();
  EXPECT_TRUE(eventually([&] { return value(daemon, kConnected) == 1; }));
  EXPECT_EQ(count_of(daemon.log(), "dnstap is not written"), 1U) << daemon.log();
  end(daemon);
  receiver->signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return tap_frames_in(captured).messages.size() == 2; }))
      << "what was asked meanwhile";
}

// By hand, so that each octet of the handshake is seen.
TEST_F(Dnstap, AReceiverOverTcpIsGreetedAndTakenLeaveOf) {
  const std::string content = "\0\0\0\1\0\0\0\x16protobuf:dnstap.Dnstap"s;
  const auto said = [](const Fd& socket, std::size_t octets) {
    std::string text(octets, '\0');
    const auto got = ::recv(socket.get(), text.data(), octets, MSG_WAITALL);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  };
  const auto say = [](const Fd& socket, const std::string& text) {
    EXPECT_EQ(::send(socket.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  };
  auto listener = listen_tcp({*Address::parse("127.0.0.1"), 0});
  ASSERT_TRUE(listener);
  // Accepting waits, too.
  const int flags = ::fcntl(listener->get(), F_GETFL);
  ::fcntl(listener->get(), F_SETFL, flags & ~O_NONBLOCK);
  Daemon daemon(config(fmt::format("{{tcp: 127.0.0.1@{}}}", bound_port(*listener))));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const auto greeted = [&] {
    Fd socket(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval patience{30, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(said(socket, 42), "\0\0\0\0\0\0\0\x22\0\0\0\4"s + content);
    return socket;
  };
  // The first one takes something else.
  Fd socket = greeted();
  say(socket, "\0\0\0\0\0\0\0\x10\0\0\0\1\0\0\0\1\0\0\0\4json"s);
  EXPECT_EQ(said(socket, 1), "");
  EXPECT_TRUE(daemon.hears("the receiver does not take protobuf:dnstap.Dnstap")) << daemon.log();
  socket = greeted();
  say(socket, "\0\0\0\0\0\0\0\x22\0\0\0\1"s + content);
  EXPECT_EQ(said(socket, 42), "\0\0\0\0\0\0\0\x22\0\0\0\2"s + content);
  ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  EXPECT_TRUE(eventually([&] { return value(daemon, kWritten) == 2; }));
  daemon.signal(SIGTERM);
  std::string all = "\0\0\0\0\0\0\0\4\0\0\0\2"s;
  while (!tap_frames(all).has_stopped) {
    const std::string next = said(socket, 1);
    if (next.empty()) break;
    all += next;
  }
  say(socket, "\0\0\0\0\0\0\0\4\0\0\0\5"s);
  EXPECT_EQ(daemon.ended(), 0) << daemon.log();
  const TapFrames frames = tap_frames(all);
  EXPECT_TRUE(frames.is_whole && frames.has_stopped);
  EXPECT_EQ(frames.messages.size(), 2U);
  EXPECT_EQ(count_of(daemon.log(), "dnstap is not written"), 1U) << daemon.log();
}

TEST_F(Dnstap, AFullDiskCostsFramesAndNoAnswer) {
  const std::string folder = world_.path("disk");
  std::filesystem::create_directory(folder);
  Daemon daemon(config("{file: disk/tap.fstrm}"), [&] { mount_tiny_disk(folder, "256k"); });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const auto query = large_query();
  ASSERT_TRUE(is_answered(daemon, query));
  EXPECT_TRUE(eventually([&] { return value(daemon, kWritten) == 2; }));
  const std::string disk = seen_by(daemon.pid(), folder);
  fill(disk);
  unsigned asked = 1;
  for (; asked < 10; ++asked) ASSERT_TRUE(is_answered(daemon, query));
  ASSERT_TRUE(daemon.hears("dnstap is not written")) << daemon.log();
  EXPECT_NE(daemon.log().find("No space left on device"), std::string::npos) << daemon.log();
  EXPECT_TRUE(eventually([&] { return value(daemon, kConnected) == 0; }));
  EXPECT_TRUE(is_answered(daemon, query));
  ++asked;
  make_room(disk);
  ASSERT_TRUE(daemon.hears("dnstap is written")) << daemon.log();
  EXPECT_TRUE(eventually([&] { return value(daemon, kWritten) == 2 * asked; }))
      << value(daemon, kWritten);
  const TapFrames frames = tap_frames_in(disk + "/tap.fstrm");
  EXPECT_TRUE(frames.is_whole);
  EXPECT_EQ(frames.messages.size(), 2 * asked);
  EXPECT_EQ(count_of(daemon.log(), "dnstap is not written"), 1U) << daemon.log();
}

TEST_F(Dnstap, AFileThatWasMovedAwayIsFollowedByAnotherAtEachReload) {
  const std::string node = config("{file: tap.fstrm}");
  Daemon daemon(node);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  std::filesystem::rename(file_, file_ + ".1");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.hears("reloaded node=")) << daemon.log();
  ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  // A reload without a move goes on with the same file; one that is refused opens another all the same.
  EXPECT_EQ(isochrone({"reload", "--config", node}).status, 0);
  ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  EXPECT_TRUE(eventually([&] { return value(daemon, kWritten) == 6; }));
  std::filesystem::rename(file_, file_ + ".2");
  world_.write_zone("mail IN A not-an-address\n");
  EXPECT_EQ(isochrone({"reload", "--config", node}).status, 1);
  ASSERT_TRUE(ask(daemon.endpoint("dns"), kQuestion));
  end(daemon);
  for (const auto& [name, frames] : {std::pair(".1", 2U), std::pair(".2", 4U), std::pair("", 2U)}) {
    const TapFrames one = tap_frames_in(file_ + name);
    EXPECT_TRUE(one.is_whole && one.has_stopped) << name;
    EXPECT_EQ(one.messages.size(), frames) << name;
  }
}

// One network to be measured better elsewhere, and others that follow the service's order.
TEST_F(Dnstap, ThePolicyIsTheDecisionThatWasRecorded) {
  Daemon daemon(world_.write("node.yaml",
                             "node: {name: ns1, state-dir: state-ns1, roles: [dns, collector]}\n"
                             "dns: {listen: 127.0.0.1@0, dnstap: {file: tap.fstrm}}\n"
                             "collector: {listen: 127.0.0.1@0, window: 200ms, lateness: 1s}\n"
                             "zones: [{name: example.com, file: example.com.zone}]\n" +
                                 World::topology()));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  const std::string url = daemon.collector_url();
  std::string lines;
  for (std::uint64_t i = 1; i < 10; ++i) {
    const char* site = i % 3 == 0 ? "iad" : i % 3 == 1 ? "fra" : "sin";
    lines += measurement(site, kClient, i % 3 == 0 ? 10'000 : 80'000, i);
  }
  ASSERT_TRUE(post(url, "measurement", lines));
  ASSERT_TRUE(eventually([&] { return answers(dns, kClient, "192.0.2.2"); })) << daemon.log();
  const auto recorded = [&](std::string_view reason) {
    for (const auto& decision : events_of(url, "decision")) {
      if (decision.value("reason", "") == reason) return true;
    }
    return false;
  };
  EXPECT_TRUE(eventually([&] { return !answer_for(dns, kClient) || recorded("measured"); }));
  EXPECT_TRUE(
      eventually([&] { return !answer_for(dns, "203.0.113.0/24") || recorded("default-order"); }));
  const auto decisions = events_of(url, "decision");
  end(daemon);
  std::multimap<std::string, std::string> rules;  // by network
  for (const dnstap::Dnstap& each : tap_frames_in(file_).messages) {
    const dnstap::Policy& policy = each.message().policy();
    if (!each.message().has_policy()) continue;
    EXPECT_EQ(policy.type(), "isochrone");
    EXPECT_EQ(policy.action(), dnstap::Policy::LOCAL_DATA);
    EXPECT_EQ(policy.match(), dnstap::Policy::CLIENT_IP);
    EXPECT_EQ(each.message().type(), dnstap::Message::AUTH_RESPONSE);
    rules.emplace(policy.value(), policy.rule());
  }
  ASSERT_GE(decisions.size(), 2U);
  for (const auto& decision : decisions) {
    const std::string rule = fmt::format(
        "site={} reason={} scope={} generation={}", decision.value("site", ""),
        decision.value("reason", ""), decision.value("scope", -1), decision.value("generation", 0));
    const auto [begin, end] = rules.equal_range(decision.value("prefix", ""));
    EXPECT_TRUE(std::any_of(begin, end, [&](const auto& each) { return each.second == rule; }))
        << decision.dump();
  }
}

TEST_F(Dnstap, GoesOnAcrossAReplacement) {
  const std::string node = config("{file: tap.fstrm}", "  tcp-idle: 1s\n");
  Daemon first(node);
  ASSERT_TRUE(first.is_ready()) << first.log();
  Load load(first.endpoint("dns"), kQuestion);
  ASSERT_TRUE(load.goes_on());
  Daemon second(node, {"replace"});
  ASSERT_TRUE(second.is_ready()) << second.log() << first.log();
  EXPECT_EQ(first.ended(), 0) << first.log();
  ASSERT_TRUE(load.goes_on()) << second.log();
  const auto counts = load.stop();
  EXPECT_EQ(counts.udp.answered, counts.udp.asked);
  EXPECT_EQ(counts.tcp.answered, counts.tcp.asked);
  const auto queries = [&] {
    return value(second, "isochrone_dns_queries_total{transport=\"udp\"}") +
           value(second, "isochrone_dns_queries_total{transport=\"tcp\"}");
  };
  EXPECT_TRUE(eventually([&] {
    return value(second, kWritten) + value(second, kDropped) == 2 * queries();
  })) << value(second, kWritten)
      << " + " << value(second, kDropped) << " of " << queries();
  const double written = value(second, kWritten);
  end(second);
  EXPECT_EQ(static_cast<double>(frames_in_all("tap.fstrm")), written);
}

}  // namespace
}  // namespace isochrone::test
