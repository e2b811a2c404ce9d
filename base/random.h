// SPDX-License-Identifier: Apache-2.0
//
// Random: a seeded generator whose sequence is the same on every machine.
//
// Source: xoshiro256** 1.0 (Blackman, Vigna), seeded through SplitMix64. Not for secrets: see
//         random_bytes().
#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace isochrone {

class Random {
 public:
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) {
      seed += 0x9e37'79b9'7f4a'7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
      z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
      word = z ^ (z >> 31);
    }
  }

  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept {
    return std::numeric_limits<std::uint64_t>::max();
  }

  std::uint64_t operator()() noexcept {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound); bound > 0. The bias of the multiplication is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((Wide{(*this)()} * bound) >> 64);
  }
  // Uniform in [0, 1) with 53 bits.
  double unit() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

 private:
  static constexpr std::uint64_t rotate(std::uint64_t x, int k) noexcept {
    return (x << k) | (x >> (64 - k));
  }
  std::uint64_t state_[4];
};

// Fills `out` from the kernel's generator: for keys, cookies and epochs.
void random_bytes(std::span<std::uint8_t> out);
std::uint64_t random_u64();

}  // namespace isochrone
