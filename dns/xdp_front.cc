// SPDX-License-Identifier: Apache-2.0
#include "dns/xdp_front.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "dns/answer_worker.h"
#include "dns/frame.h"

namespace isochrone::dns {
namespace {

// TCP and timers of the same loop wait no longer than about a millisecond.
constexpr unsigned kFramesPerWake = 8 * XdpSocket::kBatch;
// As good as now where the device's queue was full.
constexpr Millis kRetry{1};

}  // namespace

XdpFront::XdpFront(Loop& loop, XdpQueue queue, Answers& answers)
    : loop_(loop),
      socket_(std::move(queue.socket)),
      interface_(std::move(queue.interface)),
      answers_(answers),
      poll_(loop, socket_.fd(), [this](unsigned) { serve(); }),
      retry_(loop, [this] {
        if (!socket_.transmit()) retry_.start(kRetry);
      }) {
  poll_.watch(Poll::readable);
}

void XdpFront::serve() {
  if (serve_frames(kFramesPerWake) == 0) end_when_broken();
}

// The hook is gone, so no more come than the ring holds.
void XdpFront::drain() { serve_frames(XdpSocket::kRing); }

// Looking into the ring again costs nothing, so replies wait for each other until it is empty or a
// system call's worth of them is there.
unsigned XdpFront::serve_frames(unsigned most) {
  unsigned served = 0;
  while (served < most) {
    const unsigned received = serve_batch();
    if (received == 0) break;
    served += received;
    if (socket_.in_line() >= XdpSocket::kBatch) transmit();
  }
  if (socket_.in_line() > 0) transmit();
  return served;
}

void XdpFront::transmit() {
  if (!socket_.transmit()) retry_.start(kRetry);
}

unsigned XdpFront::serve_batch() {
  const unsigned received = socket_.receive();
  if (received == 0) return 0;
  answers_.refresh(loop_);
  const unsigned queries = take_queries(received);
  for (unsigned i = 0; i < queries; ++i) answer(queries_[i].frame, queries_[i].datagram);
  socket_.release();
  return received;
}

unsigned XdpFront::take_queries(unsigned received) {
  std::array<Bytes, XdpSocket::kBatch> payloads;
  unsigned taken = 0;
  for (unsigned i = 0; i < received; ++i) {
    const Bytes frame = socket_.frame(i);
    if (const auto datagram = parse_udp_frame(frame)) {
      payloads[taken] = datagram->payload;
      queries_[taken++] = {frame, *datagram};
    } else {
      answers_.counters().xdp_malformed.add();
    }
  }
  // One query alone has nobody to wait with.
  if (taken > 1) answers_.prepare(std::span(payloads).first(taken));
  return taken;
}

void XdpFront::answer(Bytes frame, const UdpFrame& query) {
  const MutableBytes room = socket_.reply_room();
  if (room.empty()) return answers_.counters().send_failed.add();
  const std::size_t most = std::min(room.size(), kEthernetOctets + interface_.mtu_octets);
  if (most <= query.headers) return;
  const MutableBytes out = room.subspan(query.headers, most - query.headers);
  const Reply reply = answers_.reply_to(query.payload, query.sender, Transport::udp, out);
  answers_.counters().xdp_queries.add();
  if (answers_.is_tapped()) {
    const FrameEnds ends = ends_of(frame);
    answers_.show({ends.sender, ends.receiver, TapProtocol::udp}, query.payload,
                  out.first(reply.size), reply);
  }
  if (reply.size == 0) return;
  socket_.commit(seal_reply(frame, reply.size, next_id_++, room));
}

// A socket whose interface is gone is readable for ever.
void XdpFront::end_when_broken() {
  const int error = socket_.trouble();
  if (error == 0) return;
  poll_.stop();
  log_warning(fmt::format(
      "XDP ended, sockets go on interface={} error=\"{}\"; restart when the interface is back",
      interface_.name, std::strerror(error)));
}

}  // namespace isochrone::dns
