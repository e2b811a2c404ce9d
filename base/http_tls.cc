// SPDX-License-Identifier: Apache-2.0
#include "base/http_tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

namespace isochrone {
namespace {

// GnuTLS reads from it only.
gnutls_datum_t datum_of(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

gnutls_certificate_credentials_t credentials_of(void* opaque) {
  return static_cast<gnutls_certificate_credentials_t>(opaque);
}
gnutls_session_t session_of(void* opaque) { return static_cast<gnutls_session_t>(opaque); }

// A peer's Finished has been believed.
int on_finished(gnutls_session_t session, unsigned, unsigned, unsigned is_incoming,
                const gnutls_datum_t*) {
  if (is_incoming != 0) *static_cast<bool*>(gnutls_session_get_ptr(session)) = true;
  return 0;
}

}  // namespace

Result<std::shared_ptr<const HttpCredentials>> HttpCredentials::make(const HttpTls& tls) {
  gnutls_certificate_credentials_t allocated = nullptr;
  if (gnutls_certificate_allocate_credentials(&allocated) != GNUTLS_E_SUCCESS) {
    return fail(Errc::limit, "no memory for TLS");
  }
  std::shared_ptr<HttpCredentials> made(new HttpCredentials);
  made->credentials_ = allocated;
  const gnutls_datum_t certificate = datum_of(tls.certificate);
  const gnutls_datum_t key = datum_of(tls.key);
  const int taken = gnutls_certificate_set_x509_key_mem2(allocated, &certificate, &key,
                                                         GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (taken < 0) {
    return fail(Errc::invalid, std::string("the certificate and its key cannot be used: ") +
                                   gnutls_strerror(taken));
  }
  if (tls.client_authorities.empty()) return made;
  const gnutls_datum_t authorities = datum_of(tls.client_authorities);
  const int count =
      gnutls_certificate_set_x509_trust_mem(allocated, &authorities, GNUTLS_X509_FMT_PEM);
  if (count <= 0) {
    return fail(Errc::invalid, "there is no certificate of an authority for clients");
  }
  made->has_authorities_ = true;
  return made;
}

HttpCredentials::~HttpCredentials() {
  gnutls_certificate_free_credentials(credentials_of(credentials_));
}

void HttpCredentials::use_in(void* session, bool& is_complete) const {
  // libmicrohttpd keeps a pointer here for pre-shared keys only, which are not offered.
  gnutls_session_set_ptr(session_of(session), &is_complete);
  gnutls_handshake_set_hook_function(session_of(session), GNUTLS_HANDSHAKE_FINISHED,
                                     GNUTLS_HOOK_POST, &on_finished);
  gnutls_credentials_set(session_of(session), GNUTLS_CRD_CERTIFICATE, credentials_);
  // Not required here: a client without one is told so in HTTP, not by an alert it cannot read.
  gnutls_certificate_server_set_request(
      session_of(session), has_authorities_ ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
}

bool HttpCredentials::vouch_for_client(void* session) const {
  unsigned status = 0;
  return has_authorities_ &&
         gnutls_certificate_verify_peers2(session_of(session), &status) == GNUTLS_E_SUCCESS &&
         status == 0;
}

long HttpCredentials::send(void* session, std::string_view bytes) {
  const ssize_t sent = gnutls_record_send(session_of(session), bytes.data(), bytes.size());
  if (sent >= 0) return sent;
  return sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED ? 0 : -1;
}

void HttpCredentials::end_sending(void* session) {
  gnutls_bye(session_of(session), GNUTLS_SHUT_WR);
}

}  // namespace isochrone
