// SPDX-License-Identifier: Apache-2.0
//
// HttpServer: requests in, responses out, over libmicrohttpd. Knows no domain.
//
// Threads:  handlers run on the server's own threads, several at once; they must not block. A
// response
//           is complete, or promised (`later`: a long poll), or a stream fed by any thread.
// Limits:   body, connections in all and of one client, time for a request to arrive, backlog of a slow
//           reader, idle time; a refusal of ours is a JSON reason and a counter. What is not HTTP at
//           all is answered and cut off by libmicrohttpd.
// Methods:  GET, HEAD and POST; HEAD reaches the handler as GET and its body is not sent. OPTIONS
// and
//           other methods are answered here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/http_tls.h"
#include "base/ip.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone {

struct HttpRequest {
  std::string method;                        // "GET" or "POST"; "OPTIONS" where the limits say so
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded; of repeated keys the first
  // Names in lower case; of repeated names the first, but of x-forwarded-for all, in their order:
  // the last one is who the proxy in front of us saw.
  std::map<std::string, std::string> headers;
  std::string body;
  Address peer;
  bool is_certified =
      false;  // the client has shown a certificate that the server's HttpTls believes
};

struct HttpResponse;

// The far end of a response that is written bit by bit: Server-Sent Events.
// Any thread. Dropping the last handle closes the stream.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // Sends or queues bytes, which many streams may share; false when the client has gone or is too slow
  // (it is then cut off).
  virtual bool write(std::shared_ptr<const std::string> bytes) = 0;
  bool write(std::string bytes) {
    return write(std::make_shared<const std::string>(std::move(bytes)));
  }
  // Whether all that was written is on its way.
  virtual bool has_room() const = 0;
  virtual void close() = 0;  // once what is queued has been sent
  virtual bool is_open() const = 0;
};

// A response owed: a long poll. Any thread. Dropping the last handle unanswered answers 500.
class HttpReplyLater {
 public:
  virtual ~HttpReplyLater() = default;
  // Answers once with a complete response or a stream; false when the client has gone, the server
  // is stopping or an answer was given before.
  virtual bool reply(HttpResponse response) = 0;
  // Whether the client still waits: asks its socket, so one system call.
  virtual bool is_open() const = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;
  // When set, `body` is sent first and the stream is handed over before the handler's thread goes
  // on.
  std::function<void(std::shared_ptr<HttpStream>)> stream;
  // When set, nothing else of this response counts: the real one is given to the handle.
  std::function<void(std::shared_ptr<HttpReplyLater>)> later;
};

// {"error": "...", "hint": "..."} with the given status.
HttpResponse http_error(int status, std::string_view error, std::string_view hint = {});

class HttpServer {
 public:
  struct Limits {
    std::size_t max_body_bytes = 8 << 20;
    unsigned max_connections = 1'000;
    unsigned max_per_client = 0;  // of one address, in IPv6 of one /64; 0: any
    Millis request{30'000};       // for a request to arrive, however its bytes trickle
    std::size_t max_stream_backlog_bytes = 4 << 20;  // per slow reader, then it is cut off
    Seconds idle{60};  // without a byte moving; does not end a long poll or a quiet stream
    unsigned threads = 2;
    bool takes_options = false;  // OPTIONS reach the handler too, as browsers ask before they post
  };
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Port 0 takes a free one: see port(). With `listener` its connections are taken, and `listen`
  // only says where that is. Plain HTTP when `tls` is empty.
  static Result<std::unique_ptr<HttpServer>> start(const Endpoint& listen, const Limits& limits,
                                                   Handler handler, Fd listener = {},
                                                   const HttpTls& tls = {});
  ~HttpServer();  // stops

  // Answers what is owed with 503, closes every stream, lets both reach their clients for up to one
  // second, and waits for handlers in progress. What was counted can still be measured.
  void stop();

  // What connections after this are shown, and believe. Not from TLS to plain HTTP, or back.
  Result<void> set_tls(const HttpTls& tls);

  std::uint16_t port() const;
  void measure(Metrics& metrics) const;

 private:
  HttpServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone
