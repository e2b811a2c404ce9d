// SPDX-License-Identifier: Apache-2.0
//
// Sha256: the digest of a text, with or without a key, and how two secrets are compared.
//
// Threads: pure functions.
// Source:  FIPS 180-4 and RFC 2104, by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace isochrone {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view text);
// Only who has the key can make it (RFC 2104).
Sha256 hmac_sha256(std::string_view key, std::string_view text);
// In a time that says nothing of where they differ.
bool is_same_digest(const Sha256& a, const Sha256& b);

std::string to_hex(const Sha256& digest);
// 64 hexadecimal digits and nothing else.
std::optional<Sha256> sha256_from_hex(std::string_view text);

}  // namespace isochrone
