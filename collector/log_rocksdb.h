// SPDX-License-Identifier: Apache-2.0
//
// The embedded event log, in RocksDB.
//
// On disk, one database with five column families; numbers are big-endian so that keys sort:
//   events   channel (1 byte), position (8)              -> arrival (8, Unix ns), Protobuf event
//   tasks    task, 0, channel (1), position (8)          -> nothing
//   states   family (1), address (16), length (1)        -> position (8) of the newest state event
//   notes    key                                         -> bytes
//   default  "log-id"                                    -> the log's id
// Every append is one write batch through a synced WAL; after a crash a torn tail of the WAL is cut.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "collector/event_log.h"

namespace isochrone::collector {

Result<std::unique_ptr<EventLog>> open_rocksdb_log(const std::filesystem::path& folder);

}  // namespace isochrone::collector
