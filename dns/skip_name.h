// SPDX-License-Identifier: Apache-2.0
//
// skip_name: steps over a name in a message without following compression.
#pragma once

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/wire.h"

namespace isochrone::dns {

// A compression pointer ends the name. Returns whether it was the root alone; a name that is cut short
// or ill-formed makes the reader fail.
inline bool skip_name(ByteReader& reader) noexcept {
  bool is_root = true;
  while (reader.ok()) {
    const std::uint8_t length = reader.u8();
    if (length == 0) return is_root;
    is_root = false;
    if (length >= 0xc0) {
      reader.skip(1);
      return false;
    }
    // 0x40 and 0x80 are label types nobody uses (RFC 6891 section 5): reading past the end fails.
    reader.skip(length <= kMaxLabelOctets ? length : kMaxMessage);
  }
  return false;
}

}  // namespace isochrone::dns
