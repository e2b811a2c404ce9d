// SPDX-License-Identifier: Apache-2.0
#include "prober/raw_socket.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "prober/stamp.h"
#include "prober/tcp.h"

namespace isochrone::prober {
namespace {

// An IPv4 header with options (60) and the longest echo (170), or either in IPv6 (no header).
constexpr std::size_t kPacketBytes = 256;
// Timestamps (64), an extended error with an IPv6 address (64), and headers.
constexpr std::size_t kControlBytes = 256;
// Answers to a second's worth of 10,000 small packets while the loop is busy elsewhere.
constexpr int kReceiveBuffer = 4 << 20;

constexpr std::uint8_t kEchoReplyV4 = 0;
constexpr std::uint8_t kEchoReplyV6 = 129;
constexpr std::uint8_t kSynOrRst = 0x06;

sock_filter statement(int code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}
sock_filter jump(int code, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(code), if_true, if_false, k};
}

// X becomes where the transport header starts: raw IPv4 sockets see the IP header, IPv6 ones do not.
sock_filter find_header(Family family) {
  return family == Family::v4 ? statement(BPF_LDX | BPF_B | BPF_MSH, 0)
                              : statement(BPF_LDX | BPF_IMM, 0);
}

bool attach(int fd, std::span<sock_filter> program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

bool attach_echo_filter(int fd, Family family, std::uint16_t identifier) {
  const std::uint32_t reply = family == Family::v4 ? kEchoReplyV4 : kEchoReplyV6;
  std::array program{
      find_header(family),
      statement(BPF_LD | BPF_B | BPF_IND, 0),  // type
      jump(BPF_JMP | BPF_JEQ | BPF_K, reply, 0, 3),
      statement(BPF_LD | BPF_H | BPF_IND, 4),  // identifier
      jump(BPF_JMP | BPF_JEQ | BPF_K, identifier, 0, 1),
      statement(BPF_RET | BPF_K, kPacketBytes),
      statement(BPF_RET | BPF_K, 0),
  };
  return attach(fd, program);
}

bool attach_tcp_filter(int fd, Family family, std::uint16_t base) {
  const std::uint32_t last = base + std::uint32_t{kSourcePorts} - 1;
  std::array program{
      find_header(family),
      statement(BPF_LD | BPF_H | BPF_IND, 2),  // destination port
      jump(BPF_JMP | BPF_JGE | BPF_K, base, 0, 4),
      jump(BPF_JMP | BPF_JGT | BPF_K, last, 3, 0),
      statement(BPF_LD | BPF_B | BPF_IND, 13),  // flags
      jump(BPF_JMP | BPF_JSET | BPF_K, kSynOrRst, 0, 1),
      statement(BPF_RET | BPF_K, kPacketBytes),
      statement(BPF_RET | BPF_K, 0),
  };
  return attach(fd, program);
}

int protocol_of(Family family, Method method) {
  if (method == Method::tcp) return IPPROTO_TCP;
  return family == Family::v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
}

// The transport segment of what a raw socket gives.
Bytes without_ip_header(Family family, Bytes packet) noexcept {
  if (family == Family::v6) return packet;
  if (packet.empty()) return {};
  const std::size_t header_bytes = std::size_t{packet[0] & 0x0fU} * 4;  // IHL counts words
  return header_bytes <= packet.size() ? packet.subspan(header_bytes) : Bytes();
}

}  // namespace

struct RawSocket::Buffers {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_storage, kBatch> names{};
  std::array<std::array<std::uint8_t, kPacketBytes>, kBatch> packets{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kBatch> controls{};

  // The kernel overwrites lengths, so they are set before every call.
  std::span<mmsghdr> receive(int fd, int flags) noexcept {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {packets[i].data(), kPacketBytes};
      msghdr& header = messages[i].msg_hdr;
      header = {};
      header.msg_name = &names[i];
      header.msg_namelen = sizeof names[i];
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = controls[i].data();
      header.msg_controllen = kControlBytes;
    }
    const int got = recvmmsg(fd, messages.data(), kBatch, flags | MSG_DONTWAIT, nullptr);
    return std::span(messages).first(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
};

RawSocket::RawSocket(Fd fd, Family family)
    : fd_(std::move(fd)), family_(family), buffers_(new Buffers, [](Buffers* b) { delete b; }) {}

Result<RawSocket> RawSocket::open(Family family, const Filter& filter,
                                  const std::optional<Address>& source) {
  const bool is_tcp = filter.method == Method::tcp;
  const std::string name = fmt::format("a raw {} socket for {}", is_tcp ? "TCP" : "ICMP",
                                       family == Family::v4 ? "IPv4" : "IPv6");
  Fd fd(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 protocol_of(family, filter.method)));
  if (!fd && errno == EAFNOSUPPORT) return fail(Errc::unavailable, "no " + name + " here");
  if (!fd && (errno == EPERM || errno == EACCES)) {
    return fail(Errc::io,
                "cannot open " + name +
                    ": the prober needs CAP_NET_RAW (run as root, or give the program the "
                    "capability: setcap cap_net_raw+ep, AmbientCapabilities=CAP_NET_RAW)");
  }
  if (!fd) return fail_errno("cannot open " + name, errno);
  const bool has_filter = is_tcp ? attach_tcp_filter(fd.get(), family, filter.ours)
                                 : attach_echo_filter(fd.get(), family, filter.ours);
  if (!has_filter) return fail_errno("cannot attach a filter to " + name, errno);
  // Best effort: the kernel silently caps it at net.core.rmem_max.
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  if (auto stamps = enable_stamps(fd.get()); !stamps) {
    return tl::unexpected(stamps.error().within(name));
  }
  if (source) {
    sockaddr_storage address{};
    const unsigned length = Endpoint{*source, 0}.to_sockaddr(address);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
      return fail_errno("cannot bind source address " + source->to_string(), errno);
    }
  }
  return RawSocket(std::move(fd), family);
}

int RawSocket::send(const Probe& probe, Bytes segment) noexcept {
  sockaddr_storage to{};
  const unsigned length = Endpoint{probe.destination, 0}.to_sockaddr(to);
  if (::sendto(fd_.get(), segment.data(), segment.size(), MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&to), length) >= 0) {
    sequence_of_key_[next_key_++ % sequence_of_key_.size()] = probe.sequence;
    ++unstamped_;
    return 0;
  }
  const int refused = errno;
  // Whether the kernel counted this send is not told: start both counts afresh, so that no stamp is
  // taken for another packet's. Stamps not collected yet are given up; those probes keep our time.
  collect_stamps([](std::uint64_t, Instant) {});
  if (enable_stamps(fd_.get())) next_key_ = 0;
  unstamped_ = 0;
  sequence_of_key_.fill(0);
  return refused;
}

void RawSocket::receive(const Receive& receive) {
  // A few batches, then the loop's other work: what is left keeps the descriptor readable.
  for (int batch = 0; batch < 16; ++batch) {
    const auto messages = buffers_->receive(fd_.get(), 0);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto from =
          Address::from_sockaddr(*reinterpret_cast<const sockaddr*>(&buffers_->names[i]));
      const auto received = stamp_of(messages[i].msg_hdr);
      if (!from || !received) continue;
      const Bytes packet = Bytes(buffers_->packets[i]).first(messages[i].msg_len);
      receive(*from, without_ip_header(family_, packet), *received);
    }
    if (messages.size() < kBatch) return;
  }
}

void RawSocket::collect_stamps(const Stamped& stamped) {
  while (unstamped_ != 0) {
    const auto messages = buffers_->receive(fd_.get(), MSG_ERRQUEUE);
    unstamped_ -= std::min(unstamped_, static_cast<std::uint32_t>(messages.size()));
    for (const mmsghdr& message : messages) {
      const auto key = send_key_of(message.msg_hdr);
      const auto sent = stamp_of(message.msg_hdr);
      if (!key || !sent || next_key_ - *key > sequence_of_key_.size()) continue;
      stamped(sequence_of_key_[*key % sequence_of_key_.size()], *sent);
    }
    if (messages.size() < kBatch) return;
  }
}

}  // namespace isochrone::prober
