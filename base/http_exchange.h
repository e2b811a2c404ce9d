// SPDX-License-Identifier: Apache-2.0
//
// HttpExchange: one request of an HttpServer, from its first line to the last byte of its answer; and
// what all of a server's exchanges share.
//
// Threads: an exchange is of its connection's own thread, but for what HttpLine says of others.
#pragma once

#include <microhttpd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/bell.h"
#include "base/guarded.h"
#include "base/http_connections.h"
#include "base/http_pending.h"
#include "base/http_server.h"
#include "base/http_streams.h"

namespace isochrone {

enum class HttpRefusal : std::uint8_t { method, target, headers, body_size, stopping };
constexpr std::array<std::string_view, 5> kHttpRefusals{"method", "target", "headers", "body_size",
                                                        "stopping"};
using AtomicCount = std::atomic<std::uint64_t>;  // several threads raise it, so no Counter

// What all exchanges of one server share.
struct HttpCore {
  struct Open {
    bool is_stopping = false;
    std::unordered_set<std::shared_ptr<Pending>> pending;
  };

  // Takes part in stopping; false when that has begun.
  bool enlist(const std::shared_ptr<Pending>& added);
  HttpResponse refuse(HttpRefusal why, int status, std::string_view error,
                      std::string_view hint = {});

  const HttpServer::Limits limits;
  const HttpServer::Handler handler;

  HttpStreamer streamer{limits.max_stream_backlog_bytes, limits.idle};
  Guarded<Open> open{};
  Bell completed{};
  std::atomic<std::int64_t> exchanges{0};
  std::array<AtomicCount, 6> by_class{};  // index: status / 100
  std::array<AtomicCount, kHttpRefusals.size()> refused{};
};

// One request, from its first line to the last byte of its answer.
class HttpExchange final : public HttpLine {
 public:
  HttpExchange(HttpCore& server, MHD_Connection* connection, std::string target)
      : server_(server), connection_(connection), target_(std::move(target)) {
    server_.exchanges.fetch_add(1);
    line().begin();
  }
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  MHD_Result proceed(const char* method, const char* data, std::size_t& size);

  void suspend() override { MHD_suspend_connection(connection_); }
  void resume() override { MHD_resume_connection(connection_); }
  bool peer_waits() const override;
  void cut() override { ::shutdown(socket(), SHUT_RDWR); }
  void end_sending() override { line().end_sending(); }
  int descriptor() const override { return socket(); }
  long send(std::string_view bytes) override { return line().send(bytes); }

 private:
  enum class Phase { head, body, owed };

  int socket() const;
  HttpConnection& line() const;
  std::optional<HttpResponse> read_head(std::string_view method);
  std::optional<HttpResponse> read_headers();
  MHD_Result read_body(const char* data, std::size_t& size);
  MHD_Result finish();
  MHD_Result promise(const std::function<void(std::shared_ptr<HttpReplyLater>)>& later);
  MHD_Result queue(HttpResponse response);
  MHD_Result begin_stream(HttpResponse response);

  HttpCore& server_;
  MHD_Connection* connection_;
  std::string target_;
  Phase phase_ = Phase::head;
  bool is_head_request_ = false;
  std::size_t received_bytes_ = 0;
  HttpRequest request_;
  std::string response_body_;  // what the library sends from
  std::shared_ptr<PendingReply> reply_;
  std::shared_ptr<PendingStream> stream_;
};

}  // namespace isochrone
