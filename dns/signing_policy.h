// SPDX-License-Identifier: Apache-2.0
//
// SigningPolicy: how one zone is signed, as the configuration says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/time.h"
#include "dns/sign_key.h"

namespace isochrone::dns {

// How a signed zone proves that something does not exist.
enum class Denial : std::uint8_t {
  nsec,     // RFC 4034: names can be listed
  nsec3,    // RFC 5155 with the parameters of RFC 9276: names are hashed
  compact,  // RFC 9824: a missing name is answered as one without data, signed when asked for
};

struct SigningPolicy {
  KeyAlgorithm algorithm = KeyAlgorithm::ecdsap256sha256;  // of keys to be made
  Denial denial = Denial::nsec;
  Seconds lifetime{14 * 86'400};  // of a signature
  Seconds refresh{7 * 86'400};    // a signature with less left is made anew
  Seconds dnskey_ttl{3'600};
  bool publish_cds = true;
  std::filesystem::path keys;  // folder of key files
  // Whether secondaries have the zone: then new signatures are a new version, with a serial of its own.
  bool raises_serial = false;
  // Of the version they had last before this start; nothing when none is known.
  std::optional<std::uint32_t> last_serial = std::nullopt;
  // Of a version with other contents that they may have from another process: the next one is newer.
  std::optional<std::uint32_t> taken_serial = std::nullopt;
};

}  // namespace isochrone::dns
