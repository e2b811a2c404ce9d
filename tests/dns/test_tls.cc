// SPDX-License-Identifier: Apache-2.0
//
// DNS over TLS (RFC 7858) with a client of its own, and what the options of the transport do.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "dns/server.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using ::testing::ElementsAre;

const std::vector<std::string> kMail{"mail.example.com. 3600 A 192.0.2.25"};

std::vector<std::uint8_t> framed(const Question& question) {
  auto query = wire(question);
  const auto size = query.size();
  query.insert(query.begin(),
               {static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)});
  return query;
}

// Whose reads give up after ten seconds, which only a defect reaches.
Fd connect_to(const Endpoint& server) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_storage to{};
  const auto size = server.to_sockaddr(to);
  EXPECT_EQ(connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), size), 0);
  return socket;
}

class Client {
 public:
  explicit Client(const Endpoint& server, SSL_SESSION* resume = nullptr, int newest = 0)
      : socket_(connect_to(server)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_, newest);
    if (newest != 0) SSL_CTX_set_security_level(context_, 0);
    session_ = SSL_new(context_);
    if (resume != nullptr) SSL_set_session(session_, resume);
    SSL_set_fd(session_, socket_.get());
    is_connected_ = SSL_connect(session_) == 1;
  }
  ~Client() {
    // Without a farewell OpenSSL would not resume the session.
    if (is_connected_) SSL_shutdown(session_);
    SSL_free(session_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }
  SSL* session() const { return session_; }
  // In one record.
  void send(Bytes bytes) {
    EXPECT_EQ(SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  std::vector<std::uint8_t> receive(std::size_t octets) {
    std::vector<std::uint8_t> bytes(octets);
    std::size_t got = 0;
    while (got < octets) {
      const int count = SSL_read(session_, bytes.data() + got, static_cast<int>(octets - got));
      if (count <= 0) break;
      got += static_cast<std::size_t>(count);
    }
    bytes.resize(got);
    return bytes;
  }
  Heard hear_one() {
    const auto length = receive(2);
    if (length.size() < 2) return {};
    return hear(receive(std::size_t{length[0]} << 8 | length[1]));
  }
  Heard ask(const Question& question) {
    send(framed(question));
    return hear_one();
  }
  long certificate() const {
    X509* peer = SSL_get1_peer_certificate(session_);
    const long serial = ASN1_INTEGER_get(X509_get0_serialNumber(peer));
    X509_free(peer);
    return serial;
  }

 private:
  Fd socket_;
  SSL_CTX* context_;
  SSL* session_ = nullptr;
  bool is_connected_ = false;
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    ::signal(SIGPIPE, SIG_IGN);  // as the program does
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    options_.state_dir = mkdtemp(pattern.data());
    options_.listen = {{address("127.0.0.1"), 0}};
    options_.tls_listen = {{address("127.0.0.1"), 0}};
    options_.tls_certificate = options_.state_dir / "certificate.pem";
    options_.tls_key = options_.state_dir / "key.pem";
    options_.zones = {{"example.com", options_.state_dir / "example.com.zone"}};
    std::ofstream(options_.zones[0].file) << example_zone();
    make_certificate(7);
  }
  ~TlsTest() override {
    server_.reset();
    std::filesystem::remove_all(options_.state_dir);
  }
  void make_certificate(int serial) {
    const std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=ns1.example.com -set_serial {} -keyout {} -out {} 2>/dev/null",
        serial, options_.tls_key.string(), options_.tls_certificate.string());
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  void start() {
    auto started = Server::start(options_, three_sites());
    if (started) {
      server_ = std::move(*started);
    } else {
      for (const Error& error : started.error()) ADD_FAILURE() << error.text();
    }
    ASSERT_NE(server_, nullptr);
  }
  // Handshakes that failed, as the metrics say it.
  std::string failed() const {
    Metrics metrics;
    server_->measure(metrics);
    const std::string text = metrics.text();
    const std::string name = "\nisochrone_dns_tls_failed_total ";
    const auto at = text.find(name);
    if (at == std::string::npos) return "";
    return text.substr(at + name.size(), text.find('\n', at + 1) - at - name.size());
  }
  Endpoint plain() const { return server_->listening().front(); }
  Endpoint tls() const { return server_->listening().back(); }

  Options options_;
  std::unique_ptr<Server> server_;
};

// The data of an option of the reply's OPT, which is the last record; nothing when it has none.
std::optional<std::vector<std::uint8_t>> option_of(const Heard& heard, std::uint16_t wanted) {
  for (std::size_t at = 12; at + 11 <= heard.bytes.size(); ++at) {
    ByteReader in(Bytes(heard.bytes).subspan(at));
    if (in.u8() != 0 || in.u16() != 41) continue;
    in.skip(6);
    if (in.u16() != in.remaining()) continue;
    while (in.remaining() >= 4) {
      const std::uint16_t code = in.u16();
      const Bytes data = in.take(in.u16());
      if (code == wanted) return std::vector<std::uint8_t>(data.begin(), data.end());
    }
    return std::nullopt;
  }
  return std::nullopt;
}

TEST_F(TlsTest, AnswersSeveralQueriesOfOneRecord) {
  start();
  Client client(tls());
  ASSERT_TRUE(client.is_connected());
  std::vector<std::uint8_t> all;
  for (int i = 0; i < 50; ++i) {
    const auto one = framed({.name = i % 2 == 0 ? "mail.example.com" : "nothing.example.com"});
    all.insert(all.end(), one.begin(), one.end());
  }
  client.send(all);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.hear_one().rcode, i % 2 == 0 ? "NOERROR" : "NXDOMAIN") << i;
  }
}

TEST_F(TlsTest, PadsOnlyWhenAskedAndOnlyThroughTls) {  // RFC 8467
  start();
  const std::vector<std::uint8_t> padding{0, 12, 0, 3, 0, 0, 0};
  Client client(tls());
  const Heard padded = client.ask({.name = "mail.example.com", .options = padding});
  EXPECT_EQ(padded.answer, kMail);
  EXPECT_EQ(padded.bytes.size(), 468U);
  EXPECT_TRUE(option_of(padded, 12));
  EXPECT_FALSE(option_of(client.ask({.name = "mail.example.com", .payload = 1232}), 12));
  const Fd socket = connect_to(plain());
  const auto query = framed({.name = "mail.example.com", .options = padding});
  ASSERT_GT(send(socket.get(), query.data(), query.size(), 0), 0);
  std::vector<std::uint8_t> reply(1'000);
  const auto size = recv(socket.get(), reply.data(), reply.size(), 0);
  ASSERT_GT(size, 2);
  EXPECT_FALSE(option_of(hear(Bytes(reply).subspan(2, static_cast<std::size_t>(size) - 2)), 12));
}

TEST_F(TlsTest, TellsHowLongAConnectionMayIdle) {  // RFC 7828
  options_.tcp_idle = Millis(12'300);
  start();
  Client client(tls());
  const Heard heard = client.ask({.name = "mail.example.com", .options = {0, 11, 0, 0}});
  const auto timeout = option_of(heard, 11);
  ASSERT_TRUE(timeout);
  EXPECT_THAT(*timeout, ElementsAre(0, 123));
  EXPECT_FALSE(option_of(client.ask({.name = "mail.example.com", .payload = 1232}), 11));
  const Heard udp = ask(world(), {.name = "mail.example.com", .options = {0, 11, 0, 0}});
  EXPECT_FALSE(option_of(udp, 11)) << "never over UDP";
}

TEST_F(TlsTest, ResumesASession) {
  start();
  SSL_SESSION* session = nullptr;
  {
    Client first(tls());
    EXPECT_EQ(first.ask({.name = "mail.example.com"}).answer, kMail);
    session = SSL_get1_session(first.session());
  }
  Client second(tls(), session);
  EXPECT_EQ(second.ask({.name = "mail.example.com"}).answer, kMail);
  EXPECT_EQ(SSL_session_reused(second.session()), 1);
  SSL_SESSION_free(session);
}

TEST_F(TlsTest, AReloadTakesTheNewCertificate) {
  start();
  Client before(tls());
  EXPECT_EQ(before.certificate(), 7);
  make_certificate(8);
  ASSERT_TRUE(server_->reload(options_, three_sites()));
  EXPECT_EQ(Client(tls()).certificate(), 8);
  EXPECT_EQ(before.ask({.name = "mail.example.com"}).answer, kMail) << "goes on as it was";
  std::ofstream(options_.tls_key) << "no key";
  EXPECT_FALSE(server_->reload(options_, three_sites()));
  EXPECT_EQ(Client(tls()).certificate(), 8);
}

TEST_F(TlsTest, RefusesOldProtocols) {  // RFC 8996
  start();
  EXPECT_FALSE(Client(tls(), nullptr, TLS1_1_VERSION).is_connected());
  EXPECT_TRUE(Client(tls(), nullptr, TLS1_2_VERSION).is_connected());
}

TEST_F(TlsTest, ClosesHandshakesThatStall) {
  options_.tcp_idle = Millis(20);
  start();
  EXPECT_EQ(Client(tls()).ask({.name = "mail.example.com"}).answer, kMail);
  EXPECT_EQ(failed(), "0");
  const Fd socket = connect_to(tls());
  ASSERT_EQ(send(socket.get(), "\x16\x03\x01", 3, 0), 3);
  char octet = 0;
  EXPECT_EQ(recv(socket.get(), &octet, 1, 0), 0);
  EXPECT_EQ(failed(), "1");
}

TEST_F(TlsTest, ClientsThatLeaveEarlyHinderNobody) {
  start();
  for (int i = 0; i < 20; ++i) {
    const Fd raw = connect_to(tls());
    if (i % 2 == 0) send(raw.get(), "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL);
    Client client(tls());
    client.send(framed({.name = "mail.example.com"}));  // and leaves without hearing
  }
  EXPECT_EQ(Client(tls()).ask({.name = "mail.example.com"}).answer, kMail);
}

TEST_F(TlsTest, AClientHasSoManyConnectionsAndNoMore) {
  options_.tcp_per_client = 2;
  start();
  Client first(tls());
  auto second = std::make_unique<Client>(tls());
  EXPECT_TRUE(first.is_connected() && second->is_connected());
  const Fd third = connect_to(plain());
  char octet = 0;
  EXPECT_LE(recv(third.get(), &octet, 1, 0), 0);
  EXPECT_EQ(first.ask({.name = "mail.example.com"}).answer, kMail);
}

}  // namespace
}  // namespace isochrone::dns::testing
