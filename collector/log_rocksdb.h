// SPDX-License-Identifier: Apache-2.0
//
// The embedded event log, in RocksDB.
//
// On disk, one database with these column families; numbers are big-endian so that keys sort, and
// "block" is channel (1), last position (8); collector/log_index.h has the other keys:
//   events.*  last position (8)                      -> a block (collector/event_block.h)
//   blocks    block                                  -> what is known of it without reading it
//   ids       source, 0, epoch, highest, block       -> lowest sequence (8)
//   tasks     task, 0, block                         -> nothing
//   states    prefix                                 -> CRC-32C (4), position (8), newest state event
//   kept      "p", position (8)                      -> CRC-32C (4), a state event past the retention
//             "x", prefix                            -> the position it has there
//   notes     key                                    -> CRC-32C (4), bytes
//   default   "format", "log-id", "first/", "lost", ..  marks of the log itself
// Every append is one write batch through a synced WAL; after a crash a torn tail of the WAL is cut.
// Retention is a mark per channel; files that lie before it are dropped whole, never rewritten.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "collector/event_log.h"

namespace isochrone::collector {

Result<std::unique_ptr<EventLog>> open_rocksdb_log(const std::filesystem::path& folder);
// As it is on the disk, for one who only reads; nothing is written, also while a collector writes to it.
Result<std::unique_ptr<const EventLog>> read_rocksdb_log(const std::filesystem::path& folder);

}  // namespace isochrone::collector
