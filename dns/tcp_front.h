// SPDX-License-Identifier: Apache-2.0
//
// TcpFront: queries over connections (RFC 7766), plain or through TLS (RFC 7858): pipelined,
// fragmented, half-closed, slow.
//
// Threads:  belongs to the loop's thread. No call blocks on a client.
// Limits:   TcpLimits::per_client of one address and TcpLimits::connections at once, more wait in the
//           kernel's backlog; a connection that neither asks what can be answered nor drains its replies for
//           `idle`, or an eighth of it while all are taken, is closed, however slowly it trickles;
//           replies beyond kMaxBacklog stop its reading, so a client that does not read costs that
//           much and no more.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "base/loop.h"
#include "base/poll_set.h"

namespace isochrone::dns {

class Answers;

struct TcpLimits {
  std::size_t connections = 0;
  std::size_t per_client = 0;  // of one address; more are closed at once
  Millis idle{0};
};

class TcpFront {
 public:
  TcpFront(Loop& loop, Answers& answers, TcpLimits limits);
  ~TcpFront();

  // With `is_tls` connections are taken while the snapshot has a certificate.
  void listen(Fd socket, bool is_tls);
  // Connections that come while it does not listen wait in the kernel's backlog.
  void set_listening(bool is_listening);
  // Closes the listening sockets and asks clients to end (RFC 7828 section 3.2.2). A connection is
  // closed when it is idle as ever; after `idle` in all, as soon as all that it asked is answered; and
  // after twice that in any case. `done` is called when none is left.
  void drain(std::function<void()> done);

 private:
  class Connection;
  struct Listener {
    Fd socket;
    bool is_tls = false;
    std::unique_ptr<Poll> poll;
  };

  void accept_some(Listener& listener);
  void take(Listener& listener, Fd socket, const Address& peer);
  void set_accepting(bool accepting);
  void tell_refused(int error);
  bool is_full() const;
  bool make_room();
  void watch_listeners();
  Monotonic oldest() const;
  void sweep();
  void close(Connection& connection);

  Loop& loop_;
  Answers& answers_;
  TcpLimits limits_;
  PollSet polls_;  // of the connections
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<const Connection*, std::unique_ptr<Connection>> connections_;
  std::unordered_map<Address, std::size_t> clients_;  // connections of each
  std::vector<std::uint8_t> input_;                   // what one read took
  std::vector<std::uint8_t> reply_;                   // length and message
  bool has_told_refused_ = false;
  Monotonic full_{-Seconds(3'600)};  // when all connections were last found taken
  Monotonic swept_{};
  bool is_accepting_ = true;  // there is room
  bool is_listening_ = true;
  Monotonic drain_began_{};
  std::function<void()> drained_;  // when draining
  Timer sweep_;
};

}  // namespace isochrone::dns
