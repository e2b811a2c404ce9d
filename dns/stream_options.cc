// SPDX-License-Identifier: Apache-2.0
#include "dns/stream_options.h"

#include <algorithm>

#include "dns/edns.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kLengthInOpt = 9;  // after the root, type, class and TTL
constexpr std::size_t kOptionHead = 4;

void put_u16(std::uint8_t* at, std::size_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

// `octets` of data, all zero; null when there is no room.
std::uint8_t* append(MutableBytes out, Reply& reply, std::uint16_t code,
                     std::size_t octets) noexcept {
  if (out.size() - reply.size < kOptionHead + octets) return nullptr;
  std::uint8_t* option = out.data() + reply.size;
  put_u16(option, code);
  put_u16(option + 2, octets);
  std::fill_n(option + kOptionHead, octets, std::uint8_t{0});
  std::uint8_t* length = out.data() + reply.opt_at + kLengthInOpt;
  put_u16(length, (std::size_t{length[0]} << 8 | length[1]) + kOptionHead + octets);
  reply.size += kOptionHead + octets;
  return option + kOptionHead;
}

}  // namespace

void add_stream_options(MutableBytes out, Reply& reply, Millis idle, bool is_encrypted) noexcept {
  if (reply.size == 0 || reply.opt_at == 0) return;
  if (reply.wants_keepalive) {
    const auto hundreds =
        static_cast<std::size_t>(std::clamp<Millis::rep>(idle.count() / 100, 0, 0xffff));
    if (std::uint8_t* data = append(out, reply, kOptionKeepalive, 2)) put_u16(data, hundreds);
  }
  if (reply.wants_padding && is_encrypted) {
    const std::size_t least = reply.size + kOptionHead;
    const std::size_t padded = (least + kPaddedBlock - 1) / kPaddedBlock * kPaddedBlock;
    append(out, reply, kOptionPadding, std::min(padded, out.size()) - std::min(least, out.size()));
  }
}

}  // namespace isochrone::dns
