// SPDX-License-Identifier: Apache-2.0
//
// RocksDbLog, where it begins: what is trimmed, and what a replica takes over from the log it repeats.
#include <algorithm>

#include "collector/event_block.h"
#include "collector/rocksdb_log.h"
#include "event/codec.h"

namespace isochrone::collector {

using event::Channel;
using event::Position;

namespace {

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

std::size_t RocksDbLog::trim(const Retention& keep, Instant now, std::size_t limit) {
  return trim_to(due(keep, now, limit));
}

Firsts RocksDbLog::due(const Retention& keep, Instant now, std::size_t limit) const {
  Firsts marks{};
  for (std::size_t i = 0; i < event::kChannels && limit > 0; ++i) {
    const auto channel = static_cast<Channel>(i);
    marks[i] = due_of(channel, keep[i], now, limit);
    limit -= std::min(limit, static_cast<std::size_t>(marks[i] - first(channel)));
  }
  return marks;
}

Position RocksDbLog::due_of(Channel channel, const Keep& keep, Instant now,
                            std::size_t limit) const {
  const Position start = first(channel);
  Position mark = start;
  std::uint64_t held = bytes(channel);
  const auto it = database_->iterate(kBlocks);
  for (it->Seek(block_key(channel, start)); is_in(*it, channel); it->Next()) {
    const auto info = BlockInfo::decode(view(it->value()));
    const Position end = last_of(*it);
    // The last events stay: their position is where the count goes on after a restart.
    if (end == last(channel) || mark - start >= limit) break;
    const bool is_too_much = keep.bytes > 0 && held > keep.bytes;
    if (info && info->arrival + keep.age >= now && !is_too_much) break;
    held -= info ? std::min(held, info->bytes) : 0;
    mark = end + 1;
  }
  return mark;
}

std::size_t RocksDbLog::trim_to(const Firsts& marks) {
  std::size_t gone = 0;
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    const auto channel = static_cast<Channel>(i);
    if (marks[i] > first(channel)) gone += trim_channel(channel, marks[i]);
  }
  return gone;
}

std::size_t RocksDbLog::trim_channel(Channel channel, Position mark) {
  const std::size_t i = index_of(channel);
  const Position start = first(channel);
  std::uint64_t held = bytes(channel);
  rocksdb::WriteBatch batch;
  const auto it = database_->iterate(kBlocks);
  for (it->Seek(block_key(channel, start)); is_in(*it, channel) && last_of(*it) < mark;
       it->Next()) {
    const auto info = BlockInfo::decode(view(it->value()));
    if (channel == Channel::state) keep_states(view(it->key()), batch);
    held -= info ? std::min(held, info->bytes) : 0;
  }
  batch.Put(channel_key(kFirstKey, i), number(mark));
  batch.DeleteRange(database_->family(kBlocks), block_key(channel, 0), block_key(channel, mark));
  // Not synced: what a crash brings back is trimmed again.
  if (!database_->write(batch, false).ok()) return 0;
  marks_->first[i].store(mark);
  bytes_[i].store(held);
  database_->drop_files(events_of(channel), number(0), number(mark));
  return static_cast<std::size_t>(mark - start);
}

// States of a block that goes: those that are the newest of their prefix are kept aside.
void RocksDbLog::keep_states(std::string_view block, rocksdb::WriteBatch& batch) const {
  rocksdb::PinnableSlice value;
  static_cast<void>(database_->get(events_of(Channel::state), block.substr(1), value));
  BlockReader reader(view(value), Channel::state);
  while (reader.next()) {
    const auto event = event::from_protobuf(as_bytes(reader.event()));
    if (!event) continue;
    const auto& state = std::get<event::State>(event->payload);
    const std::string prefix = prefix_key(state.prefix);
    rocksdb::PinnableSlice newest;
    if (!database_->get(kStates, prefix, newest)) continue;
    const auto held = unsealed(view(newest));
    if (!held || get_u64(*held) != reader.position()) continue;
    rocksdb::PinnableSlice before;
    if (database_->get(kKept, "x" + prefix, before)) {
      batch.Delete(database_->family(kKept), "p" + std::string(view(before)));
    }
    // A prefix that is no longer measured is remembered only for as long as everything else.
    if (state.paths.empty()) {
      batch.Delete(database_->family(kKept), "x" + prefix);
      batch.Delete(database_->family(kStates), prefix);
      continue;
    }
    batch.Put(database_->family(kKept), "p" + number(reader.position()), sealed(reader.event()));
    batch.Put(database_->family(kKept), "x" + prefix, number(reader.position()));
  }
}

// What lies between was never here: it is no loss when the log begins there.
std::optional<Error> RocksDbLog::skip_to(const Firsts& next) {
  rocksdb::WriteBatch batch;
  for (std::size_t i = 0; i < event::kChannels; ++i) {
    if (next[i] <= last_[i].load() + 1) continue;
    if (last_[i].load() == 0) {
      batch.Put(channel_key(kFirstKey, i), number(next[i]));
      batch.Put(channel_key(kCheckedKey, i), number(next[i] - 1));
      marks_->first[i].store(next[i]);
    } else {
      lose(static_cast<Channel>(i), next[i] - last_[i].load() - 1);
      batch.Put(slice(kLostKey), number(lost_));
    }
    last_[i].store(next[i] - 1);
  }
  const auto status = database_->write(batch, is_synced_);
  if (!status.ok()) return Error(Errc::io, "event log: " + status.ToString());
  return std::nullopt;
}

void RocksDbLog::states(const std::function<void(Position, std::string_view)>& take) const {
  const auto it = database_->iterate(kStates);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto held = unsealed(view(it->value()));
    if (held && held->size() > 8) take(get_u64(*held), held->substr(8));
  }
}

std::optional<Error> RocksDbLog::restate(const std::vector<StoredBytes>& states) {
  rocksdb::WriteBatch batch;
  for (const StoredBytes& each : states) {
    const auto event = event::from_protobuf(as_bytes(each.event));
    const auto* state = event ? std::get_if<event::State>(&event->payload) : nullptr;
    if (state == nullptr) continue;
    const std::string prefix = prefix_key(state->prefix);
    rocksdb::PinnableSlice known;
    if (database_->get(kStates, prefix, known)) {
      const auto held = unsealed(view(known));
      if (held && get_u64(*held) >= each.position) continue;
    }
    batch.Put(database_->family(kStates), prefix, sealed(number(each.position) + each.event));
    if (each.position >= first(Channel::state) && last(Channel::state) >= each.position) continue;
    rocksdb::PinnableSlice before;
    if (database_->get(kKept, "x" + prefix, before)) {
      batch.Delete(database_->family(kKept), "p" + std::string(view(before)));
    }
    batch.Put(database_->family(kKept), "p" + number(each.position), sealed(each.event));
    batch.Put(database_->family(kKept), "x" + prefix, number(each.position));
  }
  const auto status = database_->write(batch, is_synced_);
  if (!status.ok()) return Error(Errc::io, "event log: " + status.ToString());
  return std::nullopt;
}

}  // namespace isochrone::collector
