// SPDX-License-Identifier: Apache-2.0
//
// HttpConnections: the TCP connections of an HttpServer: how many a client may have, and how long a
// request may take to arrive.
//
// Threads:  admit() and withdraw() in the acceptor's, an HttpConnection in its own; one thread here
//           looks for what is late.
// Deadline: of a request, from its first line to the last byte of its body, however its bytes trickle.
//           Before its first line a connection may be idle for a while as well. Answering has none: a
//           long poll waits, and a reader that takes nothing is idle.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "base/bell.h"
#include "base/guarded.h"
#include "base/http_tls.h"
#include "base/ip.h"
#include "base/time.h"

namespace isochrone {

class HttpConnections;

class HttpConnection {
 public:
  HttpConnection(HttpConnections& all, int socket, Prefix client);

  void begin();    // the first line of a request is here
  void arrived();  // and its last byte
  void ended();    // it is answered

  // `session` is its gnutls_session_t, before the handshake.
  void use(std::shared_ptr<const HttpCredentials> credentials, void* session);
  // Whether the client has shown a certificate that counts; found out once.
  bool is_certified();
  // How many bytes the socket took, -1 when it is broken. While nothing else uses the connection.
  long send(std::string_view bytes);
  void end_sending();  // likewise

 private:
  friend class HttpConnections;
  HttpConnections& all_;
  const int socket_;
  const Prefix client_;
  std::atomic<std::int64_t> deadline_ms_;  // of the steady clock; 0: none
  std::shared_ptr<const HttpCredentials> credentials_;
  void* session_ = nullptr;
  bool is_secured_ = false;  // its handshake is complete
  enum class Certified : std::uint8_t { unknown, yes, no } certified_ = Certified::unknown;
};

class HttpConnections {
 public:
  // `max_per_client`: of one address, or of one /64 in IPv6; 0: any number.
  HttpConnections(unsigned max_per_client, Millis request, Millis idle);
  ~HttpConnections();
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

  // Whether the client may have one more, which it has from here on.
  bool admit(const Address& client);
  void withdraw(const Address& client);

  // The caller keeps it, for the library that knows one pointer only, until it gives it back.
  HttpConnection* open(int socket, const Address& client);
  void close(HttpConnection* connection);

  std::uint64_t refused() const noexcept { return refused_.load(); }
  std::uint64_t cut() const noexcept { return cut_.load(); }
  // That ended before their TLS handshake was complete.
  std::uint64_t unsecured() const noexcept { return unsecured_.load(); }

 private:
  friend class HttpConnection;
  struct State {
    std::map<Prefix, unsigned> per_client;
    std::unordered_set<HttpConnection*> open;
  };
  static void leave(State& state, const Prefix& client);
  void watch();

  const unsigned max_per_client_;
  const Millis request_;
  const Millis idle_;
  Guarded<State> state_;
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> cut_{0};
  std::atomic<std::uint64_t> unsecured_{0};
  std::atomic<bool> is_stopping_{false};
  Bell stop_;
  std::thread thread_;
};

}  // namespace isochrone
