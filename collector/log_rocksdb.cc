// SPDX-License-Identifier: Apache-2.0
#include "collector/log_rocksdb.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "collector/event_block.h"
#include "collector/rocksdb_log.h"
#include "event/codec.h"

namespace isochrone::collector {

using event::Channel;
using event::Position;

namespace {

constexpr std::string_view kLogIdKey = "log-id";

}  // namespace

// A block that append() fills.
struct RocksDbLog::OpenBlock {
  OpenBlock(Channel channel, Position start) : first(start), last(start - 1), writer(channel) {}

  Position first;
  Position last;
  BlockWriter writer;
  LogIndex index;
};

// What is known of the channels without reading events, and what is missing in them.
std::optional<Error> RocksDbLog::begin(const Salvaged& salvaged) {
  if (database_->was_repaired()) {
    ++damage_.repairs;
    damage_.has_lost_notes = damage_.has_lost_states = true;
  }
  if (auto failed = mend()) return failed;
  if (auto failed = put_back(salvaged)) return failed;
  lost_ = read_number(std::string(kLostKey));
  const std::uint64_t lost_before = lost_;
  rocksdb::WriteBatch batch;
  for (std::size_t i = 0; i < event::kChannels; ++i) look_at(static_cast<Channel>(i), batch);
  // At the very end of the log there is no next event that shows the gap: one at least was hit.
  if (salvaged.is_damaged && lost_ == lost_before) lose(Channel::measurement, 1);
  batch.Put(slice(kLostKey), number(lost_));
  std::string stored;
  if (database_->db().Get({}, slice(kLogIdKey), &stored).ok()) {
    id_ = stored;
  } else {
    id_ = fmt::format("{:016x}", random_u64());
    batch.Put(slice(kLogIdKey), id_);
  }
  const auto status = database_->write(batch, true);
  if (!status.ok()) return Error(Errc::io, status.ToString());
  return std::nullopt;
}

void RocksDbLog::begin_reading() {
  rocksdb::WriteBatch unused;
  for (std::size_t i = 0; i < event::kChannels; ++i) look_at(static_cast<Channel>(i), unused);
  std::string stored;
  if (database_->db().Get({}, slice(kLogIdKey), &stored).ok()) id_ = stored;
}

std::uint64_t RocksDbLog::read_number(const std::string& key) const {
  std::string value;
  return database_->db().Get({}, key, &value).ok() ? get_u64(value) : 0;
}

// Where a channel begins and ends; positions that are missing since the last look are lost.
void RocksDbLog::look_at(Channel channel, rocksdb::WriteBatch& batch) {
  const std::size_t i = index_of(channel);
  const Position first = read_number(channel_key(kFirstKey, i));
  const Position checked = read_number(channel_key(kCheckedKey, i));
  marks_->first[i].store(first);
  Position end = first > 0 ? first - 1 : 0;
  const auto it = database_->iterate(kBlocks);
  for (it->Seek(block_key(channel, first)); is_in(*it, channel); it->Next()) {
    const auto info = BlockInfo::decode(view(it->value()));
    if (!info) continue;
    if (info->first > end + 1 && last_of(*it) > checked) lose(channel, info->first - end - 1);
    bytes_[i].fetch_add(info->bytes);
    end = last_of(*it);
  }
  // After a crash the mark may be further than the blocks behind it.
  last_[i].store(std::max(end, std::max(first, Position{1}) - 1));
  batch.Put(channel_key(kCheckedKey, i), number(last_[i].load()));
}

void RocksDbLog::lose(Channel channel, std::uint64_t events) {
  lost_ += events;
  ++damage_.repairs;
  damage_.has_lost_notes = true;
  damage_.has_lost_states = damage_.has_lost_states || channel == Channel::state;
}

Result<std::vector<Position>> RocksDbLog::append(const std::vector<event::Event>& events,
                                                 const std::vector<Note>& notes, Instant now) {
  rocksdb::WriteBatch batch;
  std::vector<Position> positions;
  positions.reserve(events.size());
  std::array<Position, event::kChannels> next{};
  for (std::size_t i = 0; i < next.size(); ++i) next[i] = last_[i].load();
  auto bytes = std::array<std::uint64_t, event::kChannels>{};
  std::array<std::optional<OpenBlock>, event::kChannels> open;
  for (const event::Event& event : events) {
    const std::size_t channel = index_of(event.channel());
    const Position position = ++next[channel];
    positions.push_back(position);
    auto& block = open[channel];
    if (!block) block.emplace(event.channel(), position);
    add(batch, *block, event, position);
    if (!block->writer.is_full()) continue;
    bytes[channel] += close(batch, event.channel(), *block, now);
    block.reset();
  }
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (open[i]) bytes[i] += close(batch, static_cast<Channel>(i), *open[i], now);
  }
  for (const Note& note : notes) {
    if (note.bytes.empty()) {
      batch.Delete(database_->family(kNotes), note.key);
    } else {
      batch.Put(database_->family(kNotes), note.key, sealed(note.bytes));
    }
  }
  const auto status = database_->write(batch, is_synced_);
  if (!status.ok()) return fail(Errc::io, "event log: " + status.ToString());
  for (std::size_t i = 0; i < next.size(); ++i) {
    last_[i].store(next[i]);
    bytes_[i].fetch_add(bytes[i]);
  }
  return positions;
}

void RocksDbLog::add(rocksdb::WriteBatch& batch, OpenBlock& block, const event::Event& event,
                     Position position) const {
  std::string made;
  if (event.bytes.empty()) made = event::to_protobuf(event);
  const std::string& bytes = event.bytes.empty() ? made : event.bytes;
  block.writer.add(position, bytes);
  block.index.add(event);
  block.last = position;
  if (const auto* state = std::get_if<event::State>(&event.payload)) {
    batch.Put(database_->family(kStates), prefix_key(state->prefix),
              sealed(number(position) + bytes));
  }
}

void RocksDbLog::put_index(rocksdb::WriteBatch& batch, const std::string& block,
                           const LogIndex& index, const BlockInfo& info) const {
  batch.Put(database_->family(kBlocks), block, info.encode());
  for (const LogIndex::Run& run : index.runs()) {
    batch.Put(database_->family(kIds), id_key(run.source, run.epoch) + number(run.highest) + block,
              number(run.lowest));
  }
  for (const std::string& task : index.tasks()) {
    batch.Put(database_->family(kTasks), task_key(task) + block, {});
  }
}

std::uint64_t RocksDbLog::close(rocksdb::WriteBatch& batch, Channel channel, const OpenBlock& block,
                                Instant now) const {
  const std::string& bytes = block.writer.bytes();
  const std::string key = block_key(channel, block.last);
  batch.Put(database_->family(events_of(channel)), slice(std::string_view(key).substr(1)), bytes);
  put_index(batch, key, block.index, block.index.info(block.first, now, bytes.size()));
  return bytes.size();
}

Result<std::unique_ptr<RocksDbLog>> RocksDbLog::open(const std::filesystem::path& folder) {
  auto marks = std::make_shared<Marks>();
  // Before it is opened: what was read back from it is deleted then.
  const Salvaged salvaged = salvage_wals(folder);
  auto database = Database::open(folder, marks);
  if (!database) return tl::unexpected(database.error());
  auto log = std::make_unique<RocksDbLog>(std::move(*database), std::move(marks));
  if (const auto failed = log->begin(salvaged)) return tl::unexpected(failed->within("event log"));
  return log;
}

Result<std::unique_ptr<const EventLog>> read_rocksdb_log(const std::filesystem::path& folder) {
  auto marks = std::make_shared<Marks>();
  auto database = Database::open(folder, marks, Database::Access::read);
  if (!database) return tl::unexpected(database.error());
  auto log = std::make_unique<RocksDbLog>(std::move(*database), std::move(marks));
  log->begin_reading();
  return log;
}

Result<std::unique_ptr<EventLog>> open_rocksdb_log(const std::filesystem::path& folder) {
  return RocksDbLog::open(folder);
}

}  // namespace isochrone::collector
