// SPDX-License-Identifier: Apache-2.0
//
// JsonText: one line of JSON as a value, and nothing that two readers could take for two things.
//
// Limit:   kMaxEventBytes.
// Errors:  `limit`; `invalid` for what is no JSON or no UTF-8, with the byte, and for repeated keys, numbers out
//          of range and more than three levels, which the library's parser lets through.
// Source:  RFC 8259; RFC 7493 (I-JSON), section 2.3.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace isochrone::event {

Result<nlohmann::json> parse_json_text(std::string_view line);

}  // namespace isochrone::event
