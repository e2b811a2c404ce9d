// SPDX-License-Identifier: Apache-2.0
#include "dns/tcp_front.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "dns/answer_worker.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kLengthOctets = 2;
constexpr std::size_t kReadOctets = kMaxMessage + kLengthOctets;  // one whole query always fits
// Two of the largest replies: enough to keep a fast reader busy.
constexpr std::size_t kMaxBacklog = 2 * kReadOctets;
// Connections taken per wake-up: the queries of those that are open come first.
constexpr int kAcceptsPerWake = 32;
constexpr Millis kMaxSweepInterval{1'000};

}  // namespace

class TcpFront::Connection {
 public:
  Connection(TcpFront& front, Fd socket, const Address& peer)
      : front_(front),
        socket_(std::move(socket)),
        peer_(peer),
        progress_(front.loop_.now()),
        poll_(front.loop_, socket_.get(), [this](unsigned events) { on_ready(events); }) {
    watch();
  }

  bool is_idle(Monotonic since) const { return progress_ < since; }

 private:
  void on_ready(unsigned events) {
    const bool lives = ((events & Poll::writable) == 0 || flush()) &&
                       ((events & Poll::readable) == 0 || read()) && proceed();
    if (!lives) front_.close(*this);  // frees this
  }

  // One read per wake-up, so that a busy client waits its turn. False: the connection is over.
  bool read() {
    if (is_ended_ || backlog() >= kMaxBacklog) return true;
    const ssize_t count = recv(socket_.get(), front_.input_.data(), front_.input_.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) is_ended_ = true;
    input_.insert(input_.end(), front_.input_.begin(), front_.input_.begin() + count);
    return true;
  }

  // Answers what was asked, and waits for what is possible next. False: the connection is over.
  bool proceed() {
    front_.answers_.refresh(front_.loop_);
    do {
      pump_transfer();
      answer_waiting();
      if (!flush()) return false;
    } while (backlog() == 0 && !transfer_ && has_complete_query());
    // Half-closed and all replies taken: at most an incomplete query is left.
    if (is_ended_ && !transfer_ && backlog() == 0) return false;
    watch();
    return true;
  }

  void answer_waiting() {
    std::size_t taken = 0;
    while (backlog() < kMaxBacklog && !transfer_) {
      const Bytes rest = Bytes(input_).subspan(taken);
      if (rest.size() < kLengthOctets) break;
      const std::size_t length = std::size_t{rest[0]} << 8 | rest[1];
      if (rest.size() - kLengthOctets < length) break;
      answer_one(rest.subspan(kLengthOctets, length));
      taken += kLengthOctets + length;
      progress_ = front_.loop_.now();
    }
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(taken));
    if (input_.empty() && input_.capacity() > kReadOctets / 4) input_ = {};  // idle ones stay small
  }

  bool has_complete_query() const {
    return input_.size() >= kLengthOctets &&
           input_.size() - kLengthOctets >= (std::size_t{input_[0]} << 8 | input_[1]);
  }

  void answer_one(Bytes query) {
    auto& out = front_.reply_;
    const Reply reply = front_.answers_.reply_to(query, peer_, Transport::tcp,
                                                 MutableBytes(out).subspan(kLengthOctets));
    transfer_ = front_.answers_.take_transfer();
    if (reply.size == 0) return pump_transfer();
    out[0] = static_cast<std::uint8_t>(reply.size >> 8);
    out[1] = static_cast<std::uint8_t>(reply.size);
    output_.insert(output_.end(), out.begin(),
                   out.begin() + static_cast<std::ptrdiff_t>(kLengthOctets + reply.size));
  }

  // The messages of a zone transfer that the backlog has room for. What follows waits for its end, and
  // the loop serves others before it comes back here.
  void pump_transfer() {
    while (transfer_ && backlog() < kMaxBacklog) {
      const auto message = transfer_->next(front_.answers_.unix_seconds());
      if (message.empty() || message.size() > kMaxMessage) return transfer_.reset();
      output_.push_back(static_cast<std::uint8_t>(message.size() >> 8));
      output_.push_back(static_cast<std::uint8_t>(message.size()));
      output_.insert(output_.end(), message.begin(), message.end());
    }
  }

  std::size_t backlog() const { return output_.size() - written_; }

  bool flush() {
    while (backlog() > 0) {
      const ssize_t count =
          send(socket_.get(), output_.data() + written_, backlog(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno == EAGAIN;
      written_ += static_cast<std::size_t>(count);
    }
    if (written_ > 0) progress_ = front_.loop_.now();
    written_ = 0;
    output_.clear();
    if (output_.capacity() > kReadOctets / 4) output_ = {};
    return true;
  }

  void watch() {
    unsigned interest = 0;
    if (!is_ended_ && backlog() < kMaxBacklog) interest |= Poll::readable;
    if (backlog() > 0 || transfer_) interest |= Poll::writable;
    if (interest == watched_) return;
    watched_ = interest;
    poll_.watch(interest);
  }

  TcpFront& front_;
  Fd socket_;
  Address peer_;
  Monotonic progress_;  // the last complete query, or the last time all replies were taken
  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> output_;
  std::size_t written_ = 0;  // of output_
  std::unique_ptr<TransferOut> transfer_;
  bool is_ended_ = false;  // the client sends no more; it may still read
  unsigned watched_ = 0;
  Poll poll_;  // after the socket: closed before it
};

TcpFront::TcpFront(Loop& loop, Answers& answers, TcpLimits limits)
    : loop_(loop),
      answers_(answers),
      limits_(limits),
      input_(kReadOctets),
      reply_(kReadOctets),
      sweep_(loop, [this] { sweep(); }) {
  const Millis interval = std::clamp(limits.idle / 4, Millis(1), kMaxSweepInterval);
  sweep_.start(interval, interval);
}

TcpFront::~TcpFront() = default;

void TcpFront::listen(Fd socket) {
  listeners_.push_back(std::make_unique<Listener>());
  Listener& listener = *listeners_.back();
  listener.socket = std::move(socket);
  listener.poll = std::make_unique<Poll>(loop_, listener.socket.get(),
                                         [this, &listener](unsigned) { accept_some(listener); });
  listener.poll->watch(Poll::readable);
}

void TcpFront::accept_some(Listener& listener) {
  for (int i = 0; i < kAcceptsPerWake; ++i) {
    if (connections_.size() >= limits_.connections) return set_accepting(false);
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Fd socket(accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                      SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EAGAIN) return;
      // Out of descriptors or memory: the listener stays readable, so it is left alone until the
      // next sweep instead of being asked in a circle.
      answers_.counters().tcp_refused.add();
      return set_accepting(false);
    }
    const auto address = Address::from_sockaddr(*reinterpret_cast<const sockaddr*>(&peer));
    if (!address) continue;
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    answers_.counters().tcp_accepted.add();
    auto connection = std::make_unique<Connection>(*this, std::move(socket), *address);
    connections_.emplace(connection.get(), std::move(connection));
  }
}

void TcpFront::set_accepting(bool accepting) {
  if (accepting == is_accepting_) return;
  is_accepting_ = accepting;
  for (const auto& listener : listeners_) {
    if (accepting) {
      listener->poll->watch(Poll::readable);
    } else {
      listener->poll->stop();
    }
  }
}

void TcpFront::sweep() {
  const Monotonic oldest = loop_.now() - limits_.idle;
  std::vector<Connection*> idle;
  for (const auto& [key, connection] : connections_) {
    if (connection->is_idle(oldest)) idle.push_back(connection.get());
  }
  for (Connection* connection : idle) {
    answers_.counters().tcp_timed_out.add();
    close(*connection);
  }
  if (connections_.size() < limits_.connections) set_accepting(true);
}

void TcpFront::close(Connection& connection) {
  connections_.erase(&connection);
  if (connections_.size() < limits_.connections) set_accepting(true);
}

}  // namespace isochrone::dns
