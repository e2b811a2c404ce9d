// SPDX-License-Identifier: Apache-2.0
#include "prober/socket_filter.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <span>

#include "prober/tcp.h"

namespace isochrone::prober {
namespace {

constexpr std::uint8_t kSynOrRst = 0x06;

sock_filter statement(int code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}
sock_filter jump(int code, std::uint32_t k, std::uint8_t if_true, std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(code), if_true, if_false, k};
}

// X becomes where the transport header starts.
sock_filter find_header(Family family) {
  return family == Family::v4 ? statement(BPF_LDX | BPF_B | BPF_MSH, 0)
                              : statement(BPF_LDX | BPF_IMM, 0);
}

bool attach(int fd, std::span<sock_filter> program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

}  // namespace

bool attach_icmp_filter(int fd, Family family, std::uint16_t identifier, std::uint16_t base,
                        std::uint16_t dns_port) {
  const bool is_v4 = family == Family::v4;
  const std::uint32_t reply = is_v4 ? 0 : 129;  // RFC 792, RFC 4443
  const std::uint32_t exceeded = is_v4 ? 11 : 3;
  const std::uint32_t unreachable = is_v4 ? 3 : 1;
  const std::uint32_t last = base + std::uint32_t{kSourcePorts} - 1;
  std::array program{
      /* 0 */ find_header(family),
      /* 1 */ statement(BPF_LD | BPF_B | BPF_IND, 0),  // type
      /* 2 */ jump(BPF_JMP | BPF_JEQ | BPF_K, reply, 0, 2),
      /* 3 */ statement(BPF_LD | BPF_H | BPF_IND, 4),  // identifier
      /* 4 */ jump(BPF_JMP | BPF_JEQ | BPF_K, identifier, 11, 12),
      /* 5 */ jump(BPF_JMP | BPF_JEQ | BPF_K, exceeded, 1, 0),
      /* 6 */ jump(BPF_JMP | BPF_JEQ | BPF_K, unreachable, 0, 10),
      /* 7 */ statement(BPF_LD | BPF_B | BPF_IND, 8),  // what is quoted: version, words of header
      /* 8 */ statement(BPF_ALU | BPF_AND | BPF_K, is_v4 ? 0x0f : 0),
      /* 9 */ statement(BPF_ALU | BPF_LSH | BPF_K, 2),
      /* 10 */
      is_v4 ? statement(BPF_ALU | BPF_ADD | BPF_X, 0)
            : statement(BPF_ALU | BPF_ADD | BPF_K, 40),  // IPv6 has no words, but 40 bytes
      /* 11 */ statement(BPF_MISC | BPF_TAX, 0),
      /* 12 */ statement(BPF_LD | BPF_H | BPF_IND, 8),  // the quoted source port
      /* 13 */ jump(BPF_JMP | BPF_JEQ | BPF_K, dns_port, 2, 0),
      /* 14 */ jump(BPF_JMP | BPF_JGE | BPF_K, base, 0, 2),
      /* 15 */ jump(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
      /* 16 */ statement(BPF_RET | BPF_K, kSnapBytes),
      /* 17 */ statement(BPF_RET | BPF_K, 0),
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
      statement(BPF_RET | BPF_K, kSnapBytes),
      statement(BPF_RET | BPF_K, 0),
  };
  return attach(fd, program);
}

bool attach_deaf_filter(int fd) {
  std::array program{statement(BPF_RET | BPF_K, 0)};
  return attach(fd, program);
}

}  // namespace isochrone::prober
