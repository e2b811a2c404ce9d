// SPDX-License-Identifier: Apache-2.0
//
// OnlineDenial: the NSEC of a missing name (RFC 9824), written by answer() and signed behind it.
//
// Why:     its owner is whatever name was asked for, so it cannot be signed ahead. answer() writes both
//          records with 64 zero octets for a signature; sign() puts the signature there.
// Cost:    writing copies; sign() allocates and takes about 30 us, so the worker bounds how often.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/response.h"
#include "dns/sign_key.h"

namespace isochrone::dns {

class OnlineKey;

// Where in a reply the two records are.
struct OnlineDenial {
  const OnlineKey* key = nullptr;  // of the snapshot that answered
  std::uint16_t nsec = 0;
  std::uint16_t rrsig = 0;
};

// What signs missing names of one zone. Immutable.
class OnlineKey {
 public:
  // Times in Unix seconds, as RRSIG has them.
  OnlineKey(SigningKey key, Bytes zone, std::uint32_t inception, std::uint32_t expiration)
      : key_(std::move(key)),
        zone_(zone.begin(), zone.end()),
        inception_(inception),
        expiration_(expiration) {}

  // Adds to the authority section that nothing but `bitmap` is at `name`, which stands at `owner`.
  // Nothing when it does not fit, or no name fits below this one.
  std::optional<OnlineDenial> write(Response& response, const Name& name, std::size_t owner,
                                    Bytes bitmap, std::uint32_t ttl) const noexcept;
  // Signs what write() wrote into `message`. False when the cryptographic library fails.
  bool sign(const OnlineDenial& denial, MutableBytes message) const;

 private:
  SigningKey key_;
  std::vector<std::uint8_t> zone_;
  std::uint32_t inception_;
  std::uint32_t expiration_;
};

// RRSIG, NSEC and NXNAME: what a name that does not exist "has".
Bytes nxname_bitmap() noexcept;

}  // namespace isochrone::dns
