// SPDX-License-Identifier: Apache-2.0
//
// ZoneStore: the zones that came from primaries, on disk, so that a restart serves them without one.
//
// Format:  magic "ISOZONE1", u32 CRC-32C of the rest, then records: owner in wire form, u16 type, u32
//          TTL, u16 octets of data, data; numbers big-endian. The file's time of modification is when
//          the primary last confirmed the version.
// Writing: a temporary file, fsync, rename: a crash leaves the old or the new.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "dns/zone_records.h"

namespace isochrone::dns {

// Where the zone's version lies.
std::filesystem::path stored_zone_file(const std::filesystem::path& state_dir,
                                       std::string_view zone);

// Failures are counted; by one thread, which stores all zones of the process.
Result<void> store_zone(const std::filesystem::path& file, const ZoneRecords& records);
std::uint64_t zone_store_failures();
// No rows and no errors when there is no file; an error when it is broken.
ZoneRecords read_stored_zone(const std::filesystem::path& file, std::string_view origin);
ZoneRecords decode_stored_zone(Bytes file, std::string_view origin);

// When the primary last confirmed the version; the epoch when there is none.
Instant confirmed_at(const std::filesystem::path& file);
void confirm(const std::filesystem::path& file, Instant now);

}  // namespace isochrone::dns
