// SPDX-License-Identifier: Apache-2.0
#include "base/http_server.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/acceptor.h"
#include "base/fd.h"
#include "base/http_connections.h"
#include "base/http_exchange.h"
#include "base/listening.h"

namespace isochrone {
namespace {

// How long stopping waits for answers to reach their clients.
constexpr Millis kFarewell{1'000};

MHD_Result on_request(void*, MHD_Connection*, const char*, const char* method, const char*,
                      const char* data, std::size_t* size, void** exchange) {
  return static_cast<HttpExchange*>(*exchange)->proceed(method, data, *size);
}

void* on_target(void* server, const char* target, MHD_Connection* connection) {
  // The library keeps it until on_completed().
  return std::make_unique<HttpExchange>(*static_cast<HttpCore*>(server), connection, target)
      .release();
}

void on_completed(void*, MHD_Connection*, void** exchange, MHD_RequestTerminationCode) {
  const std::unique_ptr<HttpExchange> done(
      static_cast<HttpExchange*>(std::exchange(*exchange, nullptr)));
}

Address address_of(const sockaddr* peer) {
  return Address::from_sockaddr(*peer).value_or(Address());
}

}  // namespace

HttpResponse http_error(int status, std::string_view error, std::string_view hint) {
  nlohmann::ordered_json body{{"error", error}};
  if (!hint.empty()) body["hint"] = hint;
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

struct HttpServer::Impl {
  Impl(const Limits& given, Handler answer)
      : core{given, std::move(answer)},
        connections(given.max_per_client, given.request, given.idle),
        acceptor(given.max_connections, [this](Fd connection, const void* peer, unsigned size) {
          return take(std::move(connection), peer, size);
        }) {}
  Result<void> start(const Endpoint& listen, Fd listener, const HttpTls& tls);
  Result<void> set_tls(const HttpTls& tls);
  bool take(Fd connection, const void* peer, unsigned peer_size);
  static void on_connection(void* server, MHD_Connection* handle, void** ours,
                            MHD_ConnectionNotificationCode what);
  void stop();

  HttpCore core;
  std::uint16_t port = 0;
  MHD_Daemon* daemon = nullptr;
  Guarded<std::shared_ptr<const HttpCredentials>> credentials;  // null: plain HTTP
  HttpConnections connections;
  // Not the library's own: told to listen no more (MHD_quiesce_daemon), it may abort the process, since
  // both of its threads take the socket out of its set.
  Acceptor acceptor;
};

void HttpServer::Impl::on_connection(void* server, MHD_Connection* handle, void** ours,
                                     MHD_ConnectionNotificationCode what) {
  auto& impl = *static_cast<Impl*>(server);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    impl.connections.close(static_cast<HttpConnection*>(*ours));
    impl.acceptor.left();
    return;
  }
  const auto* socket = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
  const auto* peer = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  HttpConnection* opened = impl.connections.open(socket->connect_fd, address_of(peer->client_addr));
  *ours = opened;
  const auto shown = impl.credentials.with([](const auto& current) { return current; });
  if (!shown) return;
  const auto* session = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  opened->use(shown, session->tls_session);
}

Result<void> HttpServer::Impl::set_tls(const HttpTls& tls) {
  if (tls.empty()) return {};
  auto made = HttpCredentials::make(tls);
  if (!made) return tl::unexpected(made.error());
  credentials.with([&](auto& current) { current = std::move(*made); });
  return {};
}

Result<void> HttpServer::Impl::start(const Endpoint& listen, Fd listener, const HttpTls& tls) {
  if (auto taken = set_tls(tls); !taken) return taken;
  Result<Fd> socket = listener ? Result<Fd>(std::move(listener)) : listen_tcp(listen);
  if (!socket) return tl::unexpected(socket.error());
  port = bound_port(*socket);
  // A pool of one is refused by the library: its one internal thread is that pool.
  const unsigned pool = core.limits.threads > 1 ? core.limits.threads : 0;
  // The acceptor counts; what it gives must never be refused, since nobody would tell. Each thread
  // counts the one that it says has gone a moment longer, and the library gives each its share.
  const unsigned never_reached = (core.limits.max_connections + 1) * std::max(pool, 1U);
  const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                         MHD_USE_NO_LISTEN_SOCKET | (tls.empty() ? 0U : unsigned{MHD_USE_TLS});
  // The library wants a certificate at its start; connections get theirs in on_connection().
  std::vector<MHD_OptionItem> secure;
  if (!tls.empty()) {
    secure = {{MHD_OPTION_HTTPS_MEM_KEY, 0, const_cast<char*>(tls.key.c_str())},
              {MHD_OPTION_HTTPS_MEM_CERT, 0, const_cast<char*>(tls.certificate.c_str())},
              {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kHttpTlsPriorities)}};
  }
  secure.push_back({MHD_OPTION_END, 0, nullptr});
  daemon = MHD_start_daemon(flags, 0, nullptr, nullptr, &on_request, nullptr,     //
                            MHD_OPTION_URI_LOG_CALLBACK, &on_target, &core,       //
                            MHD_OPTION_NOTIFY_COMPLETED, &on_completed, nullptr,  //
                            MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this,   //
                            MHD_OPTION_CONNECTION_LIMIT, never_reached,           //
                            MHD_OPTION_CONNECTION_TIMEOUT,
                            static_cast<unsigned>(core.limits.idle.count()),                     //
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_POOL_SIZE, pool,  //
                            MHD_OPTION_ARRAY, secure.data(), MHD_OPTION_END);
  if (daemon == nullptr) {
    return fail(Errc::io, "cannot start the HTTP server on " + listen.to_string());
  }
  acceptor.start(std::move(*socket));
  return {};
}

// The library closes the connection also when it refuses it.
bool HttpServer::Impl::take(Fd connection, const void* peer, unsigned peer_size) {
  const auto* from = static_cast<const sockaddr*>(peer);
  if (!connections.admit(address_of(from))) return false;
  if (MHD_add_connection(daemon, connection.release(), from, peer_size) == MHD_YES) return true;
  connections.withdraw(address_of(from));
  return false;
}

void HttpServer::Impl::stop() {
  if (daemon == nullptr) return;
  const auto pending = core.open.with([](HttpCore::Open& now) {
    now.is_stopping = true;
    return now.pending;
  });
  for (const auto& owed : pending) owed->end();
  acceptor.stop();
  constexpr Millis kStep{50};
  for (Millis waited{0}; core.exchanges.load() > 0 && waited < kFarewell; waited += kStep) {
    core.completed.wait(kStep);
  }
  core.streamer.stop();
  MHD_stop_daemon(std::exchange(daemon, nullptr));
}

HttpServer::HttpServer() = default;
HttpServer::~HttpServer() { stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Endpoint& listen, const Limits& limits,
                                                      Handler handler, Fd listener,
                                                      const HttpTls& tls) {
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->impl_ = std::make_unique<Impl>(limits, std::move(handler));
  if (auto started = server->impl_->start(listen, std::move(listener), tls); !started) {
    return tl::unexpected(started.error());
  }
  return server;
}

void HttpServer::stop() { impl_->stop(); }

Result<void> HttpServer::set_tls(const HttpTls& tls) { return impl_->set_tls(tls); }

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::measure(Metrics& metrics) const {
  const HttpCore& core = impl_->core;
  constexpr std::array<std::string_view, 6> kClasses{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 2; i < kClasses.size(); ++i) {
    metrics.counter("isochrone_http_responses_total", "HTTP responses by class of status",
                    static_cast<double>(core.by_class[i].load()), {{"class", kClasses[i]}});
  }
  for (std::size_t i = 0; i < kHttpRefusals.size(); ++i) {
    metrics.counter("isochrone_http_refused_total", "HTTP requests refused before their handler",
                    static_cast<double>(core.refused[i].load()), {{"reason", kHttpRefusals[i]}});
  }
  const auto refused = [&metrics](std::string_view why, std::uint64_t count) {
    metrics.counter("isochrone_http_connections_refused_total", "Connections closed, by why.",
                    static_cast<double>(count), {{"reason", why}});
  };
  refused("client", impl_->connections.refused());
  refused("deadline", impl_->connections.cut());
  refused("tls_handshake", impl_->connections.unsecured());
  metrics.gauge("isochrone_http_exchanges", "HTTP requests being read or answered now",
                static_cast<double>(core.exchanges.load()));
}

}  // namespace isochrone
