// SPDX-License-Identifier: Apache-2.0
//
// Framing: messages of a stream, each after two octets of length (RFC 1035 section 4.2.2).
#pragma once

#include <optional>

#include "base/bytes.h"

namespace isochrone::dns {

constexpr std::size_t kLengthOctets = 2;

// The message at the front of `stream`, which moves past it; nothing, and unchanged, when it is not
// whole yet.
inline std::optional<Bytes> take_message(Bytes& stream) noexcept {
  if (stream.size() < kLengthOctets) return std::nullopt;
  const std::size_t length = std::size_t{stream[0]} << 8 | stream[1];
  if (stream.size() - kLengthOctets < length) return std::nullopt;
  const Bytes message = stream.subspan(kLengthOctets, length);
  stream = stream.subspan(kLengthOctets + length);
  return message;
}

}  // namespace isochrone::dns
