// SPDX-License-Identifier: Apache-2.0
//
// HttpCredentials: what a server shows in TLS, and whom it believes; over GnuTLS, which libmicrohttpd
// speaks.
//
// Threads: immutable once made; any number of connections use one.
// Source:  TLS 1.2 at least (RFC 8996).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace isochrone {

// As PEM texts.
struct HttpTls {
  std::string certificate;  // and its chain; empty: no TLS
  std::string key;          // its private key
  std::string
      client_authorities;  // who vouches for clients; empty: none is asked for a certificate

  bool empty() const noexcept { return certificate.empty(); }
  friend bool operator==(const HttpTls&, const HttpTls&) = default;
};

// For gnutls_priority_init(3).
constexpr const char* kHttpTlsPriorities = "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1";

class HttpCredentials {
 public:
  // The Error says which of the three is wrong.
  static Result<std::shared_ptr<const HttpCredentials>> make(const HttpTls& tls);
  ~HttpCredentials();
  HttpCredentials(const HttpCredentials&) = delete;
  HttpCredentials& operator=(const HttpCredentials&) = delete;

  // `session` is a gnutls_session_t. Before its handshake; outlives its use there, as `is_complete` does,
  // which becomes true with the handshake.
  void use_in(void* session, bool& is_complete) const;
  // After it: whether the client has shown a certificate that is valid now. Costs as many signature
  // checks as its chain is long.
  bool vouch_for_client(void* session) const;
  // How many bytes it took, -1 when it is broken. After 0 the same bytes have to be given again.
  static long send(void* session, std::string_view bytes);
  // Says that nothing follows, so that the end is told from a cut (RFC 8446 section 6.1).
  static void end_sending(void* session);
  bool ask_for_certificate() const noexcept { return has_authorities_; }

 private:
  HttpCredentials() = default;
  void* credentials_ = nullptr;
  bool has_authorities_ = false;
};

}  // namespace isochrone
