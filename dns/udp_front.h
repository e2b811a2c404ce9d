// SPDX-License-Identifier: Apache-2.0
//
// UdpFront: a batch of queries in, a batch of replies out, on one socket.
//
// Threads:  belongs to the loop's thread.
// Cost:     one recvmmsg and one sendmmsg per kBatch queries; buffers are fixed. While many come the socket is
//           not watched: the kernel would tell of each datagram that comes and of each that has gone.
// Source:   on a wildcard address the reply leaves from the address that was asked (IP_PKTINFO).
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/loop.h"

struct msghdr;

namespace isochrone::dns {

class Answers;
struct Reply;

// The buffers of one worker; its sockets are served one after the other and share them.
class UdpBatch {
 public:
  UdpBatch();
  ~UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

class UdpFront {
 public:
  UdpFront(Loop& loop, Fd socket, Answers& answers, UdpBatch& batch);

  // What comes while it does not listen waits in the socket.
  void set_listening(bool is_listening);

 private:
  void serve();
  void set_busy(bool is_busy);
  int receive();
  void prepare(unsigned received) const;
  unsigned answer_batch(unsigned received);
  void show(Bytes query, Bytes sent, const msghdr& in, const Reply& reply) const;
  void send(unsigned replies);

  Loop& loop_;
  Fd socket_;
  Answers& answers_;
  UdpBatch::Buffers& buffers_;
  const Endpoint bound_;  // for the tap
  bool is_listening_ = true;
  bool is_busy_ = false;  // asks again and again, and waits for no news
  Wakeup again_;
  Poll poll_;  // after the socket: closed before it
};

}  // namespace isochrone::dns
