// SPDX-License-Identifier: Apache-2.0
//
// Tokens of the HTTP API: made here, known to the collector by their digests only.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace isochrone::app {

// 256 bits of the kernel's generator, in hexadecimal.
std::string make_token();

// The token of a file; it is made, for its owner alone, where there is none.
Result<std::string> token_of(const std::filesystem::path& file);

}  // namespace isochrone::app
