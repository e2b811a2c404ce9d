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

// Batches per wake-up: TCP and timers of the same loop wait no longer than about a millisecond.
constexpr unsigned kBatchesPerWake = 8;
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
  for (unsigned i = 0; i < kBatchesPerWake; ++i) {
    const unsigned received = serve_batch();
    if (received == 0 && i == 0) end_when_broken();
    if (received < XdpSocket::kBatch) return;
  }
}

void XdpFront::drain() {
  // The hook is gone, so no more come than the ring holds.
  for (unsigned i = 0; i < XdpSocket::kRing / XdpSocket::kBatch; ++i) {
    if (serve_batch() == 0) return;
  }
}

unsigned XdpFront::serve_batch() {
  const unsigned received = socket_.receive();
  if (received == 0) return 0;
  answers_.refresh(loop_);
  for (unsigned i = 0; i < received; ++i) answer(socket_.frame(i));
  socket_.release();
  if (!socket_.transmit()) retry_.start(kRetry);
  return received;
}

void XdpFront::answer(Bytes frame) {
  const auto query = parse_udp_frame(frame);
  if (!query) return answers_.counters().xdp_malformed.add();
  const MutableBytes room = socket_.reply_room();
  if (room.empty()) return answers_.counters().send_failed.add();
  const std::size_t most = std::min(room.size(), kEthernetOctets + interface_.mtu_octets);
  if (most <= query->headers) return;
  const MutableBytes out = room.subspan(query->headers, most - query->headers);
  const Reply reply = answers_.reply_to(query->payload, query->sender, Transport::udp, out);
  answers_.counters().xdp_queries.add();
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
