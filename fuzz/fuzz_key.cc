// SPDX-License-Identifier: Apache-2.0
//
// Any text as the two files of a DNSSEC key, parted by a line of "--"; a key that is taken signs, and
// comes back the same from its own texts.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dns/key_store.h"
#include "dns/name.h"
#include "dns/sign_key.h"

using namespace isochrone;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > dns::kMaxKeyFileBytes) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cut = text.find("--\n");
  if (cut == std::string_view::npos) return 0;
  static const auto zone = *dns::name_from_text("example.com");
  const auto key = dns::SigningKey::parse(zone, text.substr(0, cut), text.substr(cut + 3));
  if (!key) {
    if (key.error().text().empty()) std::abort();
    return 0;
  }
  dns::SignatureBytes signature;
  if (!key->sign(zone, signature)) std::abort();
  const auto again = dns::SigningKey::parse(zone, key->public_text(), key->private_text());
  if (!again || again->tag() != key->tag() || !(again->times() == key->times())) std::abort();
  return 0;
}
