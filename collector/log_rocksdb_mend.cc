// SPDX-License-Identifier: Apache-2.0
//
// RocksDbLog, what is done about damage: indexes are made anew from the events, events are looked
// for in the files themselves, and what cannot be mended is said.
#include <fstream>
#include <iterator>

#include "base/log.h"
#include "collector/event_block.h"
#include "collector/rocksdb_log.h"
#include "event/codec.h"

namespace isochrone::collector {

using event::Channel;
using event::Position;

// Reads every block of the small families once; those of the events are read when they are asked
// for.
std::optional<Error> RocksDbLog::mend() {
  const bool has_index =
      database_->is_whole(kBlocks) && database_->is_whole(kIds) && database_->is_whole(kTasks);
  const bool has_notes = database_->is_whole(kNotes);
  const bool has_states = database_->is_whole(kStates) && database_->is_whole(kKept);
  if (has_index && has_notes && has_states) return std::nullopt;
  ++damage_.repairs;
  log_warning("the event log is damaged, it is mended from what is whole of it");
  if (!has_index) {
    if (const auto failed = reindex()) return failed;
  }
  if (!has_notes) {
    const auto kept = database_->salvage(kNotes);
    if (const auto failed = database_->remake(kNotes)) return failed;
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : kept) batch.Put(database_->family(kNotes), key, value);
    if (!database_->write(batch, true).ok()) return Error(Errc::io, "cannot write notes anew");
    damage_.has_lost_notes = true;
    // How far windows were closed is a note too.
    damage_.has_lost_states = true;
  }
  if (!has_states) {
    for (const std::size_t family : {kStates, kKept}) {
      if (const auto failed = database_->remake(family)) return failed;
    }
    damage_.has_lost_states = true;
  }
  return std::nullopt;
}

std::optional<Error> RocksDbLog::reindex() {
  for (const std::size_t family : {kBlocks, kIds, kTasks}) {
    if (const auto failed = database_->remake(family)) return failed;
  }
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const auto channel = static_cast<Channel>(i);
    const auto it = database_->iterate(events_of(channel));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      rocksdb::WriteBatch batch;
      index_block(batch, channel, get_u64(view(it->key())), view(it->value()));
      if (!database_->write(batch, false).ok()) return Error(Errc::io, "cannot index anew");
    }
  }
  return std::nullopt;
}

void RocksDbLog::index_block(rocksdb::WriteBatch& batch, Channel channel, Position last,
                             std::string_view block) const {
  LogIndex index;
  Position first = last;
  Instant arrival{};
  BlockReader reader(block, channel);
  while (reader.next()) {
    const auto event = event::from_protobuf(
        {reinterpret_cast<const std::uint8_t*>(reader.event().data()), reader.event().size()});
    first = std::min(first, reader.position());
    if (!event) continue;
    index.add(*event);
    // When it arrived was a part of the index; it was not before it was made.
    arrival = std::max(arrival, event->time);
  }
  put_index(batch, block_key(channel, last), index, index.info(first, arrival, block.size()));
}

bool RocksDbLog::has(Channel channel, Position position) const {
  const auto it = database_->iterate(kBlocks);
  it->Seek(block_key(channel, position));
  const auto info = is_in(*it, channel) ? BlockInfo::decode(view(it->value())) : std::nullopt;
  return info && info->first <= position;
}

// Runs of what the database skipped, as blocks of their own.
std::optional<Error> RocksDbLog::put_back(const Salvaged& salvaged) {
  if (!salvaged.is_damaged) return std::nullopt;
  log_warning("the event log is damaged at its end, events are taken from what is whole of it");
  damage_.has_lost_notes = damage_.has_lost_states = true;
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const auto channel = static_cast<Channel>(i);
    const auto& events = salvaged.events[i];
    for (std::size_t at = 0; at < events.size();) {
      if (has(channel, events[at].position)) {
        ++at;
        continue;
      }
      BlockWriter block(channel);
      Position last = 0;
      do {
        last = events[at].position;
        block.add(last, events[at].event);
        ++at;
      } while (at < events.size() && events[at].position == last + 1 && !block.is_full() &&
               !has(channel, last + 1));
      rocksdb::WriteBatch batch;
      batch.Put(database_->family(events_of(channel)), number(last), block.bytes());
      index_block(batch, channel, last, block.bytes());
      if (!database_->write(batch, true).ok()) return Error(Errc::io, "cannot put events back");
    }
  }
  return std::nullopt;
}

// The file that should hold the block, as it lies on the disk; empty when there is none.
std::string RocksDbLog::file_with(Channel channel, Position last) const {
  for (const std::string& path : database_->files_with(events_of(channel), number(last))) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  return {};
}

}  // namespace isochrone::collector
