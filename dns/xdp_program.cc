// SPDX-License-Identifier: Apache-2.0
#include "dns/xdp_program.h"

#include <cstddef>
#include <cstring>

#include "dns/frame.h"
#include "dns/xdp_socket.h"

namespace isochrone::dns {
namespace {

constexpr std::uint8_t kProtocolUdp = 17;

// Registers by their use. The verifier knows r1 as the context at the start and r0 as the verdict.
constexpr std::uint8_t kVerdict = BPF_REG_0;
constexpr std::uint8_t kContext = BPF_REG_1;
constexpr std::uint8_t kData = BPF_REG_2;
constexpr std::uint8_t kEnd = BPF_REG_3;
constexpr std::uint8_t kValue = BPF_REG_4;
constexpr std::uint8_t kWanted = BPF_REG_5;
constexpr std::uint8_t kQueue = BPF_REG_6;

// Appends instructions; jumps name a label that is set later.
class Assembler {
 public:
  enum Label { pass, redirect, next, ipv6, kLabels };

  void emit(int code, std::uint8_t to, std::uint8_t from, int offset, std::int32_t value) {
    bpf_insn instruction{};
    instruction.code = static_cast<std::uint8_t>(code);
    instruction.dst_reg = to & 0xf;
    instruction.src_reg = from & 0xf;
    instruction.off = static_cast<std::int16_t>(offset);
    instruction.imm = value;
    code_.push_back(instruction);
  }
  void load_context(std::uint8_t to, std::size_t offset) {
    emit(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int>(offset), 0);
  }
  // kValue = so many octets of the frame, as they lie.
  void load_frame(int size, std::size_t offset) {
    emit(BPF_LDX | BPF_MEM | size, kValue, kData, static_cast<int>(offset), 0);
  }
  // kValue = where the frame's octet `offset` would be.
  void point_at(std::size_t offset) {
    emit(BPF_ALU64 | BPF_MOV | BPF_X, kValue, kData, 0, 0);
    emit(BPF_ALU64 | BPF_ADD | BPF_K, kValue, 0, 0, static_cast<std::int32_t>(offset));
  }
  void jump_beyond_end(int comparison, Label label) {
    jumps_.push_back({code_.size(), label});
    emit(BPF_JMP | comparison | BPF_X, kValue, kEnd, 0, 0);
  }
  void jump(Label label) {
    jumps_.push_back({code_.size(), label});
    emit(BPF_JMP | BPF_JA, 0, 0, 0, 0);
  }
  void jump_if(int comparison, std::int32_t value, Label label) {
    jumps_.push_back({code_.size(), label});
    emit(BPF_JMP | comparison | BPF_K, kValue, 0, 0, value);
  }
  // Goes on only where the frame's octets are `bytes`: 1, 2, 4 or a multiple of 8.
  void expect(std::size_t offset, Bytes bytes, Label otherwise) {
    if (bytes.size() == 1) return expect_as<std::uint8_t>(BPF_B, offset, bytes, otherwise);
    if (bytes.size() == 2) return expect_as<std::uint16_t>(BPF_H, offset, bytes, otherwise);
    if (bytes.size() == 4) return expect_as<std::uint32_t>(BPF_W, offset, bytes, otherwise);
    for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      expect_as<std::uint64_t>(BPF_DW, offset + i, bytes.subspan(i), otherwise);
    }
  }
  void load_wide(std::uint8_t to, std::uint8_t kind, std::uint64_t value) {
    emit(BPF_LD | BPF_DW | BPF_IMM, to, kind, 0, static_cast<std::int32_t>(value));
    emit(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32));
  }
  // Jumps so far to this label come here; it may be used again.
  void set(Label label) {
    std::erase_if(jumps_, [&](const Jump& jump) {
      if (jump.label != label) return false;
      code_[jump.at].off = static_cast<std::int16_t>(code_.size() - jump.at - 1);
      return true;
    });
  }
  std::vector<bpf_insn> take() { return std::move(code_); }

 private:
  struct Jump {
    std::size_t at;
    Label label;
  };

  // Both sides are loaded without swapping: equal octets are equal numbers. 64 bits are compared, as
  // a 32-bit constant would be sign-extended.
  template <class T>
  void expect_as(int size, std::size_t offset, Bytes bytes, Label otherwise) {
    T wanted = 0;
    std::memcpy(&wanted, bytes.data(), sizeof wanted);
    load_frame(size, offset);
    load_wide(kWanted, 0, wanted);
    jumps_.push_back({code_.size(), otherwise});
    emit(BPF_JMP | BPF_JNE | BPF_X, kValue, kWanted, 0, 0);
  }

  std::vector<bpf_insn> code_;
  std::vector<Jump> jumps_;
};

struct Layout {
  Family family;
  std::size_t headers;
  std::size_t destination;
};
constexpr Layout kV4{Family::v4, kFrameHeadersV4, kEthernetOctets + 16};
constexpr Layout kV6{Family::v6, kFrameHeadersV6, kEthernetOctets + 24};

// One comparison after the other: a name server has a handful of addresses.
void match_endpoints(Assembler& code, const XdpFilter& filter, const Layout& layout) {
  for (const Endpoint& endpoint : filter.endpoints) {
    if (endpoint.address.family() != layout.family) continue;
    const auto address = endpoint.address.bytes();
    const std::array<std::uint8_t, 2> port{static_cast<std::uint8_t>(endpoint.port >> 8),
                                           static_cast<std::uint8_t>(endpoint.port)};
    const std::size_t width = static_cast<std::size_t>(endpoint.address.width()) / 8;
    code.expect(layout.headers - kUdpOctets + 2, port, Assembler::next);
    code.expect(layout.destination, Bytes(address).first(width), Assembler::next);
    code.jump(Assembler::redirect);
    code.set(Assembler::next);
  }
  code.jump(Assembler::pass);
}

void match_ipv4(Assembler& code, const XdpFilter& filter) {
  constexpr std::array<std::uint8_t, 2> kEtherIpv4{0x08, 0x00};
  constexpr std::array<std::uint8_t, 1> kPlainHeader{0x45};  // version 4, no options
  constexpr std::array<std::uint8_t, 1> kUdp{kProtocolUdp};
  code.expect(12, kEtherIpv4, Assembler::ipv6);
  code.expect(kEthernetOctets, kPlainHeader, Assembler::pass);
  // More-fragments and the offset, of which the load sees the octets in their order on the wire.
  std::uint16_t fragment_bits = 0;
  constexpr std::array<std::uint8_t, 2> kFragmentOctets{0x3f, 0xff};
  std::memcpy(&fragment_bits, kFragmentOctets.data(), 2);
  code.load_frame(BPF_H, kEthernetOctets + 6);
  code.jump_if(BPF_JSET, fragment_bits, Assembler::pass);
  code.expect(kEthernetOctets + 9, kUdp, Assembler::pass);
  match_endpoints(code, filter, kV4);
}

void match_ipv6(Assembler& code, const XdpFilter& filter) {
  constexpr std::array<std::uint8_t, 2> kEtherIpv6{0x86, 0xdd};
  constexpr std::array<std::uint8_t, 1> kUdp{kProtocolUdp};
  code.set(Assembler::ipv6);
  code.expect(12, kEtherIpv6, Assembler::pass);
  code.point_at(kFrameHeadersV6);
  code.jump_beyond_end(BPF_JGT, Assembler::pass);
  code.expect(kEthernetOctets + 6, kUdp, Assembler::pass);
  match_endpoints(code, filter, kV6);
}

}  // namespace

std::vector<bpf_insn> assemble_xdp_program(const XdpFilter& filter, int sockets_map) {
  Assembler code;
  code.load_context(kQueue, offsetof(xdp_md, rx_queue_index));
  code.load_context(kData, offsetof(xdp_md, data));
  code.load_context(kEnd, offsetof(xdp_md, data_end));
  code.point_at(kFrameHeadersV4);
  code.jump_beyond_end(BPF_JGT, Assembler::pass);
  code.point_at(XdpSocket::kMaxReceiveOctets);
  code.jump_beyond_end(BPF_JLT, Assembler::pass);
  code.expect(0, Bytes(filter.mac).first(4), Assembler::pass);
  code.expect(4, Bytes(filter.mac).subspan(4), Assembler::pass);
  match_ipv4(code, filter);
  match_ipv6(code, filter);
  code.set(Assembler::redirect);
  code.load_wide(BPF_REG_1, BPF_PSEUDO_MAP_FD, static_cast<std::uint32_t>(sockets_map));
  code.emit(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, kQueue, 0, 0);
  code.emit(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS);  // where no socket is
  code.emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
  code.emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  code.set(Assembler::pass);
  code.emit(BPF_ALU64 | BPF_MOV | BPF_K, kVerdict, 0, 0, XDP_PASS);
  code.emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  return code.take();
}

}  // namespace isochrone::dns
