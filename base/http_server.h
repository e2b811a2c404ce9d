// SPDX-License-Identifier: Apache-2.0
//
// HttpServer: requests in, responses out, over libmicrohttpd. Knows no domain.
//
// Threads:  handlers run on the server's own threads, several at once; they must not block on a
//           client. A response may be complete or a stream that is fed later by any thread.
// Limits:   body, connections, per-connection idle time; each refusal is a JSON reason and a counter.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"

namespace isochrone {

struct HttpRequest {
  std::string method;
  std::string path;                           // decoded, without the query
  std::map<std::string, std::string> query;   // decoded; of repeated keys the first
  std::map<std::string, std::string> headers; // names in lower case
  std::string body;
  Address peer;
};

// The far end of a response that is written bit by bit: Server-Sent Events, long polls.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // Queues bytes; false when the client has gone or is too slow (it is then cut off).
  virtual bool write(std::string bytes) = 0;
  virtual void close() = 0;
  virtual bool is_open() const = 0;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;
  // When set, `body` is sent first and the stream is handed over once the client listens.
  std::function<void(std::shared_ptr<HttpStream>)> stream;
};

// {"error": "...", "hint": "..."} with the given status.
HttpResponse http_error(int status, std::string_view error, std::string_view hint = {});

class HttpServer {
 public:
  struct Limits {
    std::size_t max_body_bytes = 8 << 20;
    unsigned max_connections = 1'000;
    std::size_t max_stream_backlog_bytes = 4 << 20;  // per slow reader, then it is cut off
    Seconds idle{60};
    unsigned threads = 2;
  };
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Port 0 takes a free one: see port().
  static Result<std::unique_ptr<HttpServer>> start(const Endpoint& listen, const Limits& limits,
                                                   Handler handler);
  // Ends every stream and waits for handlers in progress.
  ~HttpServer();

  std::uint16_t port() const;
  void measure(Metrics& metrics) const;

 private:
  HttpServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isochrone
