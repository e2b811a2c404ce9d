// SPDX-License-Identifier: Apache-2.0
//
// load_be, store_be: whole numbers at any address in network byte order.
//
// Cost:    one load or store and one byte swap.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace isochrone {

// Between the order of this machine and that of the network.
template <std::unsigned_integral T>
constexpr T swap_order(T value) noexcept {
  if constexpr (std::endian::native == std::endian::big) return value;
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  return value;
}

template <std::unsigned_integral T>
T load_be(const std::uint8_t* from) noexcept {
  T value = 0;
  std::memcpy(&value, from, sizeof value);
  return swap_order(value);
}

template <std::unsigned_integral T>
void store_be(std::uint8_t* to, T value) noexcept {
  value = swap_order(value);
  std::memcpy(to, &value, sizeof value);
}

}  // namespace isochrone
