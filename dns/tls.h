// SPDX-License-Identifier: Apache-2.0
//
// Tls: the server's side of TLS 1.2 and 1.3 (RFC 7858, RFC 8996), through OpenSSL.
//
// Threads:  a TlsContext is immutable and shared by all; a TlsSession belongs to one thread.
// Blocking: none. Reading does the handshake by the way; what it waits for comes back as TlsWait.
// Resuming: sessions resume by tickets, for as long as the context lives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace isochrone::dns {

class TlsContext {
 public:
  // Reads both PEM files; an Error names the one that is wrong. They have to belong together.
  static Result<std::shared_ptr<const TlsContext>> load(const std::filesystem::path& certificate,
                                                        const std::filesystem::path& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  struct Handle;
  explicit TlsContext(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

enum class TlsWait : std::uint8_t { none, readable, writable, ended, broken };

class TlsSession {
 public:
  // `fd` is connected, does not block, and outlives the session.
  TlsSession(std::shared_ptr<const TlsContext> context, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Octets taken; when 0, `wait` says why: what the socket must be first, or how it ended.
  std::size_t read(MutableBytes into, TlsWait& wait);
  std::size_t write(Bytes from, TlsWait& wait);
  bool is_complete() const;  // its handshake
  // Octets that were decrypted and wait here, where no socket will announce them.
  bool has_pending() const;

 private:
  struct Handle;
  TlsWait reason(int result) const;

  const std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace isochrone::dns
