// SPDX-License-Identifier: Apache-2.0
//
// read_secret_file: the text of a file that only its owner can read.
//
// Errors:  missing or unreadable, no regular file, larger than 64 KiB, or open to group or others: a
//          secret that somebody else may have read is none.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace isochrone {

Result<std::string> read_secret_file(const std::filesystem::path& file);

}  // namespace isochrone
