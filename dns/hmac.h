// SPDX-License-Identifier: Apache-2.0
//
// Hmac: keyed hashes (RFC 2104), through OpenSSL.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace isochrone::dns {

enum class HmacAlgorithm : std::uint8_t { sha256, sha384, sha512 };

std::vector<std::uint8_t> hmac(HmacAlgorithm algorithm, Bytes key, Bytes message);
// In a time that does not depend on where they differ.
bool is_equal_secret(Bytes a, Bytes b);

}  // namespace isochrone::dns
