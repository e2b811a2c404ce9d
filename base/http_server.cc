// SPDX-License-Identifier: Apache-2.0
#include "base/http_server.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/bell.h"
#include "base/fd.h"
#include "base/guarded.h"
#include "base/http_pending.h"
#include "base/http_text.h"
#include "base/listening.h"
#include "base/text.h"

namespace isochrone {
namespace {

// How long stopping waits for answers to reach their clients.
constexpr Millis kFarewell{1'000};
// A body beyond its limit is read and dropped this many times over, so that an honest client sees
// the 413; after that the connection is cut.
constexpr std::size_t kPatience = 4;
constexpr std::string_view kAllow = "GET, HEAD, OPTIONS, POST";

enum class Refusal : std::uint8_t { method, target, headers, body_size, stopping };
constexpr std::array<std::string_view, 5> kRefusals{"method", "target", "headers", "body_size",
                                                    "stopping"};
using AtomicCount = std::atomic<std::uint64_t>;  // several threads raise it, so no Counter

}  // namespace

HttpResponse http_error(int status, std::string_view error, std::string_view hint) {
  nlohmann::ordered_json body{{"error", error}};
  if (!hint.empty()) body["hint"] = hint;
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

namespace {

// What all exchanges of one server share.
struct Core {
  struct Open {
    bool is_stopping = false;
    std::unordered_set<std::shared_ptr<Pending>> pending;
  };

  // Takes part in stopping; false when that has begun.
  bool enlist(const std::shared_ptr<Pending>& added);
  HttpResponse refuse(Refusal why, int status, std::string_view error, std::string_view hint = {});

  const HttpServer::Limits limits;
  const HttpServer::Handler handler;

  Guarded<Open> open{};
  Bell completed{};
  std::atomic<std::int64_t> exchanges{0};
  std::array<AtomicCount, 6> by_class{};  // index: status / 100
  std::array<AtomicCount, kRefusals.size()> refused{};
};

bool Core::enlist(const std::shared_ptr<Pending>& added) {
  return open.with([&](Open& now) {
    if (!now.is_stopping) now.pending.insert(added);
    return !now.is_stopping;
  });
}

HttpResponse Core::refuse(Refusal why, int status, std::string_view error, std::string_view hint) {
  refused[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  HttpResponse response = http_error(status, error, hint);
  response.headers.emplace("Connection", "close");  // what follows may not be a request
  return response;
}

// One request, from its first line to the last byte of its answer.
class Exchange final : public HttpLine {
 public:
  Exchange(Core& server, MHD_Connection* connection, std::string target)
      : server_(server), connection_(connection), target_(std::move(target)) {
    server_.exchanges.fetch_add(1);
  }
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  MHD_Result proceed(const char* method, const char* data, std::size_t& size);

  void suspend() override { MHD_suspend_connection(connection_); }
  void resume() override { MHD_resume_connection(connection_); }
  bool peer_waits() const override;
  void cut() override { ::shutdown(socket(), SHUT_RDWR); }

 private:
  enum class Phase { head, body, owed };

  int socket() const;
  std::optional<HttpResponse> read_head(std::string_view method);
  std::optional<HttpResponse> read_headers();
  MHD_Result read_body(const char* data, std::size_t& size);
  MHD_Result finish();
  MHD_Result promise(const std::function<void(std::shared_ptr<HttpReplyLater>)>& later);
  MHD_Result queue(HttpResponse response);
  static ssize_t read_stream(void* stream, std::uint64_t position, char* to, std::size_t size);

  Core& server_;
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

Exchange::~Exchange() {
  for (const std::shared_ptr<Pending>& pending :
       {std::shared_ptr<Pending>(reply_), std::shared_ptr<Pending>(stream_)}) {
    if (!pending) continue;
    pending->gone();
    server_.open.with([&](auto& open) { open.pending.erase(pending); });
  }
  server_.exchanges.fetch_sub(1);
  server_.completed.ring();
}

int Exchange::socket() const {
  return MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

bool Exchange::peer_waits() const {
  char byte = 0;
  const ssize_t status = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return status > 0 || (status < 0 && (errno == EAGAIN || errno == EINTR));
}

MHD_Result Exchange::proceed(const char* method, const char* data, std::size_t& size) {
  if (phase_ == Phase::head) {
    phase_ = Phase::body;
    auto refusal = read_head(method);
    return refusal ? queue(std::move(*refusal)) : MHD_YES;
  }
  if (phase_ == Phase::body) return size > 0 ? read_body(data, size) : finish();
  auto response = reply_->take();
  return response ? queue(std::move(*response)) : MHD_NO;
}

std::optional<HttpResponse> Exchange::read_head(std::string_view method) {
  is_head_request_ = method == "HEAD";
  request_.method = is_head_request_ ? "GET" : method;
  if (method == "OPTIONS") {
    HttpResponse allowed;
    allowed.status = 204;
    allowed.headers.emplace("Allow", kAllow);
    return allowed;
  }
  if (request_.method != "GET" && request_.method != "POST") {
    auto refusal = server_.refuse(Refusal::method, 405, "this method is not known here",
                                  "use GET, HEAD or POST");
    refusal.headers.emplace("Allow", kAllow);
    return refusal;
  }
  auto target = parse_http_target(target_);
  if (!target) {
    return server_.refuse(Refusal::target, 400, "the request target is not well-formed",
                          "it is a path with percent-encoding, then ?key=value&...");
  }
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  const auto* peer = MHD_get_connection_info(connection_, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (const auto address = Address::from_sockaddr(*peer->client_addr)) request_.peer = *address;
  return read_headers();
}

// Two headers that frame the body, or one twice, is how requests are smuggled past a proxy that
// reads the other one (RFC 9112 section 11.2).
std::optional<HttpResponse> Exchange::read_headers() {
  struct Read {
    std::map<std::string, std::string>* headers;
    int lengths = 0;
    int codings = 0;
  } read{&request_.headers};
  MHD_get_connection_values(
      connection_, MHD_HEADER_KIND,
      [](void* into, MHD_ValueKind, const char* name, const char* value) {
        auto& found = *static_cast<Read*>(into);
        const std::string lower = to_lower(std::string_view(name));
        found.lengths += lower == "content-length" ? 1 : 0;
        found.codings += lower == "transfer-encoding" ? 1 : 0;
        found.headers->try_emplace(lower, value == nullptr ? "" : value);
        return MHD_YES;
      },
      &read);
  const auto& headers = request_.headers;
  if (read.lengths + read.codings > 1 ||
      (read.codings == 1 && to_lower(headers.at("transfer-encoding")) != "chunked")) {
    return server_.refuse(Refusal::headers, 400, "the length of the body is ambiguous",
                          "send one Content-Length, or Transfer-Encoding: chunked");
  }
  if (read.lengths == 0) return std::nullopt;
  const auto length = parse_number<std::uint64_t>(headers.at("content-length"));
  if (length && *length <= server_.limits.max_body_bytes) return std::nullopt;
  return server_.refuse(Refusal::body_size, 413, "the body is too large",
                        "send at most " + std::to_string(server_.limits.max_body_bytes) + " bytes");
}

MHD_Result Exchange::read_body(const char* data, std::size_t& size) {
  received_bytes_ += size;
  if (received_bytes_ <= server_.limits.max_body_bytes) {
    request_.body.append(data, size);
  } else {
    request_.body = {};
    if (received_bytes_ / kPatience > server_.limits.max_body_bytes) return MHD_NO;
  }
  size = 0;
  return MHD_YES;
}

MHD_Result Exchange::finish() {
  if (received_bytes_ > server_.limits.max_body_bytes) {
    return queue(
        server_.refuse(Refusal::body_size, 413, "the body is too large",
                       "send at most " + std::to_string(server_.limits.max_body_bytes) + " bytes"));
  }
  if (server_.open.with([](const auto& open) { return open.is_stopping; })) {
    return queue(server_.refuse(Refusal::stopping, 503, "the server is stopping", "try again"));
  }
  HttpResponse response = server_.handler(request_);
  if (is_head_request_) {
    response.later = nullptr;
    response.stream = nullptr;
  }
  return response.later ? promise(response.later) : queue(std::move(response));
}

MHD_Result Exchange::promise(const std::function<void(std::shared_ptr<HttpReplyLater>)>& later) {
  phase_ = Phase::owed;
  reply_ = std::make_shared<PendingReply>(*this);
  if (!server_.enlist(reply_)) reply_->end();
  later(reply_->handle());
  return MHD_YES;
}

ssize_t Exchange::read_stream(void* stream, std::uint64_t, char* to, std::size_t size) {
  std::size_t moved = 0;
  switch (static_cast<PendingStream*>(stream)->read(to, size, moved)) {
    case PendingStream::Read::bytes:
      return static_cast<ssize_t>(moved);
    case PendingStream::Read::nothing_yet:
      return 0;
    case PendingStream::Read::finished:
      return MHD_CONTENT_READER_END_OF_STREAM;
    case PendingStream::Read::broken:
      break;
  }
  return MHD_CONTENT_READER_END_WITH_ERROR;
}

MHD_Result Exchange::queue(HttpResponse response) {
  if (response.stream) {
    stream_ = std::make_shared<PendingStream>(*this, std::move(response.body),
                                              server_.limits.max_stream_backlog_bytes);
    if (!server_.enlist(stream_)) {
      response = server_.refuse(Refusal::stopping, 503, "the server is stopping", "try again");
    }
  }
  response_body_ = std::move(response.body);
  // 16 KiB: an eighth of a socket's usual send buffer, so that a full one is met rarely.
  MHD_Response* made =
      response.stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, &read_stream,
                                                          stream_.get(), nullptr)
                      : MHD_create_response_from_buffer(
                            response_body_.size(), response_body_.data(), MHD_RESPMEM_PERSISTENT);
  if (made == nullptr) return MHD_NO;
  if (response.status != 204) {
    MHD_add_response_header(made, "Content-Type", response.content_type.c_str());
  }
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(made, name.c_str(), value.c_str());
  }
  const auto status = static_cast<unsigned>(response.status);
  const MHD_Result queued = MHD_queue_response(connection_, status, made);
  MHD_destroy_response(made);  // ours; the connection holds its own reference
  server_.by_class[status / 100 % 6].fetch_add(1, std::memory_order_relaxed);
  if (response.stream && queued == MHD_YES) response.stream(stream_->handle());
  return queued;
}

MHD_Result on_request(void*, MHD_Connection*, const char*, const char* method, const char*,
                      const char* data, std::size_t* size, void** exchange) {
  return static_cast<Exchange*>(*exchange)->proceed(method, data, *size);
}

void* on_target(void* server, const char* target, MHD_Connection* connection) {
  // The library keeps it until on_completed().
  return std::make_unique<Exchange>(*static_cast<Core*>(server), connection, target).release();
}

void on_completed(void*, MHD_Connection*, void** exchange, MHD_RequestTerminationCode) {
  const std::unique_ptr<Exchange> done(static_cast<Exchange*>(std::exchange(*exchange, nullptr)));
}

}  // namespace

struct HttpServer::Impl {
  Impl(const Limits& given, Handler answer) : core{given, std::move(answer)} {}
  Result<void> start(const Endpoint& listen, Fd listener);
  void stop();

  Core core;
  std::uint16_t port = 0;
  MHD_Daemon* daemon = nullptr;
};

Result<void> HttpServer::Impl::start(const Endpoint& listen, Fd listener) {
  Result<Fd> socket = listener ? Result<Fd>(std::move(listener)) : listen_tcp(listen);
  if (!socket) return tl::unexpected(socket.error());
  port = bound_port(*socket);
  // A pool of one is refused by the library: its one internal thread is that pool.
  const unsigned pool = core.limits.threads > 1 ? core.limits.threads : 0;
  const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
  daemon = MHD_start_daemon(
      flags, 0, nullptr, nullptr, &on_request, nullptr,                                //
      MHD_OPTION_LISTEN_SOCKET, socket->get(),                                         //
      MHD_OPTION_URI_LOG_CALLBACK, &on_target, &core,                                  //
      MHD_OPTION_NOTIFY_COMPLETED, &on_completed, nullptr,                             //
      MHD_OPTION_CONNECTION_LIMIT, core.limits.max_connections,                        //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(core.limits.idle.count()),  //
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_POOL_SIZE, pool, MHD_OPTION_END);
  if (daemon == nullptr) {
    return fail(Errc::io, "cannot start the HTTP server on " + listen.to_string());
  }
  socket->release();  // the daemon's now
  return {};
}

void HttpServer::Impl::stop() {
  if (daemon == nullptr) return;
  const auto pending = core.open.with([](Core::Open& now) {
    now.is_stopping = true;
    return now.pending;
  });
  for (const auto& owed : pending) owed->end();
  const Fd listening(MHD_quiesce_daemon(daemon));  // no new connections; ours to close again
  constexpr Millis kStep{50};
  for (Millis waited{0}; core.exchanges.load() > 0 && waited < kFarewell; waited += kStep) {
    core.completed.wait(kStep);
  }
  MHD_stop_daemon(std::exchange(daemon, nullptr));
}

HttpServer::HttpServer() = default;
HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Endpoint& listen, const Limits& limits,
                                                      Handler handler, Fd listener) {
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->impl_ = std::make_unique<Impl>(limits, std::move(handler));
  if (auto started = server->impl_->start(listen, std::move(listener)); !started) {
    return tl::unexpected(started.error());
  }
  return server;
}

void HttpServer::stop() { impl_->stop(); }

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::measure(Metrics& metrics) const {
  const Core& core = impl_->core;
  constexpr std::array<std::string_view, 6> kClasses{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 2; i < kClasses.size(); ++i) {
    metrics.counter("isochrone_http_responses_total", "HTTP responses by class of status",
                    static_cast<double>(core.by_class[i].load()), {{"class", kClasses[i]}});
  }
  for (std::size_t i = 0; i < kRefusals.size(); ++i) {
    metrics.counter("isochrone_http_refused_total", "HTTP requests refused before their handler",
                    static_cast<double>(core.refused[i].load()), {{"reason", kRefusals[i]}});
  }
  metrics.gauge("isochrone_http_exchanges", "HTTP requests being read or answered now",
                static_cast<double>(core.exchanges.load()));
}

}  // namespace isochrone
