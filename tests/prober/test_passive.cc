// SPDX-License-Identifier: Apache-2.0
//
// Real connections between two network namespaces, as the kernel tells of them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <vector>

#include "prober/passive.h"
#include "tests/prober/vocabulary.h"
#include "tests/support/two_hosts.h"

namespace isochrone::prober {
namespace {

constexpr Seconds kGiveUp{20};

// A listener of this host for both families, and connections that the far host makes to it.
class PassiveTest : public testing::Test {
 protected:
  struct Pair {
    Fd ours;
    Fd theirs;
  };
  struct Listener {
    Fd fd;
    std::uint16_t port = 0;
  };

  void SetUp() override { ASSERT_EQ(test::TwoHosts::make().trouble(), ""); }

  static Listener listen() {
    Listener made{Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    socklen_t length = sizeof any;
    auto* name = reinterpret_cast<sockaddr*>(&any);
    EXPECT_EQ(::bind(made.fd.get(), name, length), 0);
    EXPECT_EQ(::listen(made.fd.get(), 64), 0);
    EXPECT_EQ(::getsockname(made.fd.get(), name, &length), 0);
    made.port = ntohs(any.sin6_port);
    return made;
  }

  // Connected, and with an answer of the client to data.
  static Pair connect(const Listener& to, std::string_view here) {
    const Endpoint near{address(here), to.port};
    sockaddr_storage name{};
    const unsigned length = near.to_sockaddr(name);
    Pair pair;
    pair.theirs = test::TwoHosts::make().far_socket(name.ss_family, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(pair.theirs.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
    pair.ours = Fd(::accept(to.fd.get(), nullptr, nullptr));
    speak(pair);
    return pair;
  }
  static void speak(const Pair& pair) {
    char byte = 'x';
    EXPECT_EQ(::send(pair.ours.get(), &byte, 1, 0), 1);
    EXPECT_EQ(::recv(pair.theirs.get(), &byte, 1, MSG_WAITALL), 1);
  }
  static tcp_info info_of(const Fd& fd) {
    tcp_info info{};
    socklen_t length = sizeof info;
    EXPECT_EQ(::getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info;
  }

  static std::vector<Connection> dump(std::span<const std::uint16_t> ports) {
    std::vector<Connection> all;
    auto diag = TcpDiag::open();
    EXPECT_TRUE(diag) << diag.error().text();
    for (const Family family : {Family::v4, Family::v6}) {
      EXPECT_TRUE(diag->begin(family, ports));
      Piece piece = Piece::more;
      while (piece == Piece::more) piece = diag->read(all);
      EXPECT_EQ(piece, Piece::end);
    }
    return all;
  }

  static Options options_for(std::vector<std::uint16_t> ports) {
    Options options;
    options.allow_private = true;
    options.passive.ports = std::move(ports);
    options.passive.interval = Millis(50);
    return options;
  }

  // What is told until `enough` says so; `speak` goes on meanwhile.
  template <class Enough>
  std::vector<Observation> watch(const Options& options, const std::vector<Pair>& speakers,
                                 Enough enough) {
    std::vector<Observation> told;
    auto diag = TcpDiag::open();
    EXPECT_TRUE(diag) << diag.error().text();
    Loop loop;
    std::optional<TcpDiag> maybe;
    if (!options.passive.ports.empty()) maybe.emplace(std::move(*diag));
    Passive passive(loop, std::move(maybe), options, 1, counters, [&](const Observation& seen) {
      told.push_back(seen);
      if (enough(told)) loop.stop();
    });
    Timer talk(loop, [&] {
      for (const Pair& pair : speakers) speak(pair);
    });
    talk.start(Millis(10), Millis(10));
    bool gave_up = false;
    Timer give_up(loop, [&] {
      gave_up = true;
      loop.stop();
    });
    give_up.start(kGiveUp);
    loop.run();
    EXPECT_FALSE(gave_up);
    return told;
  }

  PassiveCounters counters;
};

TEST_F(PassiveTest, TheKernelTellsOfBothFamiliesWhatItTellsTheSocket) {
  const Listener listener = listen();
  std::vector<Pair> pairs;
  for (const char* here : {"10.99.0.1", "2001:db8:99::1"}) pairs.push_back(connect(listener, here));
  // An acknowledgement may come between what the one and what the other tells: then both again.
  std::vector<tcp_info> truths;
  std::vector<Connection> seen;
  const auto ask = [&] {
    std::vector<tcp_info> all;
    for (const Pair& pair : pairs) all.push_back(info_of(pair.ours));
    return all;
  };
  do {
    truths = ask();
    seen = dump(std::array{listener.port});
  } while (
      !std::ranges::equal(truths, ask(), {}, &tcp_info::tcpi_segs_in, &tcp_info::tcpi_segs_in));
  ASSERT_EQ(seen.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const bool is_v4 = i == 0;
    const auto one = std::find_if(seen.begin(), seen.end(),
                                  [&](const auto& each) { return each.client.is_v4() == is_v4; });
    ASSERT_NE(one, seen.end());
    const tcp_info& truth = truths[i];
    EXPECT_EQ(one->client, address(is_v4 ? "10.99.0.2" : "2001:db8:99::2"));
    EXPECT_EQ(one->local_port, listener.port);
    EXPECT_EQ(one->rtt, Micros(truth.tcpi_rtt));
    EXPECT_EQ(one->deviation, Micros(truth.tcpi_rttvar));
    EXPECT_EQ(one->min_rtt, Micros(truth.tcpi_min_rtt));
    EXPECT_EQ(one->segments, truth.tcpi_data_segs_out);
    EXPECT_EQ(one->repeated, truth.tcpi_total_retrans);
    EXPECT_GT(one->rtt, Micros(0));
  }
  EXPECT_NE(seen[0].cookie, seen[1].cookie);
}

TEST_F(PassiveTest, WhatTheKernelSentAgainIsLost) {
  const Listener listener = listen();
  std::vector<Pair> pairs;
  pairs.push_back(connect(listener, "10.99.0.1"));
  // What goes to a station that is not there gets lost on the cable.
  const auto far_is = [](const char* station) {
    const std::string command = "ip neigh replace 10.99.0.2 dev near lladdr ";
    ASSERT_EQ(std::system((command + station).c_str()), 0);
  };
  const auto wait_until = [&](auto holds) {
    Loop loop;
    Timer look(loop, [&] {
      if (holds(info_of(pairs[0].ours))) loop.stop();
    });
    look.start(Millis(0), Millis(5));
    Timer give_up(loop, [&] { loop.stop(); });
    give_up.start(kGiveUp);
    loop.run();
    return holds(info_of(pairs[0].ours));
  };
  far_is("02:00:00:00:00:99");
  ASSERT_EQ(::send(pairs[0].ours.get(), "x", 1, 0), 1);
  EXPECT_TRUE(wait_until([](const tcp_info& info) { return info.tcpi_total_retrans >= 1; }));
  far_is("02:00:00:00:00:02");
  ASSERT_TRUE(wait_until([](const tcp_info& info) { return info.tcpi_unacked == 0; }));
  const auto seen = dump(std::array{listener.port});
  const tcp_info truth = info_of(pairs[0].ours);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_GE(seen[0].repeated, 1U);
  EXPECT_EQ(seen[0].repeated, truth.tcpi_total_retrans - truth.tcpi_dsack_dups);
  EXPECT_EQ(seen[0].segments, truth.tcpi_data_segs_out);
}

TEST_F(PassiveTest, OnlyTheConfiguredPortsAreToldOf) {
  const std::array<Listener, 4> listeners{listen(), listen(), listen(), listen()};
  std::vector<Pair> pairs;
  for (const Listener& each : listeners) pairs.push_back(connect(each, "10.99.0.1"));
  for (std::size_t count = 1; count <= listeners.size(); ++count) {
    std::vector<std::uint16_t> ports;
    for (std::size_t i = 0; i < count; ++i) ports.push_back(listeners[i].port);
    std::vector<std::uint16_t> seen;
    for (const Connection& one : dump(ports)) seen.push_back(one.local_port);
    std::sort(ports.begin(), ports.end());
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, ports);
  }
}

TEST_F(PassiveTest, NetworksAreToldWhatTheirConnectionsSaid) {
  const Listener listener = listen();
  std::vector<Pair> pairs;
  for (int i = 0; i < 3; ++i) pairs.push_back(connect(listener, "10.99.0.1"));
  pairs.push_back(connect(listener, "2001:db8:99::1"));
  std::map<Prefix, int> answers;
  const auto told = watch(options_for({listener.port}), pairs, [&](const auto& all) {
    ++answers[all.back().prefix];
    return answers[prefix("10.99.0.0/24")] >= 6 && answers[prefix("2001:db8:99::/48")] >= 2;
  });
  EXPECT_EQ(answers.size(), 2U);
  for (const Observation& one : told) {
    ASSERT_TRUE(one.rtt) << "nothing is lost on this cable";
    EXPECT_GT(*one.rtt, Nanos(0));
  }
  EXPECT_GE(counters.connections.value(), 8U);
}

TEST_F(PassiveTest, AConnectionWithoutNewsIsToldOfNoMore) {
  const Listener listener = listen();
  const Listener other = listen();
  std::vector<Pair> quiet;
  quiet.push_back(connect(listener, "10.99.0.1"));
  std::vector<Pair> speaking;
  speaking.push_back(connect(other, "2001:db8:99::1"));
  // The quiet one is heard at most while it was heard of within the first intervals.
  std::uint32_t last_of_quiet = 0;
  watch(options_for({listener.port, other.port}), speaking, [&](const auto& all) {
    if (all.back().prefix.family() == Family::v4) last_of_quiet = all.back().round;
    return all.back().prefix.family() == Family::v6 && all.back().round >= last_of_quiet + 10;
  });
}

TEST_F(PassiveTest, PrivateClientsAreLeftOutUnlessAllowed) {
  const Listener listener = listen();
  std::vector<Pair> pairs;
  pairs.push_back(connect(listener, "10.99.0.1"));
  Options options = options_for({listener.port});
  options.allow_private = false;
  const std::string log = testing::TempDir() + "passive.log." + std::to_string(::getpid());
  std::ofstream file(log);
  options.passive.log = log;
  file << std::flush;
  Loop loop;
  std::vector<Observation> told;
  auto diag = TcpDiag::open();
  ASSERT_TRUE(diag);
  Passive passive(loop, std::move(*diag), options, 1, counters, [&](const Observation& seen) {
    told.push_back(seen);
    loop.stop();
  });
  file << "10.1.2.3 500\nnonsense\n8.8.8.8 12345\n" << std::flush;
  Timer give_up(loop, [&] { loop.stop(); });
  give_up.start(kGiveUp);
  loop.run();
  ::unlink(log.c_str());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].prefix, prefix("8.8.8.0/24"));
  EXPECT_EQ(told[0].rtt, Nanos(Micros(12'345)));
  EXPECT_EQ(counters.lines.value(), 3U);
  EXPECT_EQ(counters.lines_skipped.value(), 1U);
  EXPECT_GE(counters.connections.value(), 1U);
}

TEST(DiagPiece, WhatIsNoMessageEndsTheDump) {
  std::vector<Connection> all;
  const std::vector<std::uint8_t> few(7, 1);
  EXPECT_EQ(parse_piece(few, all), Piece::broken);
  const std::vector<std::uint8_t> zeros(64, 0);  // a length of 0 must not be walked for ever
  EXPECT_EQ(parse_piece(zeros, all), Piece::broken);
  EXPECT_TRUE(all.empty());
}

}  // namespace
}  // namespace isochrone::prober
