// SPDX-License-Identifier: Apache-2.0
//
// HttpTarget: what the first line of a request asks for, taken apart.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace isochrone {

struct HttpTarget {
  std::string path;                          // decoded
  std::map<std::string, std::string> query;  // decoded; of repeated keys the first
};

// Now, as the Date header has it (RFC 9110 section 5.6.7).
std::string http_date();

// Strict: the path starts with "/", every "%" is followed by two hexadecimal digits, and nothing
// decodes to a control character. "+" means a space in the query only (HTML forms).
std::optional<HttpTarget> parse_http_target(std::string_view target);

}  // namespace isochrone
