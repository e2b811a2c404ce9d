// SPDX-License-Identifier: Apache-2.0
//
// XdpFront: a batch of frames in, a batch of frames out, on one receive queue of an interface.
//
// Threads:  belongs to the loop's thread.
// Same:     what comes as a datagram through UdpFront gets the same bytes, counts and limits here.
// Cost:     one system call per batch in copy mode, to send.
#pragma once

#include <array>

#include "base/loop.h"
#include "dns/frame.h"
#include "dns/xdp_port.h"

namespace isochrone::dns {

class Answers;

class XdpFront {
 public:
  XdpFront(Loop& loop, XdpQueue queue, Answers& answers);

  // Answers what has arrived already; for the end.
  void drain();

 private:
  void serve();
  unsigned serve_frames(unsigned most);
  unsigned serve_batch();
  void transmit();
  unsigned take_queries(unsigned received);
  void answer(Bytes frame, const UdpFrame& query);
  void end_when_broken();

  Loop& loop_;
  XdpSocket socket_;
  const Interface interface_;
  // The frames of a batch that are queries.
  struct Query {
    Bytes frame;
    UdpFrame datagram;
  };
  std::array<Query, XdpSocket::kBatch> queries_{};
  Answers& answers_;
  std::uint16_t next_id_ = 0;  // of IPv4 datagrams
  Poll poll_;                  // after the socket: closed before it
  Timer retry_;                // sends what the kernel did not take
};

}  // namespace isochrone::dns
