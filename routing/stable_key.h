// SPDX-License-Identifier: Apache-2.0
//
// stable_key: a name as a number that is the same on every machine, whatever else is configured (FNV-1a).
// Not keyed: for names of the configuration, not for what others choose.
#pragma once

#include <cstdint>
#include <string_view>

namespace isochrone::routing {

constexpr std::uint64_t stable_key(std::string_view name) noexcept {
  std::uint64_t key = 0xcbf2'9ce4'8422'2325;
  for (const char c : name) {
    key = (key ^ static_cast<std::uint8_t>(c)) * 0x0000'0100'0000'01b3;
  }
  return key;
}

}  // namespace isochrone::routing
