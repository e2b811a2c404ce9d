// SPDX-License-Identifier: Apache-2.0
//
// Cookie secrets: where the keys of DNS cookies come from.
//
// Form:    one or two lines of 32 hexadecimal digits, the key in use first; blank lines and what
//          follows '#' do not count. To replace a secret on many servers, put the new one second
//          everywhere, then first everywhere, then drop the old one an hour later.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "dns/cookie.h"

namespace isochrone::dns {

CookieSecrets random_cookie_secrets();
Result<CookieSecrets> parse_cookie_secrets(std::string_view text);
// The Error names the file.
Result<CookieSecrets> load_cookie_secrets(const std::filesystem::path& file);

}  // namespace isochrone::dns
