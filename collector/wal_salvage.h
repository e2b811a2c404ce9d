// SPDX-License-Identifier: Apache-2.0
//
// WalSalvage: the events in a damaged write-ahead log of RocksDB, which itself skips a whole record,
// that is everything of one commit, when one bit of it is wrong.
//
// Format:  files of blocks of 32 KiB; a block holds pieces of records, each: u32 masked CRC-32C
//          of the type and the piece, u16 its octets, u8 type (numbers little-endian); a record that
//          meets the end of a block goes on in the next.
// Cost:    every file is read and summed once, about 100 MB of them at most.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/event_log.h"

namespace isochrone::collector {

// What a file holds, one piece after the other, whole or not.
struct Pieces {
  std::string bytes;
  bool is_damaged = false;  // one of them was not whole
  bool is_torn = false;     // the file ends in a piece that is not all there: no damage in a log
  std::vector<std::size_t>
      of_others{};  // where damaged ones begin whose type says that they are of another file
};
Pieces wal_pieces(std::string_view file);

struct Salvaged {
  bool is_damaged = false;
  std::array<std::vector<StoredBytes>, event::kChannels> events;  // of damaged files, by Channel
};
// Makes damage harmless that keeps the library from ever opening the file.
Salvaged salvage_wals(const std::filesystem::path& folder);

// A file that keeps the library from ever opening it, for who only reads; salvage_wals() mends it.
std::optional<std::filesystem::path> blocking_wal(const std::filesystem::path& folder);

// The manifest, of the same format, says which files are the log; what the library does not read in it to the
// end it takes for the end, and deletes what was named after. True when there is none.
bool is_manifest_whole(const std::filesystem::path& folder);

}  // namespace isochrone::collector
