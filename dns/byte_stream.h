// SPDX-License-Identifier: Apache-2.0
//
// ByteStream: octets to and from one connected socket, plain or through TLS.
//
// Blocking: none. 0 octets and `ok` true: not now; false: the connection is of no more use.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/fd.h"
#include "dns/tls.h"

namespace isochrone::dns {

class ByteStream {
 public:
  struct Moved {
    std::size_t octets = 0;
    bool is_ok = true;
    bool is_ended = false;  // the peer sends no more
  };

  // `tls` null: plain.
  ByteStream(Fd socket, std::shared_ptr<const TlsContext> tls) : socket_(std::move(socket)) {
    if (tls) tls_ = std::make_unique<TlsSession>(std::move(tls), socket_.get());
  }

  int fd() const { return socket_.get(); }
  bool is_encrypted() const { return tls_ != nullptr; }
  // Whether a handshake was begun and is not complete.
  bool is_unsecured() const { return tls_ && !tls_->is_complete(); }
  // What the last call waits for besides its own direction: a handshake goes both ways.
  bool wants_writable() const { return wait_ == TlsWait::writable; }
  bool has_pending() const { return tls_ && tls_->has_pending(); }

  Moved read(MutableBytes into) {
    if (tls_) return moved(tls_->read(into, wait_));
    const ssize_t count = recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (count < 0) return {0, is_passing(), false};
    return {static_cast<std::size_t>(count), true, count == 0};
  }
  Moved write(Bytes from) {
    if (tls_) return moved(tls_->write(from, wait_));
    const ssize_t count =
        send(socket_.get(), from.data(), from.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return {0, is_passing(), false};
    return {static_cast<std::size_t>(count), true, false};
  }

 private:
  static bool is_passing() { return errno == EAGAIN || errno == EINTR; }
  Moved moved(std::size_t octets) const {
    return {octets, wait_ != TlsWait::broken, wait_ == TlsWait::ended};
  }

  Fd socket_;
  std::unique_ptr<TlsSession> tls_;  // after the socket: ended before it
  TlsWait wait_ = TlsWait::none;
};

}  // namespace isochrone::dns
