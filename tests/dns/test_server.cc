// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "dns/server.h"
#include "dns/snapshot_file.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kMail{"mail.example.com. 3600 A 192.0.2.25"};

// A connected socket whose reads give up after ten seconds, which only a defect reaches.
Fd connect_to(const Endpoint& server, int kind) {
  Fd socket(::socket(server.address.is_v4() ? AF_INET : AF_INET6, kind | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_storage to{};
  const auto size = server.to_sockaddr(to);
  EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size), 0);
  return socket;
}

std::vector<std::uint8_t> receive(const Fd& socket, std::size_t octets) {
  std::vector<std::uint8_t> bytes(octets);
  std::size_t got = 0;
  while (got < octets) {
    const ssize_t count = recv(socket.get(), bytes.data() + got, octets - got, 0);
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  bytes.resize(got);
  return bytes;
}

void send_all(const Fd& socket, Bytes bytes) {
  EXPECT_EQ(send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

Heard ask_udp(const Endpoint& server, const Question& question) {
  const Fd socket = connect_to(server, SOCK_DGRAM);
  send_all(socket, wire(question));
  std::vector<std::uint8_t> reply(65'535);
  const ssize_t size = recv(socket.get(), reply.data(), reply.size(), 0);
  EXPECT_GT(size, 0);
  return size > 0 ? hear(Bytes(reply).first(static_cast<std::size_t>(size))) : Heard{};
}

std::vector<std::uint8_t> framed(const Question& question) {
  auto query = wire(question);
  const auto size = query.size();
  query.insert(query.begin(),
               {static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)});
  return query;
}

// Nothing when the connection ended.
std::optional<Heard> hear_framed(const Fd& socket) {
  const auto length = receive(socket, 2);
  if (length.size() < 2) return std::nullopt;
  return hear(receive(socket, std::size_t{length[0]} << 8 | length[1]));
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    options_.state_dir = pattern;
    options_.listen = {{address("127.0.0.1"), 0}};
    options_.zones = {{"example.com", options_.state_dir / "example.com.zone"}};
    write_zone(example_zone());
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(options_.state_dir);
  }

  void write_zone(const std::string& text) { std::ofstream(options_.zones[0].file) << text; }
  std::vector<std::string> start() {
    auto started = Server::start(options_, three_sites());
    std::vector<std::string> errors;
    if (started) {
      server_ = std::move(*started);
    } else {
      for (const Error& error : started.error()) errors.push_back(error.text());
    }
    return errors;
  }
  Endpoint endpoint() const { return server_->listening().front(); }

  Options options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersOverUdpAndTcpOnTheSamePort) {
  options_.workers = 2;
  options_.listen.push_back({address("::1"), 0});
  ASSERT_THAT(start(), ElementsAre());
  for (const Endpoint& each : server_->listening()) {
    EXPECT_EQ(ask_udp(each, {.name = "mail.example.com"}).answer, kMail);
    const Fd tcp = connect_to(each, SOCK_STREAM);
    send_all(tcp, framed({.name = "mail.example.com"}));
    EXPECT_EQ(hear_framed(tcp)->answer, kMail);
  }
}

TEST_F(ServerTest, RepliesFromTheAddressThatWasAskedOnAWildcard) {
  options_.listen = {{address("0.0.0.0"), 0}};
  ASSERT_THAT(start(), ElementsAre());
  // A connected UDP socket hears only the address it asked.
  EXPECT_EQ(ask_udp({address("127.0.0.77"), endpoint().port}, {.name = "mail.example.com"}).answer,
            kMail);
}

TEST_F(ServerTest, LimitsRepliesToANetworkThatHasNoCookie) {
  options_.answers.rate_limit.replies_per_second = 1;
  options_.answers.rate_limit.slip = 1;
  ASSERT_THAT(start(), ElementsAre());
  const Question plain{.name = "mail.example.com", .payload = 1232};
  EXPECT_EQ(ask_udp(endpoint(), plain).answer, kMail);
  Question with_cookie = plain;
  with_cookie.options = from_hex("000a 0008 2464c4abcf10c957");
  // The bucket holds one reply: of two in the same second one at least is truncated, and that one
  // still brings the cookie that lifts the limit.
  Heard limited;
  for (int i = 0; i < 3 && limited.flags.find("tc") == std::string::npos; ++i) {
    limited = ask_udp(endpoint(), with_cookie);
  }
  EXPECT_EQ(limited.flags, "qr tc");
  with_cookie.options = from_hex("000a 0018" + limited.options[10]);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask_udp(endpoint(), with_cookie).answer, kMail);
}

TEST_F(ServerTest, AnswersPipelinedQueriesAlsoAfterAHalfClose) {  // RFC 7766
  ASSERT_THAT(start(), ElementsAre());
  const Fd tcp = connect_to(endpoint(), SOCK_STREAM);
  std::vector<std::uint8_t> all;
  for (int i = 0; i < 200; ++i) {
    const auto one = framed({.name = i % 2 == 0 ? "mail.example.com" : "nothing.example.com"});
    all.insert(all.end(), one.begin(), one.end());
  }
  send_all(tcp, all);
  shutdown(tcp.get(), SHUT_WR);
  for (int i = 0; i < 200; ++i) {
    const auto heard = hear_framed(tcp);
    ASSERT_TRUE(heard) << i;
    EXPECT_EQ(heard->rcode, i % 2 == 0 ? "NOERROR" : "NXDOMAIN");
  }
  EXPECT_FALSE(hear_framed(tcp)) << "the server closes when all is said";
}

TEST_F(ServerTest, PutsFragmentedQueriesTogether) {
  ASSERT_THAT(start(), ElementsAre());
  const Fd tcp = connect_to(endpoint(), SOCK_STREAM);
  const int on = 1;
  setsockopt(tcp.get(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  for (const std::uint8_t octet : framed({.name = "mail.example.com"}))
    send_all(tcp, Bytes(&octet, 1));
  EXPECT_EQ(hear_framed(tcp)->answer, kMail);
}

TEST_F(ServerTest, AClientThatDoesNotReadHindersNobody) {
  ASSERT_THAT(start(), ElementsAre());
  const Fd deaf = connect_to(endpoint(), SOCK_STREAM);
  const auto query = framed({.name = "host.child.example.com"});
  std::vector<std::uint8_t> all;
  for (int i = 0; i < 2'000; ++i) all.insert(all.end(), query.begin(), query.end());
  for (int i = 0; i < 100; ++i) {
    if (send(deaf.get(), all.data(), all.size(), MSG_NOSIGNAL | MSG_DONTWAIT) <= 0) break;
  }
  const Fd other = connect_to(endpoint(), SOCK_STREAM);
  send_all(other, framed({.name = "mail.example.com"}));
  EXPECT_EQ(hear_framed(other)->answer, kMail);
  EXPECT_EQ(ask_udp(endpoint(), {.name = "mail.example.com"}).answer, kMail);
}

TEST_F(ServerTest, ClosesAnIdleConnection) {
  options_.tcp_idle = Millis(20);
  ASSERT_THAT(start(), ElementsAre());
  const Fd tcp = connect_to(endpoint(), SOCK_STREAM);
  send_all(tcp, from_hex("00"));
  EXPECT_FALSE(hear_framed(tcp));
}

TEST_F(ServerTest, AConnectionBeyondTheLimitWaitsForItsTurn) {
  options_.tcp_connections = 1;
  ASSERT_THAT(start(), ElementsAre());
  Fd first = connect_to(endpoint(), SOCK_STREAM);
  send_all(first, framed({.name = "mail.example.com"}));
  EXPECT_EQ(hear_framed(first)->answer, kMail);
  const Fd second = connect_to(endpoint(), SOCK_STREAM);
  send_all(second, framed({.name = "mail.example.com"}));
  first.reset();
  EXPECT_EQ(hear_framed(second)->answer, kMail);
}

TEST_F(ServerTest, BootsFromItsSnapshotWithoutACollector) {
  NodeState state = static_map();
  prefer(state, "127.0.0.0/8", kIad);
  state.health["fra"].collector = event::HealthStatus::down;
  ASSERT_TRUE(
      write_snapshot(options_.state_dir / kSnapshotFile, encode_snapshot(state, three_sites())));
  ASSERT_THAT(start(), ElementsAre());
  EXPECT_THAT(ask_udp(endpoint(), {.name = "www.example.com"}).answer,
              ElementsAre("www.example.com. 30 A 192.0.2.2"));
  const Heard subnet =
      ask_udp(endpoint(), {.name = "www.example.com", .subnet = prefix("10.9.9.0/24")});
  EXPECT_NE(subnet.answer.front(), "www.example.com. 30 A 192.0.2.1")
      << "fra was down when it stopped";
  EXPECT_EQ(subnet.scope, 13);
}

TEST_F(ServerTest, RefusesASecondInstance) {
  ASSERT_THAT(start(), ElementsAre());
  const auto first = std::move(server_);
  EXPECT_THAT(start(), ElementsAre(HasSubstr("another dns role uses the state directory")));
  options_.listen = first->listening();
  options_.state_dir = options_.state_dir / "second";
  std::filesystem::create_directory(options_.state_dir);
  EXPECT_THAT(start(), ElementsAre(HasSubstr("another server listens there")));
  options_.state_dir = options_.state_dir.parent_path();
}

TEST_F(ServerTest, TellsAllThatIsWrongAtOnce) {
  write_zone("@ 60 SOA ns h 1 2 3 4 5\nbad A 1.2.3\n");
  options_.listen = {{address("192.0.2.200"), 0}};
  EXPECT_THAT(start(), ElementsAre(HasSubstr("example.com.zone:2: "), HasSubstr("192.0.2.200@0")));
}

TEST_F(ServerTest, ReloadsZonesOrKeepsTheOldOnes) {
  ASSERT_THAT(start(), ElementsAre());
  write_zone(example_zone() + "fresh A 192.0.2.44\n");
  EXPECT_TRUE(server_->reload(options_, three_sites()));
  EXPECT_EQ(ask_udp(endpoint(), {.name = "fresh.example.com"}).rcode, "NOERROR");
  write_zone("broken");
  EXPECT_FALSE(server_->reload(options_, three_sites()));
  EXPECT_EQ(ask_udp(endpoint(), {.name = "fresh.example.com"}).rcode, "NOERROR");
  write_zone(example_zone());
  Options moved = options_;
  moved.listen = {{address("127.0.0.2"), 0}};
  const auto refused = server_->reload(moved, three_sites());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().front().text(), HasSubstr("dns.listen"));
}

// Many at once are served without waiting for news of each; then news are waited for again.
TEST_F(ServerTest, AnswersBurstsAndWhatComesAfterThem) {
  ASSERT_THAT(start(), ElementsAre());
  const Fd socket = connect_to(endpoint(), SOCK_DGRAM);
  const auto query = wire({.name = "www.example.com"});
  for (const int burst : {100, 1, 16, 1, 128, 15, 1}) {
    for (int i = 0; i < burst; ++i) send_all(socket, query);
    for (int i = 0; i < burst; ++i) {
      std::vector<std::uint8_t> reply(65'535);
      ASSERT_GT(recv(socket.get(), reply.data(), reply.size(), 0), 0) << i << " of " << burst;
    }
  }
}

TEST_F(ServerTest, LeavesABurstInTheSocketWhileAnotherProcessServes) {
  ASSERT_THAT(start(), ElementsAre());
  const Fd socket = connect_to(endpoint(), SOCK_DGRAM);
  const auto query = wire({.name = "www.example.com"});
  for (int round = 0; round < 10; ++round) {
    constexpr int kBurst = 100;
    for (int i = 0; i < kBurst / 2; ++i) send_all(socket, query);
    server_->stand_by();
    for (int i = 0; i < kBurst / 2; ++i) send_all(socket, query);
    std::vector<std::uint8_t> reply(65'535);
    int answered = 0;
    while (recv(socket.get(), reply.data(), reply.size(), MSG_DONTWAIT) > 0) ++answered;
    EXPECT_LE(answered, kBurst / 2);
    server_->resume();
    for (int i = answered; i < kBurst; ++i) {
      ASSERT_GT(recv(socket.get(), reply.data(), reply.size(), 0), 0) << i << " of " << round;
    }
  }
}

// Making the table is what costs; a zone has no part in it.
TEST_F(ServerTest, KeepsTheRoutingTableWhenOneZoneIsReloaded) {
  ASSERT_THAT(start(), ElementsAre());
  const auto compilations = [this] {
    Metrics metrics;
    server_->measure(metrics);
    const std::string text = metrics.text();
    const std::string name = "\nisochrone_dns_compilations_total ";
    const auto at = text.find(name);
    return at == std::string::npos ? "?" : text.substr(at + name.size(), 1);
  };
  ASSERT_EQ(compilations(), "0");
  write_zone(example_zone() + "fresh A 192.0.2.44\n");
  EXPECT_THAT(server_->reload_zone("example.com"), ElementsAre());
  EXPECT_EQ(ask_udp(endpoint(), {.name = "fresh.example.com"}).rcode, "NOERROR");
  EXPECT_EQ(ask_udp(endpoint(), {.name = "www.example.com"}).rcode, "NOERROR");
  EXPECT_EQ(compilations(), "0");
  ASSERT_TRUE(server_->reload(options_, three_sites()));
  EXPECT_EQ(compilations(), "1");
}

TEST_F(ServerTest, ReloadFollowsTheTopology) {
  ASSERT_THAT(start(), ElementsAre());
  routing::Topology changed = three_sites();
  changed.sites[kSin.index()].addresses = {address("203.0.113.9")};
  std::swap(changed.sites[0], changed.sites[1]);
  ASSERT_TRUE(server_->reload(options_, changed));
  EXPECT_THAT(ask_udp(endpoint(), {.name = "www.example.com"}).answer,
              ElementsAre("www.example.com. 30 A 203.0.113.9"));
}

TEST_F(ServerTest, CountsAndTellsItsStatus) {
  ASSERT_THAT(start(), ElementsAre());
  ask_udp(endpoint(), {.name = "www.example.com"});
  ask_udp(endpoint(), {.name = "nothing.example.com"});
  Metrics metrics;
  server_->measure(metrics);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr(R"(isochrone_dns_queries_total{transport="udp"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(isochrone_dns_replies_total{rcode="nxdomain"} 1)"));
  const auto status = nlohmann::json::parse(server_->status_json());
  EXPECT_EQ(status["zones"][0]["name"], "example.com");
  EXPECT_EQ(status["zones"][0]["serial"], 7);
  EXPECT_EQ(status["generation"], 1);
}

}  // namespace
}  // namespace isochrone::dns::testing
