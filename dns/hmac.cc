// SPDX-License-Identifier: Apache-2.0
#include "dns/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

namespace isochrone::dns {

std::vector<std::uint8_t> hmac(HmacAlgorithm algorithm, Bytes key, Bytes message) {
  const EVP_MD* digest = algorithm == HmacAlgorithm::sha256   ? EVP_sha256()
                         : algorithm == HmacAlgorithm::sha384 ? EVP_sha384()
                                                              : EVP_sha512();
  std::vector<std::uint8_t> mac(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  // It fails for want of memory only.
  if (HMAC(digest, key.data(), static_cast<int>(key.size()), message.data(), message.size(),
           mac.data(), &size) == nullptr) {
    std::abort();
  }
  mac.resize(size);
  return mac;
}

bool is_equal_secret(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace isochrone::dns
