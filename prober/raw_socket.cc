// SPDX-License-Identifier: Apache-2.0
#include "prober/raw_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "prober/dns_probe.h"
#include "prober/hop.h"
#include "prober/icmp.h"
#include "prober/socket_filter.h"
#include "prober/stamp.h"

namespace isochrone::prober {
namespace {

// An IPv4 header with options (60) and the longest echo (170), or either in IPv6 (no header); DNS
// responses are read as far as their question.
constexpr std::size_t kPacketBytes = kSnapBytes;
static_assert(kMaxEchoBytes <= kPacketBytes && kMaxHopBytes <= kPacketBytes &&
              kMaxQueryBytes <= kPacketBytes);
// Timestamps (64), an extended error with an IPv6 address (64), and headers.
constexpr std::size_t kControlBytes = 256;
// Answers to a second's worth of 10,000 small packets while the loop is busy elsewhere.
constexpr int kReceiveBuffer = 4 << 20;
// A thousand packets, as the kernel counts them: what a receiver's queue (netdev_max_backlog) takes.
constexpr int kSendBuffer = 1 << 20;

struct Kind {
  int type;
  int protocol;
};

Kind kind_of(Family family, Method method) {
  const bool is_v4 = family == Family::v4;
  switch (method) {
    case Method::tcp:
      return {SOCK_RAW, IPPROTO_TCP};
    case Method::dns:
      return {SOCK_DGRAM, IPPROTO_UDP};
    case Method::hop:
      return {SOCK_RAW, IPPROTO_RAW};  // we write the IP header
    default:
      return {SOCK_RAW, is_v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}};
  }
}

std::string name_of(Family family, Method method) {
  const std::string_view what = method == Method::tcp   ? "a raw TCP socket"
                                : method == Method::dns ? "a UDP socket"
                                : method == Method::hop ? "a raw IP socket"
                                                        : "a raw ICMP socket";
  return fmt::format("{} for {}", what, family == Family::v4 ? "IPv4" : "IPv6");
}

Fd make_socket(Family family, const Kind& kind) {
  return Fd(::socket(family == Family::v4 ? AF_INET : AF_INET6,
                     kind.type | SOCK_NONBLOCK | SOCK_CLOEXEC, kind.protocol));
}

bool attach_filter(int fd, Family family, Method method, const RawSocket::Filter& filter) {
  switch (method) {
    case Method::icmp:
      return attach_icmp_filter(fd, family, filter.identifier, filter.source_base, filter.dns_port);
    case Method::tcp:
      return attach_tcp_filter(fd, family, filter.source_base);
    case Method::hop:
      return attach_deaf_filter(fd);
    default:
      return true;
  }
}

// The transport segment of what a raw IPv4 socket gives.
Bytes without_ip_header(Bytes packet) noexcept {
  if (packet.empty()) return {};
  const std::size_t header_bytes = std::size_t{packet[0] & 0x0fU} * 4;  // IHL counts words
  return header_bytes <= packet.size() ? packet.subspan(header_bytes) : Bytes();
}

// Port 0 with `source`, or with any address: the kernel chooses the port.
Result<void> bind_to(int fd, Family family, const std::optional<Address>& source) {
  const Address any = Address::from_bits(family, 0, 0);
  sockaddr_storage address{};
  const unsigned length = Endpoint{source.value_or(any), 0}.to_sockaddr(address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return {};
  return fail_errno("cannot bind source address " + source.value_or(any).to_string(), errno);
}

std::uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(fd, name, &length) != 0) return 0;
  const auto endpoint = Endpoint::from_sockaddr(*name);
  return endpoint ? endpoint->port : 0;
}

}  // namespace

struct RawSocket::Buffers {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_storage, kBatch> names{};
  std::array<std::array<std::uint8_t, kPacketBytes>, kBatch> packets{};
  alignas(cmsghdr) std::array<std::array<std::uint8_t, kControlBytes>, kBatch> controls{};
  // What is to be sent.
  std::array<mmsghdr, kBatch> sends{};
  std::array<iovec, kBatch> send_vectors{};
  std::array<sockaddr_storage, kBatch> send_names{};
  std::array<std::array<std::uint8_t, kPacketBytes>, kBatch> send_packets{};

  // The kernel overwrites lengths, so those of the messages it filled are set again.
  std::size_t filled = kBatch;

  std::span<mmsghdr> receive(int fd, int flags) noexcept {
    for (std::size_t i = 0; i < filled; ++i) {
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
    // One more than it counts may have been begun.
    filled = got < 0 ? 1 : std::min(static_cast<std::size_t>(got) + 1, kBatch);
    return std::span(messages).first(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
};

RawSocket::RawSocket(Fd fd, Family family)
    : fd_(std::move(fd)), family_(family), buffers_(new Buffers, [](Buffers* b) { delete b; }) {}

Result<RawSocket> RawSocket::open(Family family, Method method, const Filter& filter,
                                  const std::optional<Address>& source) {
  const std::string name = name_of(family, method);
  const Kind kind = kind_of(family, method);
  Fd fd = make_socket(family, kind);
  if (!fd && errno == EAFNOSUPPORT) return fail(Errc::unavailable, "no " + name + " here");
  const bool is_forbidden = !fd && (errno == EPERM || errno == EACCES);
  if (!fd && !is_forbidden) return fail_errno("cannot open " + name, errno);
  const bool is_ping = is_forbidden && method == Method::icmp;
  // A socket of the kernel's for pings alone (net.ipv4.ping_group_range): it chooses the identifier.
  if (is_ping) fd = make_socket(family, {SOCK_DGRAM, kind.protocol});
  if (!fd) {
    return fail(Errc::unavailable,
                "cannot open " + name +
                    ": the prober needs CAP_NET_RAW (run as root, or give the program the "
                    "capability: setcap cap_net_raw+ep, AmbientCapabilities=CAP_NET_RAW)");
  }
  RawSocket socket(std::move(fd), family);
  socket.has_errors_ = method == Method::icmp && !is_ping;
  socket.has_ip_header_ = family == Family::v4 && kind.type == SOCK_RAW && !is_ping;
  const bool has_port = is_ping || method == Method::dns;
  if (!has_port && !attach_filter(socket.fd(), family, method, filter)) {
    return fail_errno("cannot attach a filter to " + name, errno);
  }
  const int yes = 1;
  if (socket.has_ip_header_ &&
      setsockopt(socket.fd(), IPPROTO_IP, IP_HDRINCL, &yes, sizeof yes) != 0) {
    return fail_errno("cannot write IP headers on " + name, errno);
  }
  // Best effort: the kernel silently caps it at net.core.rmem_max.
  setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  if (auto stamps = enable_stamps(socket.fd()); !stamps) {
    return tl::unexpected(stamps.error().within(name));
  }
  if (source || has_port) {
    if (auto bound = bind_to(socket.fd(), family, source); !bound) {
      return tl::unexpected(bound.error());
    }
  }
  if (has_port) socket.local_port_ = port_of(socket.fd());
  return socket;
}

MutableBytes RawSocket::room() noexcept { return buffers_->send_packets[queued_]; }

void RawSocket::queue(const Probe& probe, std::size_t length, std::uint16_t port) noexcept {
  const std::size_t at = queued_++;
  queued_sequence_[at] = probe.sequence;
  buffers_->send_vectors[at] = {buffers_->send_packets[at].data(), length};
  msghdr& header = buffers_->sends[at].msg_hdr;
  header = {};
  header.msg_name = &buffers_->send_names[at];
  header.msg_namelen = Endpoint{probe.destination, port}.to_sockaddr(buffers_->send_names[at]);
  header.msg_iov = &buffers_->send_vectors[at];
  header.msg_iovlen = 1;
}

void RawSocket::flush(const Loop& clock, const Refused& refused, const Stamped& stamped) {
  const std::size_t count = std::exchange(queued_, 0);
  std::size_t at = 0;
  while (at < count) {
    const Instant before = has_send_stamps_ ? Instant() : clock.wall();
    const int sent =
        sendmmsg(fd_.get(), &buffers_->sends[at], static_cast<unsigned>(count - at), MSG_DONTWAIT);
    if (sent <= 0) {
      const int error_number = errno;
      if (has_send_stamps_) start_stamps_afresh();
      refused(queued_sequence_[at++], error_number);
      continue;
    }
    const auto taken = std::span(queued_sequence_).subspan(at, static_cast<std::size_t>(sent));
    at += taken.size();
    if (has_send_stamps_) {
      expect_stamps(taken);
    } else {
      spread(taken, before, clock.wall(), stamped);
    }
  }
}

void RawSocket::expect_stamps(std::span<const std::uint64_t> sequences) noexcept {
  for (const std::uint64_t sequence : sequences) {
    sequence_of_key_[next_key_++ % sequence_of_key_.size()] = sequence;
  }
  unstamped_ += static_cast<std::uint32_t>(sequences.size());
}

// They left one after the other, each after about as long.
void RawSocket::spread(std::span<const std::uint64_t> sequences, Instant from, Instant to,
                       const Stamped& stamped) {
  const auto count = static_cast<std::int64_t>(sequences.size());
  const Nanos each = (to - from) / count;
  for (std::int64_t i = 0; i < count; ++i) {
    stamped(sequences[static_cast<std::size_t>(i)], from + each * i + each / 2);
  }
}

void RawSocket::use_send_stamps(bool is_wanted) {
  if (std::exchange(has_send_stamps_, is_wanted) == is_wanted) return;
  if (is_wanted) return start_stamps_afresh();
  collect_stamps([](std::uint64_t, Instant) {});
  static_cast<void>(enable_receive_stamps(fd_.get()));
  unstamped_ = 0;
}

// Whether the kernel counted a refused send is not told: start both counts afresh, so that no stamp is
// taken for another packet's. Stamps not collected yet are given up; those probes keep our time.
void RawSocket::start_stamps_afresh() {
  collect_stamps([](std::uint64_t, Instant) {});
  if (enable_stamps(fd_.get())) next_key_ = 0;
  unstamped_ = 0;
  sequence_of_key_.fill(0);
}

void RawSocket::receive(const Receive& receive) {
  // A few batches, then the loop's other work: what is left keeps the descriptor readable.
  for (int batch = 0; batch < 16; ++batch) {
    const auto messages = buffers_->receive(fd_.get(), 0);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto from =
          Endpoint::from_sockaddr(*reinterpret_cast<const sockaddr*>(&buffers_->names[i]));
      const auto received = stamp_of(messages[i].msg_hdr);
      if (!from || !received) continue;
      const Bytes packet = Bytes(buffers_->packets[i]).first(messages[i].msg_len);
      receive(*from, has_ip_header_ ? without_ip_header(packet) : packet, *received);
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
