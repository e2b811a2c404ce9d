// SPDX-License-Identifier: Apache-2.0
#include "prober/tcp_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace isochrone::prober {
namespace {

// States with a client and an RTT (linux/tcp_states.h): established, and the five of closing that
// are not yet TIME_WAIT.
constexpr std::uint32_t kStates =
    (1U << 1) | (1U << 4) | (1U << 5) | (1U << 8) | (1U << 9) | (1U << 11);

// What lies at `offset`; netlink is in host order. Short input leaves the rest zero, as an older
// kernel's shorter tcp_info wants.
template <class T>
T value_at(Bytes bytes, std::size_t offset = 0) {
  T value{};
  if (offset < bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, std::min(sizeof value, bytes.size() - offset));
  }
  return value;
}

void append(std::vector<std::uint8_t>& to, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  to.insert(to.end(), bytes, bytes + size);
}

std::size_t aligned(std::size_t length) { return (length + 3) & ~std::size_t{3}; }

// The address of the client, with an IPv4 address in an IPv6 socket taken for what it is.
std::optional<Address> client_of(const inet_diag_msg& message) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&message.id.idiag_dst);
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (message.idiag_family == AF_INET) return Address::from_bytes(Family::v4, {bytes, 4});
  if (message.idiag_family != AF_INET6) return std::nullopt;
  if (std::equal(kMapped.begin(), kMapped.end(), bytes)) {
    return Address::from_bytes(Family::v4, {bytes + 12, 4});
  }
  return Address::from_bytes(Family::v6, {bytes, 16});
}

// The attribute that holds the tcp_info; empty when there is none or the list is broken.
Bytes info_of(Bytes attributes) {
  while (attributes.size() >= sizeof(rtattr)) {
    const auto head = value_at<rtattr>(attributes);
    if (head.rta_len < sizeof head || head.rta_len > attributes.size()) return {};
    if (head.rta_type == INET_DIAG_INFO) return attributes.first(head.rta_len).subspan(sizeof head);
    attributes = attributes.subspan(std::min(aligned(head.rta_len), attributes.size()));
  }
  return {};
}

void parse_connection(Bytes body, std::vector<Connection>& to) {
  if (body.size() < sizeof(inet_diag_msg)) return;
  const auto message = value_at<inet_diag_msg>(body);
  const auto client = client_of(message);
  const auto info = value_at<tcp_info>(info_of(body.subspan(sizeof message)));
  if (!client || info.tcpi_rtt == 0) return;
  Connection one;
  one.cookie =
      std::uint64_t{message.id.idiag_cookie[1]} << 32 | std::uint64_t{message.id.idiag_cookie[0]};
  one.client = *client;
  one.local_port =
      load_be<std::uint16_t>(reinterpret_cast<const std::uint8_t*>(&message.id.idiag_sport));
  one.rtt = Micros(info.tcpi_rtt);
  one.deviation = Micros(info.tcpi_rttvar);
  // All ones until the first sample, and absent before Linux 4.6.
  const bool has_min = info.tcpi_min_rtt != 0 && info.tcpi_min_rtt <= info.tcpi_rtt;
  one.min_rtt = has_min ? Micros(info.tcpi_min_rtt) : one.rtt;
  one.quiet = Millis(info.tcpi_last_ack_recv);
  one.segments = info.tcpi_data_segs_out;
  one.repeated = info.tcpi_total_retrans - std::min(info.tcpi_dsack_dups, info.tcpi_total_retrans);
  to.push_back(one);
}

}  // namespace

Piece parse_piece(Bytes bytes, std::vector<Connection>& to) {
  while (!bytes.empty()) {
    const auto head = value_at<nlmsghdr>(bytes);
    if (bytes.size() < sizeof head || head.nlmsg_len < sizeof head ||
        head.nlmsg_len > bytes.size()) {
      return Piece::broken;
    }
    if (head.nlmsg_type == NLMSG_DONE) return Piece::end;
    if (head.nlmsg_type == NLMSG_ERROR) return Piece::broken;
    if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
      parse_connection(bytes.first(head.nlmsg_len).subspan(sizeof head), to);
    }
    bytes = bytes.subspan(std::min(aligned(head.nlmsg_len), bytes.size()));
  }
  return Piece::more;
}

// For each port: at least it (else on to the next), at most it (likewise), and a jump to the end,
// which accepts; the last has no next and rejects by leading past the end.
std::vector<std::uint8_t> port_filter(std::span<const std::uint16_t> ports) {
  constexpr std::uint16_t kOp = sizeof(inet_diag_bc_op);
  constexpr std::uint16_t kBlock = 5 * kOp;
  std::vector<std::uint8_t> code;
  const auto op = [&](int what, int yes, int no) {
    const inet_diag_bc_op one{static_cast<std::uint8_t>(what), static_cast<std::uint8_t>(yes),
                              static_cast<std::uint16_t>(no)};
    append(code, &one, sizeof one);
  };
  const std::size_t size = ports.size() * kBlock - kOp;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    op(INET_DIAG_BC_S_GE, 2 * kOp, kBlock);
    op(INET_DIAG_BC_NOP, kOp, ports[i]);
    op(INET_DIAG_BC_S_LE, 2 * kOp, kBlock - 2 * kOp);
    op(INET_DIAG_BC_NOP, kOp, ports[i]);
    if (i + 1 < ports.size()) op(INET_DIAG_BC_JMP, kOp, static_cast<int>(size - code.size()));
  }
  return code;
}

Result<TcpDiag> TcpDiag::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) {
    return fail(Errc::io, std::string("cannot ask the kernel about connections (sock_diag): ") +
                              std::strerror(errno) + "; leave prober.passive.ports out");
  }
  return TcpDiag(std::move(fd));
}

Result<void> TcpDiag::begin(Family family, std::span<const std::uint16_t> ports) {
  const std::vector<std::uint8_t> filter = port_filter(ports);
  nlmsghdr head{};
  inet_diag_req_v2 request{};
  rtattr attribute{};
  attribute.rta_type = INET_DIAG_REQ_BYTECODE;
  attribute.rta_len = static_cast<std::uint16_t>(sizeof attribute + filter.size());
  head.nlmsg_len = static_cast<std::uint32_t>(sizeof head + sizeof request + attribute.rta_len);
  head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.sdiag_family = family == Family::v4 ? AF_INET : AF_INET6;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  request.idiag_states = kStates;
  std::vector<std::uint8_t> message;
  append(message, &head, sizeof head);
  append(message, &request, sizeof request);
  append(message, &attribute, sizeof attribute);
  append(message, filter.data(), filter.size());
  if (::send(fd_.get(), message.data(), message.size(), 0) < 0) {
    return fail(Errc::io, std::string("sock_diag: ") + std::strerror(errno));
  }
  return {};
}

Piece TcpDiag::read(std::vector<Connection>& to) {
  // The kernel makes a piece when the one before it is taken, so this does not wait.
  const ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0) return errno == EINTR ? Piece::more : Piece::broken;
  return parse_piece(Bytes(buffer_).first(static_cast<std::size_t>(got)), to);
}

}  // namespace isochrone::prober
