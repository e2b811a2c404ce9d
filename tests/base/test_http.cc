// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include "base/bell.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/http_text.h"
#include "base/listening.h"

namespace isochrone {
namespace {

using ::testing::HasSubstr;

// Long enough that reaching it means a hang, on the slowest machine under a sanitizer.
constexpr Millis kPatience{20'000};

// A server on a free port of the loopback, and a client of it.
class Http : public ::testing::Test {
 protected:
  void serve(HttpServer::Handler handler, HttpServer::Limits limits = {}) {
    auto started =
        HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), limits, std::move(handler));
    ASSERT_TRUE(started) << started.error().text();
    server_ = std::move(*started);
    client_.emplace(url());
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  HttpReply get(std::string_view path) { return client_->get(path, kPatience).value(); }
  HttpReply post(std::string_view body) {
    return client_->post("/", "text/plain", body, kPatience).value();
  }
  std::string metrics() const {
    Metrics metrics;
    server_->measure(metrics);
    return metrics.text();
  }

  std::unique_ptr<HttpServer> server_;
  std::optional<HttpClient> client_;
};

// A TCP connection that sends what it is told and reads until the server closes.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage to{};
    const Endpoint endpoint{Address::v4(127, 0, 0, 1), port};
    const unsigned length = endpoint.to_sockaddr(to);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), length), 0);
  }
  void send(std::string_view text) {
    EXPECT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Reads until `text` has come, or the server has closed.
  std::string read_until(std::string_view text) {
    std::array<char, 4096> chunk{};
    while (text.empty() || read_.find(text) == std::string::npos) {
      const ssize_t count = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
      if (count <= 0) break;
      read_.append(chunk.data(), static_cast<std::size_t>(count));
    }
    return read_;
  }
  std::string read_all() { return read_until(""); }
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::string read_;
};

HttpResponse text_response(std::string body) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

TEST_F(Http, TheHandlerSeesTheWholeRequest) {
  HttpRequest seen;
  serve([&](const HttpRequest& request) {
    seen = request;
    return text_response("done");
  });
  const std::string_view body("body\0bytes", 10);
  const auto reply = client_->post("/a%20b/c?x=1%2F2&y=&x=3&z=a+b", "text/x-test", body, kPatience);
  ASSERT_TRUE(reply) << reply.error().text();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/a b/c");
  EXPECT_EQ(seen.query,
            (std::map<std::string, std::string>{{"x", "1/2"}, {"y", ""}, {"z", "a b"}}));
  EXPECT_EQ(seen.headers.at("content-type"), "text/x-test");
  EXPECT_EQ(seen.body, body);
  EXPECT_EQ(seen.peer, Address::v4(127, 0, 0, 1));
}

TEST_F(Http, TheClientSeesTheWholeResponse) {
  serve([](const HttpRequest&) {
    auto response = text_response("short and stout");
    response.status = 418;
    response.headers.emplace("X-Kettle", "on");
    return response;
  });
  const HttpReply reply = get("/");
  EXPECT_EQ(reply.status, 418);
  EXPECT_EQ(reply.body, "short and stout");
  EXPECT_EQ(reply.content_type, "text/plain");
  EXPECT_EQ(reply.header("x-kettle"), "on");
  EXPECT_EQ(reply.header("x-pot"), "");
}

TEST_F(Http, ABodyOfMegabytesGoesBothWays) {
  serve([](const HttpRequest& request) { return text_response(request.body); });
  const std::string body(5'000'000, 'x');
  EXPECT_EQ(post(body).body, body);
}

TEST_F(Http, OneConnectionCarriesManyRequests) {
  serve([](const HttpRequest& request) { return text_response(request.path); });
  RawConnection raw(server_->port());
  raw.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  raw.read_until("/1");
  raw.send("GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(raw.read_all(), ::testing::EndsWith("/2"));
}

TEST_F(Http, HeadHasTheHeadersOfGetAndNoBody) {
  serve([](const HttpRequest& request) { return text_response(request.method); });
  RawConnection raw(server_->port());
  raw.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string reply = raw.read_all();
  EXPECT_THAT(reply, HasSubstr("Content-Length: 3"));
  EXPECT_THAT(reply, ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(Http, HeadOfALongPollIsAnsweredAtOnce) {
  serve([](const HttpRequest&) {
    HttpResponse response;
    response.later = [](const std::shared_ptr<HttpReplyLater>&) { FAIL(); };
    return response;
  });
  RawConnection raw(server_->port());
  raw.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("200 OK"));
}

struct Refused {
  std::string request;
  std::string status;
  std::string text;
};

TEST_F(Http, WhatIsNotARequestForUsIsRefusedAndTheConnectionClosed) {
  HttpServer::Limits limits;
  limits.max_body_bytes = 10;
  serve([](const HttpRequest&) { return text_response("handled"); }, limits);
  const std::string host = " HTTP/1.1\r\nHost: a\r\n";
  const std::vector<Refused> table{
      {"DELETE /" + host + "\r\n", "405", "Allow: GET, HEAD, OPTIONS, POST"},
      {"BREW /" + host + "\r\n", "405", "use GET, HEAD or POST"},
      {"GET /%zz" + host + "\r\n", "400", "not well-formed"},
      {"GET /%00" + host + "\r\n", "400", "not well-formed"},
      {"GET /?a=%0" + host + "\r\n", "400", "not well-formed"},
      {"POST /" + host + "Content-Length: 11\r\n\r\n", "413", "send at most 10 bytes"},
      {"POST /" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "400", ""},
      {"POST /" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400", ""},
      {"POST /" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", "400", ""},
      {"POST /" + host + "Content-Length: -5\r\n\r\n", "4", ""},
      {"POST /" + host +
           "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n",
       "413", "send at most 10 bytes"},
  };
  for (const Refused& row : table) {
    RawConnection raw(server_->port());
    raw.send(row.request);
    const std::string reply = raw.read_all();
    EXPECT_THAT(reply, ::testing::StartsWith("HTTP/1.1 " + row.status)) << row.request;
    EXPECT_THAT(reply, HasSubstr(row.text)) << row.request;
    EXPECT_THAT(reply, ::testing::Not(HasSubstr("handled"))) << row.request;
  }
  EXPECT_THAT(metrics(), HasSubstr("isochrone_http_refused_total{reason=\"method\"} 2"));
  EXPECT_THAT(metrics(), HasSubstr("isochrone_http_refused_total{reason=\"target\"} 3"));
  EXPECT_THAT(metrics(), HasSubstr("isochrone_http_refused_total{reason=\"body_size\"} 2"));
}

TEST_F(Http, ABodyMuchLargerThanItsLimitIsCutOff) {
  HttpServer::Limits limits;
  limits.max_body_bytes = 1'000;
  serve([](const HttpRequest&) { return text_response("handled"); }, limits);
  RawConnection raw(server_->port());
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" +
           std::string(5'000, 'x'));
  EXPECT_THAT(raw.read_all(), ::testing::Not(HasSubstr("handled")));
}

TEST_F(Http, OptionsNamesTheMethods) {
  serve([](const HttpRequest&) { return text_response("handled"); });
  RawConnection raw(server_->port());
  raw.send("OPTIONS /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string reply = raw.read_all();
  EXPECT_THAT(reply, ::testing::StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(reply, HasSubstr("Allow: GET, HEAD, OPTIONS, POST"));
}

TEST_F(Http, AResponseMayComeLaterFromAnotherThread) {
  std::thread other;
  serve([&](const HttpRequest&) {
    HttpResponse response;
    response.later = [&](std::shared_ptr<HttpReplyLater> owed) {
      other = std::thread([owed = std::move(owed)] {
        EXPECT_TRUE(owed->is_open());
        EXPECT_TRUE(owed->reply(text_response("at last")));
        EXPECT_FALSE(owed->reply(text_response("twice")));
        EXPECT_FALSE(owed->is_open());
      });
    };
    return response;
  });
  EXPECT_EQ(get("/").body, "at last");
  other.join();
}

TEST_F(Http, ManyLongPollsWaitOnTwoThreads) {
  constexpr int kPolls = 50;
  Guarded<std::vector<std::shared_ptr<HttpReplyLater>>> owed;
  Bell all_wait;
  serve([&](const HttpRequest&) {
    HttpResponse response;
    response.later = [&](std::shared_ptr<HttpReplyLater> later) {
      const auto count = owed.with([&](auto& waiting) {
        waiting.push_back(std::move(later));
        return waiting.size();
      });
      if (count == kPolls) all_wait.ring();
    };
    return response;
  });
  std::vector<RawConnection> polls;
  for (int i = 0; i < kPolls; ++i) {
    polls.emplace_back(server_->port()).send("GET / HTTP/1.0\r\n\r\n");
  }
  ASSERT_TRUE(all_wait.wait(kPatience));
  for (const auto& later : owed.with([](auto& waiting) { return std::exchange(waiting, {}); })) {
    EXPECT_TRUE(later->reply(text_response("news")));
  }
  for (RawConnection& poll : polls) EXPECT_THAT(poll.read_all(), ::testing::EndsWith("news"));
}

TEST_F(Http, ALongPollKnowsWhenItsClientHasGone) {
  std::promise<std::shared_ptr<HttpReplyLater>> owed;
  serve([&](const HttpRequest&) {
    HttpResponse response;
    response.later = [&](std::shared_ptr<HttpReplyLater> later) {
      owed.set_value(std::move(later));
    };
    return response;
  });
  RawConnection raw(server_->port());
  raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto later = owed.get_future().get();
  EXPECT_TRUE(later->is_open());
  raw.close();
  // The loopback delivers the FIN before close() returns.
  EXPECT_FALSE(later->is_open());
  EXPECT_FALSE(later->reply(text_response("to nobody")));
}

TEST_F(Http, ALongPollThatIsForgottenAnswers500) {
  serve([](const HttpRequest&) {
    HttpResponse response;
    response.later = [](const std::shared_ptr<HttpReplyLater>&) {};
    return response;
  });
  const HttpReply reply = get("/");
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, HasSubstr("given up"));
}

TEST_F(Http, StoppingAnswersWhatIsOwed) {
  Bell waits;
  std::shared_ptr<HttpReplyLater> later;
  serve([&](const HttpRequest&) {
    HttpResponse response;
    response.later = [&](std::shared_ptr<HttpReplyLater> owed) {
      later = std::move(owed);
      waits.ring();
    };
    return response;
  });
  RawConnection raw(server_->port());
  raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(waits.wait(kPatience));
  server_.reset();
  EXPECT_THAT(raw.read_all(), ::testing::StartsWith("HTTP/1.1 503"));
  EXPECT_FALSE(later->is_open());
  EXPECT_FALSE(later->reply(text_response("too late")));
}

TEST_F(Http, AStreamArrivesAsItIsWritten) {
  std::promise<std::shared_ptr<HttpStream>> opened;
  serve([&](const HttpRequest&) {
    HttpResponse response = text_response("first;");
    response.stream = [&](std::shared_ptr<HttpStream> stream) {
      opened.set_value(std::move(stream));
    };
    return response;
  });
  RawConnection raw(server_->port());
  raw.send("GET / HTTP/1.0\r\n\r\n");
  raw.read_until("first;");
  const auto stream = opened.get_future().get();
  EXPECT_TRUE(stream->write("second;"));
  raw.read_until("second;");
  EXPECT_TRUE(stream->is_open());
  EXPECT_TRUE(stream->write("third;"));
  stream->close();
  EXPECT_THAT(raw.read_all(), ::testing::EndsWith("first;second;third;"));
  EXPECT_FALSE(stream->write("after the end"));
}

TEST_F(Http, AStreamMayBeTheLateAnswer) {
  serve([](const HttpRequest&) {
    HttpResponse response;
    response.later = [](const std::shared_ptr<HttpReplyLater>& owed) {
      HttpResponse late = text_response("a");
      late.stream = [](const std::shared_ptr<HttpStream>& stream) { stream->write("b"); };
      owed->reply(std::move(late));
    };
    return response;
  });
  EXPECT_EQ(get("/").body, "ab");
}

TEST_F(Http, AReaderThatDoesNotReadIsCutOff) {
  HttpServer::Limits limits;
  limits.max_stream_backlog_bytes = 100'000;
  std::promise<std::shared_ptr<HttpStream>> opened;
  serve(
      [&](const HttpRequest&) {
        HttpResponse response;
        response.stream = [&](std::shared_ptr<HttpStream> stream) {
          opened.set_value(std::move(stream));
        };
        return response;
      },
      limits);
  RawConnection raw(server_->port());
  raw.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto stream = opened.get_future().get();
  // Socket buffers take some megabytes at most; a thousand times 64 KiB fills any.
  int written = 0;
  while (written < 1'000 && stream->write(std::string(65'536, 'x'))) ++written;
  EXPECT_LT(written, 1'000);
  EXPECT_FALSE(stream->is_open());
  raw.read_all();  // returns: the connection is closed and not only starved
}

TEST_F(Http, StoppingEndsStreams) {
  std::promise<std::shared_ptr<HttpStream>> opened;
  serve([&](const HttpRequest&) {
    HttpResponse response = text_response("first;");
    response.stream = [&](std::shared_ptr<HttpStream> stream) {
      opened.set_value(std::move(stream));
    };
    return response;
  });
  RawConnection raw(server_->port());
  raw.send("GET / HTTP/1.0\r\n\r\n");
  const auto stream = opened.get_future().get();
  server_.reset();
  EXPECT_THAT(raw.read_all(), ::testing::EndsWith("first;"));
  EXPECT_FALSE(stream->write("more"));
}

TEST_F(Http, ConnectionsBeyondTheLimitWaitTheirTurn) {
  HttpServer::Limits limits;
  limits.max_connections = 1;
  limits.threads = 1;
  serve([](const HttpRequest&) { return text_response("served"); }, limits);
  RawConnection first(server_->port());
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  first.read_until("served");
  RawConnection second(server_->port());
  second.send("GET / HTTP/1.0\r\n\r\n");
  first.close();
  EXPECT_THAT(second.read_all(), ::testing::EndsWith("served"));
}

TEST_F(Http, CancelEndsATransferInProgress) {
  Bell waits;
  std::shared_ptr<HttpReplyLater> never;
  serve([&](const HttpRequest&) {
    HttpResponse response;
    response.later = [&](std::shared_ptr<HttpReplyLater> owed) {
      never = std::move(owed);
      waits.ring();
    };
    return response;
  });
  auto reply = std::async(std::launch::async, [&] { return client_->get("/", kPatience * 10); });
  ASSERT_TRUE(waits.wait(kPatience));
  client_->cancel();
  const auto result = reply.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::unavailable);
  EXPECT_THAT(result.error().text(), HasSubstr("cancelled"));
}

TEST(HttpClient, NobodyListeningIsUnavailable) {
  std::uint16_t port = 0;
  {
    const auto gone = HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), {},
                                        [](const HttpRequest&) { return HttpResponse(); });
    port = gone.value()->port();
  }
  HttpClient client("http://127.0.0.1:" + std::to_string(port));
  const auto reply = client.get("/", kPatience);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Errc::unavailable);
}

TEST(HttpClient, EscapesWhatIsNotUnreserved) {
  EXPECT_EQ(HttpClient::escape("2001:db8::/32 a~b"), "2001%3Adb8%3A%3A%2F32%20a~b");
}

TEST(HttpServer, AnAddressInUseIsAnErrorThatNamesIt) {
  const auto handler = [](const HttpRequest&) { return HttpResponse(); };
  const auto first = HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), {}, handler);
  const Endpoint taken{Address::v4(127, 0, 0, 1), first.value()->port()};
  const auto second = HttpServer::start(taken, {}, handler);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().text(), HasSubstr("cannot listen on " + taken.to_string()));
  EXPECT_THAT(second.error().text(), HasSubstr("in use"));
}

TEST_F(Http, AConnectionBeyondTheLimitWaitsForItsTurn) {
  serve([](const HttpRequest&) { return HttpResponse(); },
        [] {
          HttpServer::Limits limits;
          limits.max_connections = 2;
          return limits;
        }());
  constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  RawConnection first(server_->port());
  RawConnection second(server_->port());
  for (RawConnection* each : {&first, &second}) {
    each->send(kRequest);
    EXPECT_THAT(each->read_until("\r\n\r\n"), HasSubstr("200 OK"));
  }
  RawConnection third(server_->port());
  third.send(kRequest);
  first.close();
  EXPECT_THAT(third.read_until("\r\n\r\n"), HasSubstr("200 OK"));
}

TEST(HttpServer, LeavesTheConnectionsThatWaitToWhoeverHasTheSocketToo) {
  Fd listener = listen_tcp(Endpoint::parse("127.0.0.1@0").value()).value();
  const std::uint16_t port = bound_port(listener);
  const auto server_named = [](const std::string& name, Fd socket) {
    return HttpServer::start(
               {}, {},
               [name](const HttpRequest&) {
                 HttpResponse response;
                 response.body = name;
                 return response;
               },
               std::move(socket))
        .value();
  };
  const auto old_one = server_named("old", Fd(::dup(listener.get())));
  old_one->stop();
  RawConnection waiting(port);
  waiting.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto new_one = server_named("new", std::move(listener));
  EXPECT_THAT(waiting.read_all(), HasSubstr("new"));
}

// Stopping right after a request once ended the process: the library's threads and ours both took the
// listening socket out of its set.
TEST(HttpServer, CanBeStoppedAtAnyMoment) {
  for (int i = 0; i < 300; ++i) {
    auto server =
        HttpServer::start(Endpoint::parse("127.0.0.1@0").value(), {}, [](const HttpRequest&) {
          return HttpResponse();
        }).value();
    HttpClient client("http://127.0.0.1:" + std::to_string(server->port()));
    EXPECT_EQ(client.get("/", kPatience).value().status, 200);
    server.reset();
  }
}

TEST(HttpError, IsJsonWhateverItQuotes) {
  const auto response = http_error(400, "bad \"\xff\"", "");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, "{\"error\":\"bad \\\"\xef\xbf\xbd\\\"\"}\n");
  EXPECT_THAT(http_error(404, "no", "yes").body, HasSubstr(R"("hint":"yes")"));
}

TEST(HttpTarget, TakesApartWhatIsWellFormed) {
  const auto target = parse_http_target("/v1/a%2Fb+c?k&=v&&a=1=2").value();
  EXPECT_EQ(target.path, "/v1/a/b+c");
  EXPECT_EQ(target.query, (std::map<std::string, std::string>{{"k", ""}, {"", "v"}, {"a", "1=2"}}));
  EXPECT_TRUE(parse_http_target("/%41").has_value());
}

TEST(HttpTarget, RefusesTheRest) {
  for (const char* target :
       {"", "*", "v1", "http://a/", "/%", "/%4", "/%4g", "/%0a", "/%7F", "/?%"}) {
    EXPECT_FALSE(parse_http_target(target)) << target;
  }
}

}  // namespace
}  // namespace isochrone
