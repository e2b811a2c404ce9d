// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.h"

#include <bit>

#include "base/random.h"

namespace isochrone {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

std::uint64_t little_endian(Bytes bytes) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) word |= std::uint64_t{bytes[i]} << (8 * i);
  return word;
}

}  // namespace

SipKey SipKey::random() { return {random_u64(), random_u64()}; }

std::uint64_t siphash(const SipKey& key, Bytes message) noexcept {
  // The initial words are the paper's: "somepseudorandomlygeneratedbytes".
  State state{key.k0 ^ 0x736f'6d65'7073'6575, key.k1 ^ 0x646f'7261'6e64'6f6d,
              key.k0 ^ 0x6c79'6765'6e65'7261, key.k1 ^ 0x7465'6462'7974'6573};
  const std::uint64_t length = message.size();
  for (; message.size() >= 8; message = message.subspan(8)) {
    state.absorb(little_endian(message.first(8)));
  }
  state.absorb(little_endian(message) | (length << 56));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace isochrone
