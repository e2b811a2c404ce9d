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
#include <string>
#include <string_view>
#include <vector>

#include "collector/event_log.h"

namespace isochrone::collector {

// The pieces of a file one after the other, whole or not, and whether one of them was not: a record
// that the file ends in is torn and no damage.
std::string wal_pieces(std::string_view file, bool& is_damaged);

struct Salvaged {
  bool is_damaged = false;
  std::array<std::vector<StoredBytes>, event::kChannels> events;  // of damaged files, by Channel
};
Salvaged salvage_wals(const std::filesystem::path& folder);

}  // namespace isochrone::collector
