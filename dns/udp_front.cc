// SPDX-License-Identifier: Apache-2.0
#include "dns/udp_front.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "dns/answer_worker.h"
#include "dns/socket_name.h"

namespace isochrone::dns {
namespace {

// 64 queries hide the cost of a system call; more only lengthen the wait of the first.
constexpr unsigned kBatch = 64;
// Batches per wake-up: TCP and timers of the same loop wait no longer than about a millisecond.
constexpr unsigned kBatchesPerWake = 8;
// So many at once pay for two more system calls, which end the watch and begin it anew: some 0.2 us are saved
// with each, in locks of the socket's and the watcher's queues.
constexpr unsigned kBusyBatch = 16;
// A query is a question and options: 4096 octets is the largest payload EDNS speakers ever used.
constexpr std::size_t kReceiveOctets = 4'096;
constexpr std::size_t kSendOctets = 4'096;
// Room for one IP_PKTINFO or IPV6_PKTINFO.
constexpr std::size_t kControlOctets = CMSG_SPACE(sizeof(in6_pktinfo));

// Keeps the address that was asked as the reply's source, but lets routing choose the way back: the
// interface a query came in by need not be the one that leads to its sender.
void release_interface(msghdr& header) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO) continue;
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(control), sizeof info);
    info.ipi_ifindex = 0;
    std::memcpy(CMSG_DATA(control), &info, sizeof info);
  }
}

// The address that was asked, where a socket has none of its own.
Address asked_address(const msghdr& header, const Address& bound) {
  // The kernel writes what the header's fields then point to.
  auto& readable = const_cast<msghdr&>(header);
  for (cmsghdr* control = CMSG_FIRSTHDR(&readable); control != nullptr;
       control = CMSG_NXTHDR(&readable, control)) {
    const std::uint8_t* data = CMSG_DATA(control);
    std::array<std::uint8_t, 16> octets{};
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      std::memcpy(octets.data(), data + offsetof(in_pktinfo, ipi_addr), 4);
      return Address::from_bytes(Family::v4, std::span(octets).first(4)).value_or(bound);
    }
    if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      std::memcpy(octets.data(), data + offsetof(in6_pktinfo, ipi6_addr), 16);
      return Address::from_bytes(Family::v6, octets).value_or(bound);
    }
  }
  return bound;
}

}  // namespace

struct UdpBatch::Buffers {
  struct Slot {
    std::array<std::uint8_t, kReceiveOctets> query;
    std::array<std::uint8_t, kSendOctets> reply;
    alignas(cmsghdr) std::array<std::uint8_t, kControlOctets> control;
    sockaddr_storage peer;
    iovec in;
    iovec out;
  };
  std::array<Slot, kBatch> slots;
  std::array<mmsghdr, kBatch> received;
  std::array<mmsghdr, kBatch> replies;
};

UdpBatch::UdpBatch() : buffers_(std::make_unique<Buffers>()) {}
UdpBatch::~UdpBatch() = default;

UdpFront::UdpFront(Loop& loop, Fd socket, Answers& answers, UdpBatch& batch)
    : loop_(loop),
      socket_(std::move(socket)),
      answers_(answers),
      buffers_(batch.buffers()),
      bound_(own_name(socket_.get())),
      again_(loop, [this] { serve(); }),
      poll_(loop, socket_.get(), [this](unsigned) { serve(); }) {
  poll_.watch(Poll::readable);
}

void UdpFront::set_listening(bool is_listening) {
  is_listening_ = is_listening;
  is_busy_ = false;
  is_listening ? poll_.watch(Poll::readable) : poll_.stop();
}

void UdpFront::serve() {
  if (!is_listening_) return;  // told so after it was to go on
  for (unsigned i = 0; i < kBatchesPerWake; ++i) {
    const int result = receive();
    if (result <= 0) return set_busy(false);
    const auto received = static_cast<unsigned>(result);
    answers_.refresh(loop_);
    prepare(received);
    send(answer_batch(received));
    if (received >= kBusyBatch) set_busy(true);
    if (received < kBatch && !is_busy_) return;
  }
  if (is_busy_) again_.notify();  // after the loop's other handles
}

void UdpFront::set_busy(bool is_busy) {
  if (is_busy == is_busy_) return;
  is_busy_ = is_busy;
  is_busy ? poll_.stop() : poll_.watch(Poll::readable);
}

int UdpFront::receive() {
  for (unsigned i = 0; i < kBatch; ++i) {
    auto& slot = buffers_.slots[i];
    slot.in = {slot.query.data(), slot.query.size()};
    msghdr& header = buffers_.received[i].msg_hdr;
    header = {};
    header.msg_name = &slot.peer;
    header.msg_namelen = sizeof slot.peer;
    header.msg_iov = &slot.in;
    header.msg_iovlen = 1;
    header.msg_control = slot.control.data();
    header.msg_controllen = slot.control.size();
  }
  int received = 0;
  do {
    received = recvmmsg(socket_.get(), buffers_.received.data(), kBatch, MSG_DONTWAIT, nullptr);
    // An ICMP error of an earlier reply is reported here once; what waits behind it is served.
  } while (received < 0 && (errno == EINTR || errno == ECONNREFUSED));
  return received;
}

// One query alone has nobody to wait with.
void UdpFront::prepare(unsigned received) const {
  if (received < 2) return;
  std::array<Bytes, kBatch> queries;
  for (unsigned i = 0; i < received; ++i) {
    queries[i] = Bytes(buffers_.slots[i].query).first(buffers_.received[i].msg_len);
  }
  answers_.prepare(std::span(queries).first(received));
}

unsigned UdpFront::answer_batch(unsigned received) {
  unsigned replies = 0;
  for (unsigned i = 0; i < received; ++i) {
    auto& slot = buffers_.slots[i];
    const msghdr& in = buffers_.received[i].msg_hdr;
    if ((in.msg_flags & MSG_TRUNC) != 0) {
      answers_.counters().oversized.add();
      continue;
    }
    const auto sender = Address::from_sockaddr(*reinterpret_cast<const sockaddr*>(&slot.peer));
    if (!sender) continue;
    const Bytes query = Bytes(slot.query).first(buffers_.received[i].msg_len);
    const Reply reply = answers_.reply_to(query, *sender, Transport::udp, slot.reply);
    if (answers_.is_tapped()) show(query, Bytes(slot.reply).first(reply.size), in, reply);
    if (reply.size == 0) continue;
    slot.out = {slot.reply.data(), reply.size};
    msghdr& out = buffers_.replies[replies++].msg_hdr;
    out = in;  // peer, and the control message that names the address asked
    out.msg_iov = &slot.out;
    out.msg_flags = 0;
    if (out.msg_controllen == 0) {
      out.msg_control = nullptr;
    } else {
      release_interface(out);
    }
  }
  return replies;
}

void UdpFront::show(Bytes query, Bytes sent, const msghdr& in, const Reply& reply) const {
  const auto client = Endpoint::from_sockaddr(*static_cast<const sockaddr*>(in.msg_name));
  if (!client) return;
  const Endpoint server{asked_address(in, bound_.address), bound_.port};
  answers_.show({*client, server, TapProtocol::udp}, query, sent, reply);
}

void UdpFront::send(unsigned replies) {
  for (unsigned sent = 0; sent < replies;) {
    const int count =
        sendmmsg(socket_.get(), buffers_.replies.data() + sent, replies - sent, MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<unsigned>(count);
    } else if (errno != EINTR) {
      // The first of the rest cannot go (its network is unreachable, the buffer is full): the
      // resolver will ask again, the others may still go.
      answers_.counters().send_failed.add();
      ++sent;
    }
  }
}

}  // namespace isochrone::dns
