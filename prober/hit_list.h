// SPDX-License-Identifier: Apache-2.0
//
// Hit lists and opt-out lists: files of many networks, one a line.
//
// Hit list:  `PREFIX ADDRESS...`: who answers for the prefix; or `ADDRESS...`, for the client network
//            (/24, /48) of the first. Opt-out list: `PREFIX`, or an address alone.
// Both:      "#" begins a comment; empty lines count for nothing; at most kMaxListBytes.
// Errors:    "FILE:LINE: what; what to do", the first one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "prober/options.h"

namespace isochrone::prober {

// A million networks with four addresses each.
constexpr std::size_t kMaxListBytes = std::size_t{128} << 20;

Result<std::vector<TargetSource>> parse_hit_list(std::string_view text, const std::string& file);
Result<std::vector<Prefix>> parse_prefix_list(std::string_view text, const std::string& file);

}  // namespace isochrone::prober
