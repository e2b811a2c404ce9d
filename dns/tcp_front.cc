// SPDX-License-Identifier: Apache-2.0
#include "dns/tcp_front.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "dns/answer_worker.h"
#include "dns/byte_stream.h"
#include "dns/framing.h"
#include "dns/socket_name.h"
#include "dns/stream_options.h"
#include "dns/wire.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kReadOctets = kMaxMessage + kLengthOctets;  // one whole query always fits
// Two of the largest replies: enough to keep a fast reader busy.
constexpr std::size_t kMaxBacklog = 2 * kReadOctets;
// Connections taken per wake-up: the queries of those that are open come first.
constexpr int kAcceptsPerWake = 32;
constexpr Millis kMaxSweepInterval{1'000};
// While all connections are taken, who does nothing for so much less than `idle` makes room (RFC 9210
// section 4.4 leaves that to the server); looked for no more often than kCrowdedSweep.
constexpr int kCrowdedShare = 8;
constexpr Millis kCrowdedSweep{100};
// A crowd that comes back within so long is the same one, of which was told.
constexpr Seconds kCrowdEnds{60};
constexpr Millis kDrainSweepInterval{20};

}  // namespace

class TcpFront::Connection {
 public:
  Connection(TcpFront& front, ByteStream stream, const Address& peer)
      : front_(front),
        stream_(std::move(stream)),
        peer_(peer),
        progress_(front.loop_.now()),
        poll_(front.polls_, stream_.fd(), [this](unsigned events) { on_ready(events); }) {
    if (front.answers_.is_tapped()) {
      flow_ = {peer_name(stream_.fd()), own_name(stream_.fd()),
               stream_.is_encrypted() ? TapProtocol::tls : TapProtocol::tcp};
    }
    watch();
  }

  // Who connects to ask has often asked by the time he is let in.
  void start() { on_ready(Poll::readable); }

  bool is_idle(Monotonic since) const { return progress_ < since; }
  bool is_between_queries() const { return input_.empty() && backlog() == 0 && !transfer_; }
  const Address& peer() const { return peer_; }
  bool is_unsecured() const { return stream_.is_unsecured(); }

 private:
  void on_ready(unsigned events) {
    // A handshake reads when the socket is writable, too.
    const bool may_read = (events & Poll::readable) != 0 || stream_.wants_writable();
    const bool lives =
        ((events & Poll::writable) == 0 || flush()) && (!may_read || read()) && proceed();
    if (!lives) front_.close(*this);  // frees this
  }

  // One read per wake-up, so that a busy client waits its turn. False: the connection is over.
  bool read() {
    if (is_ended_ || backlog() >= kMaxBacklog) return true;
    do {
      const auto taken = stream_.read(front_.input_);
      if (!taken.is_ok) return false;
      is_ended_ |= taken.is_ended;
      input_.insert(input_.end(), front_.input_.begin(),
                    front_.input_.begin() + static_cast<std::ptrdiff_t>(taken.octets));
    } while (stream_.has_pending());  // at most one record of 16 KiB: no socket announces it
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
    Bytes rest(input_);
    while (backlog() < kMaxBacklog && !transfer_) {
      const auto query = take_message(rest);
      if (!query) break;
      // What is not answered, an empty message say, keeps nobody.
      if (answer_one(*query)) progress_ = front_.loop_.now();
    }
    input_.erase(input_.begin(), input_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    if (input_.empty() && input_.capacity() > kReadOctets / 4) input_ = {};  // idle ones stay small
  }

  bool has_complete_query() const {
    Bytes rest(input_);
    return take_message(rest).has_value();
  }

  // Whether there was anything to say.
  bool answer_one(Bytes query) {
    auto& out = front_.reply_;
    Reply reply = front_.answers_.reply_to(query, peer_, Transport::tcp,
                                           MutableBytes(out).subspan(kLengthOctets));
    transfer_ = front_.answers_.take_transfer();
    if (reply.size == 0) {
      show(query, reply);
      const bool is_transfer = transfer_ != nullptr;
      pump_transfer();
      return is_transfer;
    }
    const Millis keepalive = front_.drained_ ? Millis(0) : front_.limits_.idle;
    add_stream_options(MutableBytes(out).subspan(kLengthOctets), reply, keepalive,
                       stream_.is_encrypted());
    show(query, reply);
    out[0] = static_cast<std::uint8_t>(reply.size >> 8);
    out[1] = static_cast<std::uint8_t>(reply.size);
    output_.insert(output_.end(), out.begin(),
                   out.begin() + static_cast<std::ptrdiff_t>(kLengthOctets + reply.size));
    return true;
  }

  // Of a zone transfer the query alone.
  void show(Bytes query, const Reply& reply) const {
    if (!front_.answers_.is_tapped()) return;
    front_.answers_.show(flow_, query, Bytes(front_.reply_).subspan(kLengthOctets, reply.size),
                         reply);
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
      const auto given = stream_.write(Bytes(output_).subspan(written_));
      if (given.octets == 0) return given.is_ok && !given.is_ended;
      written_ += given.octets;
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
    if (backlog() > 0 || transfer_ || stream_.wants_writable()) interest |= Poll::writable;
    if (interest == watched_) return;
    watched_ = interest;
    poll_.watch(interest);
  }

  TcpFront& front_;
  ByteStream stream_;
  Address peer_;
  TapFlow flow_;        // where a tap is
  Monotonic progress_;  // the last query answered, or the last time all replies were taken
  std::vector<std::uint8_t> input_;
  std::vector<std::uint8_t> output_;
  std::size_t written_ = 0;  // of output_
  std::unique_ptr<TransferOut> transfer_;
  bool is_ended_ = false;  // the client sends no more; it may still read
  unsigned watched_ = 0;
  PollSet::Member poll_;  // after the stream: closed before it
};

TcpFront::TcpFront(Loop& loop, Answers& answers, TcpLimits limits)
    : loop_(loop),
      answers_(answers),
      limits_(limits),
      polls_(loop),
      input_(kReadOctets),
      reply_(kReadOctets),
      sweep_(loop, [this] { sweep(); }) {
  const Millis interval = std::clamp(limits.idle / 4, Millis(1), kMaxSweepInterval);
  sweep_.start(interval, interval);
}

TcpFront::~TcpFront() = default;

void TcpFront::listen(Fd socket, bool is_tls) {
  listeners_.push_back(std::make_unique<Listener>());
  Listener& listener = *listeners_.back();
  listener.socket = std::move(socket);
  listener.is_tls = is_tls;
  listener.poll = std::make_unique<Poll>(loop_, listener.socket.get(),
                                         [this, &listener](unsigned) { accept_some(listener); });
  listener.poll->watch(Poll::readable);
}

void TcpFront::accept_some(Listener& listener) {
  for (int i = 0; i < kAcceptsPerWake; ++i) {
    if (is_full() && !make_room()) return set_accepting(false);
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
      tell_refused(errno);
      return set_accepting(false);
    }
    const auto address = Address::from_sockaddr(*reinterpret_cast<const sockaddr*>(&peer));
    if (!address) continue;
    tell_refused(0);
    take(listener, std::move(socket), *address);
  }
}

void TcpFront::take(Listener& listener, Fd socket, const Address& peer) {
  std::shared_ptr<const TlsContext> tls;
  if (listener.is_tls) {
    answers_.refresh(loop_);
    tls = answers_.tls();
    if (!tls) return;  // never in the clear where TLS is expected
  }
  std::size_t& of_client = clients_[peer];
  if (of_client >= limits_.per_client) return answers_.counters().tcp_crowded.add();
  ++of_client;
  answers_.counters().tcp_accepted.add();
  if (tls) answers_.counters().tls_accepted.add();
  auto connection =
      std::make_unique<Connection>(*this, ByteStream(std::move(socket), std::move(tls)), peer);
  Connection& taken = *connection;
  connections_.emplace(&taken, std::move(connection));
  taken.start();
}

void TcpFront::set_accepting(bool accepting) {
  if (accepting == is_accepting_) return;
  is_accepting_ = accepting;
  watch_listeners();
}

void TcpFront::set_listening(bool is_listening) {
  is_listening_ = is_listening;
  watch_listeners();
}

void TcpFront::watch_listeners() {
  for (const auto& listener : listeners_) {
    if (is_accepting_ && is_listening_) {
      listener->poll->watch(Poll::readable);
    } else {
      listener->poll->stop();
    }
  }
}

// Once, until a connection is taken again.
void TcpFront::tell_refused(int error) {
  if ((error != 0) == has_told_refused_) return;
  has_told_refused_ = error != 0;
  if (error == 0) return log_info("TCP connections are taken again");
  log_error(fmt::format("no TCP connection can be taken, UDP goes on reason=\"{}\"",
                        std::strerror(error)));
}

bool TcpFront::is_full() const { return connections_.size() >= limits_.connections; }

bool TcpFront::make_room() {
  const Monotonic now = loop_.now();
  if (now - full_ >= kCrowdEnds) {
    log_warning(fmt::format("all TCP connections are taken, the idle make room connections={}",
                            connections_.size()));
  }
  full_ = now;
  if (now - swept_ >= kCrowdedSweep) sweep();
  return !is_full();
}

void TcpFront::drain(std::function<void()> done) {
  listeners_.clear();
  drain_began_ = loop_.now();
  drained_ = std::move(done);
  sweep_.start(Millis(0), kDrainSweepInterval);
}

// Connections without progress since then are idle.
Monotonic TcpFront::oldest() const {
  const Monotonic now = loop_.now();
  const bool is_over = drained_ && now - drain_began_ >= 2 * limits_.idle;
  if (is_over) return Monotonic::max();
  return now - (is_full() ? limits_.idle / kCrowdedShare : limits_.idle);
}

void TcpFront::sweep() {
  swept_ = loop_.now();
  const Monotonic since = oldest();
  const bool is_late = drained_ && swept_ - drain_began_ >= limits_.idle;
  std::vector<Connection*> idle;
  for (const auto& [key, connection] : connections_) {
    if (connection->is_idle(since) || (is_late && connection->is_between_queries())) {
      idle.push_back(connection.get());
    }
  }
  for (Connection* connection : idle) {
    answers_.counters().tcp_timed_out.add();
    close(*connection);
  }
  if (!is_full()) set_accepting(true);
  if (drained_ && connections_.empty()) {
    sweep_.stop();
    std::exchange(drained_, nullptr)();
  }
}

void TcpFront::close(Connection& connection) {
  if (connection.is_unsecured()) answers_.counters().tls_failed.add();
  const auto client = clients_.find(connection.peer());
  if (--client->second == 0) clients_.erase(client);
  connections_.erase(&connection);
  if (!is_full()) set_accepting(true);
}

}  // namespace isochrone::dns
