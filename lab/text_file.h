// SPDX-License-Identifier: Apache-2.0
//
// Text files of data sets, gzip or plain.
//
// Limits:  kMaxTextBytes of text once decompressed.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace isochrone::lab {

// 4096 x 4096 values of 8 characters; larger data sets are given in slices.
constexpr std::size_t kMaxTextBytes = 128 << 20;

// The whole file, decompressed when it is gzip.
Result<std::string> read_text(const std::filesystem::path& file);

}  // namespace isochrone::lab
