// SPDX-License-Identifier: Apache-2.0
//
// Master files (RFC 1035 section 5) read into plain records: $ORIGIN, $TTL and $INCLUDE, and every
// record of theirs.
//
// Include: a relative path is relative to the including file. Origin and last owner are the including
//          file's again behind it. At most kMaxIncludeDepth files deep, none inside itself.
// Errors:  reading goes on behind a bad line, so all errors of a zone are told at once (the first
//          kMaxErrors of them), each as FILE:LINE: what; the line is the one a record starts on.
#pragma once

#include <filesystem>
#include <string_view>

#include "dns/zone_records.h"

namespace isochrone::dns {

constexpr std::size_t kMaxIncludeDepth = 8;  // files that people keep nest twice, thrice

// `origin` is the zone's name as text. What fails is in the result's errors.
ZoneRecords read_master_file(const std::filesystem::path& file, std::string_view origin);
// A text includes no files.
ZoneRecords read_master_text(std::string_view text, std::string_view origin);

}  // namespace isochrone::dns
