// SPDX-License-Identifier: Apache-2.0
#include "dns/tap_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace isochrone::dns {
namespace {

bool is_passing(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

TapSocket::TapSocket(Loop& loop, const TapOptions& options, std::function<void()> ready)
    : loop_(loop), options_(options), ready_(std::move(ready)) {}

Result<void> TapSocket::open(Monotonic now) {
  auto socket = connect();
  if (!socket) return tl::unexpected(socket.error());
  socket_ = std::move(*socket);
  poll_ = std::make_unique<Poll>(loop_, socket_.get(), [this](unsigned) { ready_(); });
  deadline_ = now + kHandshake;
  state_ = State::opening;
  watch();
  return {};
}

Result<Fd> TapSocket::connect() const {
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_un);
  if (options_.tcp) {
    size = options_.tcp->to_sockaddr(address);
  } else {
    auto& local = reinterpret_cast<sockaddr_un&>(address);
    local.sun_family = AF_UNIX;
    options_.socket.string().copy(local.sun_path, sizeof local.sun_path - 1);
  }
  Fd socket(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool is_begun =
      socket && (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ||
                 errno == EINPROGRESS);
  const int error = errno;
  if (is_begun) return socket;
  const std::string where = options_.tcp ? options_.tcp->to_string() : options_.socket.string();
  return fail_errno("no receiver at " + where, error);
}

Result<void> TapSocket::step(Monotonic now) {
  if (state_ == State::closed) return {};
  auto gone = exchange();
  if (gone && state_ == State::opening && now > deadline_) {
    gone = fail(Errc::unavailable, "the receiver does not answer the handshake of Frame Streams");
  }
  if (!gone) {
    close();
  } else if (state_ != State::closed) {
    watch();
  }
  return gone;
}

// Whatever can be done now.
Result<void> TapSocket::exchange() {
  if (!is_connected_) {
    pollfd socket{socket_.get(), POLLOUT, 0};
    if (::poll(&socket, 1, 0) == 0) return {};
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail_errno("no receiver", error);
    is_connected_ = true;
    say(TapControl::ready);
  }
  is_full_ = false;
  if (auto flushed = flush(); !flushed) return flushed;
  return hear();
}

Result<void> TapSocket::hear() {
  std::array<std::uint8_t, 1'024> octets;
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), octets.data(), octets.size(), MSG_DONTWAIT);
    if (count < 0 && is_passing(errno)) break;
    if (count < 0) return fail_errno("the receiver is gone", errno);
    if (count == 0) return fail(Errc::unavailable, "the receiver closed the connection");
    said_.add(Bytes(octets).first(static_cast<std::size_t>(count)));
    auto said = said_.next();
    for (; said && *said; said = said_.next()) {
      if (auto done = obey(**said); !done || state_ == State::closed) return done;
    }
    if (!said) return tl::unexpected(said.error());
  }
  return flush();
}

Result<void> TapSocket::obey(TapControl said) {
  if (said == TapControl::accept && state_ == State::opening) {
    say(TapControl::start);
    state_ = State::open;
    return {};
  }
  if (said == TapControl::finish && is_ending_) {
    close();
    return {};
  }
  return fail(Errc::invalid, "the receiver said what it must not say now");
}

Result<void> TapSocket::flush() {
  while (!to_say_.empty()) {
    auto sent = send(to_say_);
    if (!sent) return tl::unexpected(sent.error());
    if (*sent == 0) break;
    to_say_.erase(to_say_.begin(), to_say_.begin() + static_cast<std::ptrdiff_t>(*sent));
  }
  return {};
}

Result<std::size_t> TapSocket::send(Bytes octets) {
  const ssize_t count =
      ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && !is_passing(errno)) return fail_errno("the receiver is gone", errno);
  const std::size_t sent = count < 0 ? 0 : static_cast<std::size_t>(count);
  is_full_ = sent < octets.size();
  return sent;
}

Result<std::size_t> TapSocket::write(Bytes frames) {
  if (is_ending_ || !to_say_.empty()) return std::size_t{0};
  auto sent = send(frames);
  if (!sent) {
    close();
  } else {
    watch();
  }
  return sent;
}

void TapSocket::say(TapControl kind) {
  const auto frame = control_frame(kind);
  to_say_.insert(to_say_.end(), frame.begin(), frame.end());
}

void TapSocket::end() {
  if (state_ != State::open) return close();
  if (is_ending_) return;
  is_ending_ = true;
  say(TapControl::stop);
  if (!step(loop_.now())) close();
}

// A receiver says something or goes; and what did not fit is to be sent.
void TapSocket::watch() {
  const bool has_more = !is_connected_ || !to_say_.empty() || is_full_;
  const unsigned interest = Poll::readable | (has_more ? Poll::writable : 0U);
  if (interest == watched_) return;
  watched_ = interest;
  poll_->watch(interest);
}

void TapSocket::close() {
  poll_.reset();
  socket_.reset();
  to_say_.clear();
  said_ = {};
  watched_ = 0;
  is_connected_ = is_ending_ = is_full_ = false;
  state_ = State::closed;
}

}  // namespace isochrone::dns
