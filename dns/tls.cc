// SPDX-License-Identifier: Apache-2.0
#include "dns/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>
#include <utility>

namespace isochrone::dns {
namespace {

constexpr unsigned char kSessionId[] = "isochrone-dns";
constexpr std::string_view kProtocol =
    "\x03"
    "dot";  // RFC 7858 section 7.1, in ALPN's form

std::string last_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown" : reason;
}

// DNS when the client names it; one that names others alone is served all the same.
int choose_protocol(SSL* /*session*/, const unsigned char** out, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size, void* /*argument*/) {
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    const unsigned length = offered[at];
    if (length >= offered_size - at) break;
    if (length + 1 != kProtocol.size() ||
        std::memcmp(offered + at, kProtocol.data(), kProtocol.size()) != 0) {
      continue;
    }
    *out = offered + at + 1;
    *size = static_cast<unsigned char>(length);
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

struct TlsContext::Handle {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  ~Handle() { SSL_CTX_free(context); }
};

struct TlsSession::Handle {
  SSL* session;
  ~Handle() {
    // One try: a client that is gone hears no farewell.
    if (SSL_is_init_finished(session) != 0) SSL_shutdown(session);
    ERR_clear_error();
    SSL_free(session);
  }
};

TlsContext::TlsContext(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::filesystem::path& certificate,
                                                           const std::filesystem::path& key) {
  auto handle = std::make_unique<Handle>();
  SSL_CTX* context = handle->context;
  if (context == nullptr) return fail(Errc::io, "cannot set TLS up: " + last_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_id_context(context, kSessionId, sizeof kSessionId - 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return fail(Errc::invalid, fmt::format("{} holds no certificate chain in PEM: {}",
                                           certificate.string(), last_error()));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(Errc::invalid, fmt::format("{} holds no key in PEM for the certificate in {}: {}",
                                           key.string(), certificate.string(), last_error()));
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(handle)));
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int fd)
    : context_(std::move(context)), handle_(new Handle{SSL_new(context_->handle_->context)}) {
  SSL_set_fd(handle_->session, fd);
  SSL_set_accept_state(handle_->session);
}

TlsSession::~TlsSession() = default;

TlsWait TlsSession::reason(int result) const {
  switch (SSL_get_error(handle_->session, result)) {
    case SSL_ERROR_WANT_READ:
      return TlsWait::readable;
    case SSL_ERROR_WANT_WRITE:
      return TlsWait::writable;
    case SSL_ERROR_ZERO_RETURN:
      return TlsWait::ended;
    default:
      return TlsWait::broken;
  }
}

std::size_t TlsSession::read(MutableBytes into, TlsWait& wait) {
  // What others left in this thread's queue would be taken for ours.
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(handle_->session, into.data(), into.size(), &count);
  wait = result == 1 ? TlsWait::none : reason(result);
  return result == 1 ? count : 0;
}

std::size_t TlsSession::write(Bytes from, TlsWait& wait) {
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(handle_->session, from.data(), from.size(), &count);
  wait = result == 1 ? TlsWait::none : reason(result);
  return result == 1 ? count : 0;
}

bool TlsSession::is_complete() const { return SSL_is_init_finished(handle_->session) != 0; }

bool TlsSession::has_pending() const { return SSL_pending(handle_->session) > 0; }

}  // namespace isochrone::dns
