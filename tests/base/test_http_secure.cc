// SPDX-License-Identifier: Apache-2.0
//
// TLS between HttpServer and HttpClient, and the limits on connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <optional>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/sha256.h"
#include "tests/support/authority.h"
#include "tests/support/daemon.h"

namespace isochrone {
namespace {

using ::testing::HasSubstr;

// Long enough that reaching it means a hang, on the slowest machine under a sanitizer.
constexpr Millis kPatience{30'000};

class SecureHttp : public ::testing::Test {
 protected:
  SecureHttp() {
    std::string pattern = (std::filesystem::temp_directory_path() / "isochrone-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ca_.emplace(folder_);
    ca_->issue("server");
  }
  ~SecureHttp() override {
    client_.reset();
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  HttpTls tls(const std::string& name, const std::string& client_ca = {}) const {
    return {ca_->text(name + ".pem"), ca_->text(name + ".key"),
            client_ca.empty() ? "" : ca_->text(client_ca)};
  }
  // Answers with whether the client is certified, and what it shows as its token.
  void serve(const HttpTls& tls, HttpServer::Limits limits = {}) {
    auto started = HttpServer::start(
        Endpoint::parse("127.0.0.1@0").value(), limits,
        [](const HttpRequest& request) {
          HttpResponse response;
          const auto token = request.headers.find("authorization");
          response.body = (request.is_certified ? "certified " : "anybody ") +
                          (token == request.headers.end() ? "" : token->second);
          if (response.body.ends_with("wrong")) response.status = 401;
          return response;
        },
        {}, tls);
    ASSERT_TRUE(started) << started.error().text();
    server_ = std::move(*started);
  }
  HttpAccess access(const char* scheme = "https") const {
    HttpAccess made(std::string(scheme) + "://127.0.0.1:" + std::to_string(server_->port()));
    made.authorities = ca_->certificate();
    return made;
  }
  static std::string ask(HttpClient& client) {
    const auto reply = client.get("/", kPatience);
    return reply ? reply->body : "failed: " + reply.error().text();
  }
  static std::string ask(const HttpAccess& access) {
    HttpClient client(access);
    return ask(client);
  }
  std::string metrics() const {
    Metrics metrics;
    server_->measure(metrics);
    return metrics.text();
  }
  void write(const std::string& name, const std::string& text, unsigned mode) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    ::chmod((folder_ / name).c_str(), mode);
  }

  std::filesystem::path folder_;
  std::optional<test::Authority> ca_;
  std::unique_ptr<HttpServer> server_;
  std::optional<HttpClient> client_;
};

TEST_F(SecureHttp, ServesWhomItsAuthorityVouchesFor) {
  serve(tls("server"));
  EXPECT_EQ(ask(access()), "anybody ");
  HttpAccess other = access();
  other.authorities = test::Authority(folder_, "other").certificate();
  EXPECT_THAT(ask(other), HasSubstr("certificate"));
  EXPECT_THAT(ask(access("http")), HasSubstr("failed"));
  other.trust = HttpTrust::own;
  EXPECT_EQ(ask(other), "anybody ");
  other.trust = HttpTrust::exactly;
  EXPECT_THAT(ask(other), HasSubstr("failed"));
  other.authorities = folder_ / "server.pem";
  EXPECT_EQ(ask(other), "anybody ");
}

TEST_F(SecureHttp, CountsHandshakesThatFail) {
  serve(tls("server"));
  const auto failed = [&](int count) {
    return test::eventually([&] {
      return metrics().find("isochrone_http_connections_refused_total{reason=\"tls_handshake\"} " +
                            std::to_string(count) + "\n") != std::string::npos;
    });
  };
  EXPECT_EQ(ask(access()), "anybody ");
  EXPECT_TRUE(failed(0));
  EXPECT_THAT(ask(access("http")), HasSubstr("failed"));
  EXPECT_TRUE(failed(1)) << metrics();
  HttpAccess other = access();
  other.authorities = test::Authority(folder_, "other").certificate();
  EXPECT_THAT(ask(other), HasSubstr("certificate"));
  EXPECT_TRUE(failed(2)) << metrics();
}

TEST_F(SecureHttp, CarriesBodiesAndManyRequests) {
  serve(tls("server"));
  HttpClient client(access());
  for (int i = 0; i < 20; ++i) {
    const auto reply = client.post("/", "text/plain", std::string(300'000, 'x'), kPatience);
    ASSERT_TRUE(reply) << reply.error().text();
    EXPECT_EQ(reply->status, 200);
  }
}

TEST_F(SecureHttp, KnowsClientsByTheirCertificates) {
  ca_->issue("node");
  test::Authority stranger(folder_, "stranger");
  stranger.issue("spy");
  serve(tls("server", "ca.pem"));
  HttpAccess node = access();
  EXPECT_EQ(ask(node), "anybody ") << "a client without one is told so in HTTP";
  node.certificate = folder_ / "node.pem";
  node.key = folder_ / "node.key";
  HttpClient client(node);
  EXPECT_EQ(ask(client), "certified ");
  EXPECT_EQ(ask(client), "certified ") << "and on the same connection again";
  node.certificate = folder_ / "spy.pem";
  node.key = folder_ / "spy.key";
  EXPECT_EQ(ask(node), "anybody ");
}

TEST_F(SecureHttp, ShowsNewCertificatesToNewConnections) {
  serve(tls("server"));
  HttpClient before(access());
  EXPECT_EQ(ask(before), "anybody ");
  test::Authority next(folder_, "next");
  next.issue("successor");
  ASSERT_TRUE(server_->set_tls(tls("successor")));
  EXPECT_EQ(ask(before), "anybody ") << "a connection goes on with what it was shown";
  EXPECT_THAT(ask(access()), HasSubstr("failed"));
  HttpAccess after = access();
  after.authorities = next.certificate();
  EXPECT_EQ(ask(after), "anybody ");
  // A key that is not the certificate's changes nothing.
  EXPECT_FALSE(server_->set_tls({ca_->text("successor.pem"), ca_->text("server.key"), ""}));
  EXPECT_EQ(ask(after), "anybody ");
}

TEST_F(SecureHttp, StreamsAndAnswersLaterOverTls) {
  Guarded<std::shared_ptr<HttpStream>> kept;
  Guarded<std::shared_ptr<HttpReplyLater>> owed;
  auto started = HttpServer::start(
      Endpoint::parse("127.0.0.1@0").value(), {},
      [&](const HttpRequest& request) {
        HttpResponse response;
        if (request.path == "/stream") {
          response.stream = [&](std::shared_ptr<HttpStream> stream) {
            kept.with([&](auto& mine) { mine = std::move(stream); });
          };
        } else if (request.path == "/later") {
          response.later = [&](std::shared_ptr<HttpReplyLater> reply) {
            owed.with([&](auto& mine) { mine = std::move(reply); });
          };
        } else {
          auto stream = kept.with([](auto& mine) { return std::exchange(mine, nullptr); });
          if (stream) {
            stream->write("one ");
            stream->write("two");
            stream->close();
          }
          auto reply = owed.with([](auto& mine) { return std::exchange(mine, nullptr); });
          if (reply) {
            HttpResponse answer;
            answer.body = "answered";
            reply->reply(std::move(answer));
          }
          response.body = stream || reply ? "done" : "not yet";
        }
        return response;
      },
      {}, tls("server"));
  ASSERT_TRUE(started) << started.error().text();
  server_ = std::move(*started);
  for (const auto& [path, body] :
       {std::pair("/stream", "one two"), std::pair("/later", "answered")}) {
    std::thread finish([&] {
      HttpClient other(access());
      while (true) {
        const auto reply = other.get("/finish", kPatience);
        if (!reply || reply->body == "done") return;
      }
    });
    HttpClient client(access());
    const auto reply = client.get(path, kPatience);
    finish.join();
    ASSERT_TRUE(reply) << reply.error().text();
    EXPECT_EQ(reply->body, body);
  }
}

TEST_F(SecureHttp, ShowsTheTokenOfAFileThatOnlyItsOwnerReads) {
  serve({});
  HttpAccess node = access("http");
  node.token_file = folder_ / "token";
  EXPECT_THAT(ask(node), HasSubstr("cannot open"));
  write("token", "secret\n", 0644);
  EXPECT_THAT(ask(node), HasSubstr("can be read by others"));
  write("token", "two\nlines\n", 0600);
  EXPECT_THAT(ask(node), HasSubstr("one token"));
  write("token", "wrong\n", 0600);
  HttpClient client(node);
  EXPECT_EQ(ask(client), "anybody Bearer wrong");
  write("token", "right\n", 0600);
  EXPECT_EQ(ask(client), "anybody Bearer right") << "the file is read again after a 401";
  write("token", "later\n", 0600);
  EXPECT_EQ(ask(client), "anybody Bearer right") << "and only then";
}

Fd connect_to(std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{kPatience.count() / 1'000, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_storage to{};
  const unsigned length = Endpoint{Address::v4(127, 0, 0, 1), port}.to_sockaddr(to);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length), 0);
  return fd;
}

// Whether the server closes; false when it says something instead, or nothing at all.
bool is_closed(const Fd& fd) {
  char byte = 0;
  const ssize_t count = ::recv(fd.get(), &byte, 1, 0);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

TEST_F(SecureHttp, ClosesTheConnectionsOfAClientThatHasTooMany) {
  HttpServer::Limits limits;
  limits.max_per_client = 2;
  serve({}, limits);
  HttpClient first(access("http"));
  EXPECT_EQ(ask(first), "anybody ");
  {
    const Fd second = connect_to(server_->port());
    const Fd third = connect_to(server_->port());
    EXPECT_TRUE(is_closed(third));
    EXPECT_EQ(ask(first), "anybody ");
    EXPECT_THAT(metrics(),
                HasSubstr("isochrone_http_connections_refused_total{reason=\"client\"} 1"));
  }
  // The second has gone, which the server learns a moment later.
  EXPECT_TRUE(test::eventually([&] { return ask(access("http")) == "anybody "; }));
}

TEST_F(SecureHttp, CutsRequestsThatTrickle) {
  HttpServer::Limits limits;
  limits.request = Millis(200);
  serve({}, limits);
  // A byte every now and then keeps a connection from being idle, and is no help.
  const Fd head = connect_to(server_->port());
  const Fd body = connect_to(server_->port());
  const std::string_view begun = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: ";
  const std::string_view posted = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
  ASSERT_GT(::send(head.get(), begun.data(), begun.size(), MSG_NOSIGNAL), 0);
  ASSERT_GT(::send(body.get(), posted.data(), posted.size(), MSG_NOSIGNAL), 0);
  for (const Fd* fd : {&head, &body}) {
    char byte = 'x';
    while (::recv(fd->get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
      ::send(fd->get(), "x", 1, MSG_NOSIGNAL);
      std::this_thread::sleep_for(Millis(20));
    }
  }
  EXPECT_THAT(metrics(),
              HasSubstr("isochrone_http_connections_refused_total{reason=\"deadline\"} 2"));
}

TEST_F(SecureHttp, WaitsForAnswersWithoutADeadline) {
  HttpServer::Limits limits;
  limits.request = Millis(100);
  Guarded<std::shared_ptr<HttpReplyLater>> owed;
  auto started =
      HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), limits, [&](const HttpRequest&) {
        HttpResponse response;
        response.later = [&](std::shared_ptr<HttpReplyLater> reply) {
          owed.with([&](auto& mine) { mine = std::move(reply); });
        };
        return response;
      });
  ASSERT_TRUE(started);
  server_ = std::move(*started);
  const Fd fd = connect_to(server_->port());
  const std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_GT(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  // Two others are cut by the deadline meanwhile, one after the other: so much time has gone by.
  for (int i = 0; i < 2; ++i) {
    const Fd late = connect_to(server_->port());
    ASSERT_GT(::send(late.get(), "GET / HTTP/1.1\r\nX", 17, MSG_NOSIGNAL), 0);
    EXPECT_TRUE(is_closed(late));
  }
  auto reply = owed.with([](auto& mine) { return std::exchange(mine, nullptr); });
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->reply({}));
  char byte = 0;
  EXPECT_EQ(::recv(fd.get(), &byte, 1, 0), 1);
}

TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_from_hex(to_hex(sha256("abc"))), sha256("abc"));
  EXPECT_EQ(sha256_from_hex("ba"), std::nullopt);
  EXPECT_EQ(sha256_from_hex(std::string(64, 'g')), std::nullopt);
  EXPECT_FALSE(is_same_digest(sha256("a"), sha256("b")));
}

}  // namespace
}  // namespace isochrone
