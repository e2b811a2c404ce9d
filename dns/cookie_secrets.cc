// SPDX-License-Identifier: Apache-2.0
#include "dns/cookie_secrets.h"

#include <algorithm>
#include <charconv>

#include "base/secret_file.h"

namespace isochrone::dns {
namespace {

constexpr std::size_t kDigits = 32;

std::string_view trimmed(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// SipHash reads its key as two little-endian words.
std::optional<SipKey> key_of(std::string_view digits) {
  if (digits.size() != kDigits) return std::nullopt;
  SipKey key;
  for (std::size_t i = 0; i < kDigits / 2; ++i) {
    std::uint8_t octet = 0;
    const char* first = digits.data() + 2 * i;
    const auto read = std::from_chars(first, first + 2, octet, 16);
    if (read.ec != std::errc() || read.ptr != first + 2) return std::nullopt;
    (i < 8 ? key.k0 : key.k1) |= std::uint64_t{octet} << (8 * (i % 8));
  }
  return key;
}

}  // namespace

CookieSecrets random_cookie_secrets() {
  CookieSecrets secrets;
  secrets.keys[0] = SipKey::random();
  secrets.count = 1;
  return secrets;
}

Result<CookieSecrets> parse_cookie_secrets(std::string_view text) {
  CookieSecrets secrets;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const auto key = key_of(line);
    if (!key) return fail(Errc::invalid, "a cookie secret is 32 hexadecimal digits on a line");
    if (secrets.count == secrets.keys.size()) {
      return fail(Errc::invalid, "more than two cookie secrets; keep the one in use and the next");
    }
    secrets.keys[secrets.count++] = *key;
  }
  if (secrets.empty()) {
    return fail(Errc::invalid, "no cookie secret; \"openssl rand -hex 16\" makes one");
  }
  return secrets;
}

Result<CookieSecrets> load_cookie_secrets(const std::filesystem::path& file) {
  const auto text = read_secret_file(file);
  if (!text) return tl::unexpected(text.error());
  auto secrets = parse_cookie_secrets(*text);
  if (!secrets) return tl::unexpected(secrets.error().within(file.string()));
  return secrets;
}

}  // namespace isochrone::dns
