// SPDX-License-Identifier: Apache-2.0
#include "dns/name_hash.h"

#include <algorithm>

#include "dns/ldns.h"

namespace isochrone::dns {

NameHash hash_name(Bytes name) noexcept {
  NameHash hash;
  ldns_sha1(name.data(), static_cast<unsigned>(name.size()), hash.data());
  return hash;
}

NameHash hash_name(Bytes name, const HashTerms& terms) noexcept {
  if (terms.iterations == 0 && terms.salt.empty()) return hash_name(name);
  std::array<std::uint8_t, kMaxNameOctets + 255> input;
  NameHash hash;
  Bytes hashed = name;
  for (unsigned i = 0; i <= terms.iterations; ++i) {
    const auto end = std::copy(hashed.begin(), hashed.end(), input.begin());
    const auto size = std::copy(terms.salt.begin(), terms.salt.end(), end) - input.begin();
    ldns_sha1(input.data(), static_cast<unsigned>(size), hash.data());
    hashed = hash;
  }
  return hash;
}

}  // namespace isochrone::dns
