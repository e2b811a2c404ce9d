// SPDX-License-Identifier: Apache-2.0
#include "collector/log_rocksdb.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <utility>

#include "base/random.h"
#include "event/codec.h"

namespace isochrone::collector {
namespace {

using event::Channel;
using event::Position;

enum Family : std::size_t { kDefault, kEvents, kTasks, kStates, kNotes, kFamilies };
constexpr std::array<const char*, kFamilies> kFamilyNames{"default", "events", "tasks", "states",
                                                          "notes"};
constexpr std::size_t kArrivalBytes = 8;
constexpr std::string_view kLogIdKey = "log-id";
// Two write buffers bound what a restart reads back from the WAL.
constexpr std::size_t kWriteBufferBytes = 32 << 20;
constexpr std::size_t kBlockCacheBytes = 32 << 20;

void put_u64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::uint64_t get_u64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string event_key(Channel channel, Position position) {
  std::string key(1, static_cast<char>(channel));
  put_u64(key, position);
  return key;
}

std::string task_key(std::string_view task) {
  std::string key(task);
  key.push_back('\0');
  return key;
}

std::string state_key(const Prefix& prefix) {
  std::string key(1, prefix.family() == isochrone::Family::v4 ? '4' : '6');
  put_u64(key, prefix.address().high());
  put_u64(key, prefix.address().low());
  key.push_back(static_cast<char>(prefix.length()));
  return key;
}

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class RocksDbLog final : public EventLog {
 public:
  RocksDbLog(std::unique_ptr<rocksdb::DB> db, std::vector<rocksdb::ColumnFamilyHandle*> families)
      : db_(std::move(db)), families_(std::move(families)) {
    for (std::size_t i = 0; i < event::kChannels; ++i) {
      last_[i] = edge(static_cast<Channel>(i), true);
    }
  }

  ~RocksDbLog() override {
    for (auto* family : families_) db_->DestroyColumnFamilyHandle(family);
    db_->Close();
  }

  std::optional<Error> take_id() {
    std::string stored;
    if (db_->Get({}, std::string(kLogIdKey), &stored).ok()) {
      id_ = stored;
      return std::nullopt;
    }
    id_ = fmt::format("{:016x}", random_u64());
    const auto status = db_->Put(synced(), std::string(kLogIdKey), id_);
    if (!status.ok()) return Error(Errc::io, status.ToString());
    return std::nullopt;
  }

  Result<std::vector<Position>> append(const std::vector<event::Event>& events,
                                       const std::vector<Note>& notes, Instant now) override {
    rocksdb::WriteBatch batch;
    std::vector<Position> positions;
    positions.reserve(events.size());
    auto next = std::array<Position, event::kChannels>{};
    for (std::size_t i = 0; i < next.size(); ++i) next[i] = last_[i].load();
    std::string value;
    for (const event::Event& event : events) {
      const Position position = ++next[static_cast<std::size_t>(event.channel())];
      add(batch, event, position, now, value);
      positions.push_back(position);
    }
    for (const Note& note : notes) {
      if (note.bytes.empty()) {
        batch.Delete(families_[kNotes], note.key);
      } else {
        batch.Put(families_[kNotes], note.key, note.bytes);
      }
    }
    const auto status = db_->Write(synced(), &batch);
    if (!status.ok()) return fail(Errc::io, "event log: " + status.ToString());
    for (std::size_t i = 0; i < next.size(); ++i) last_[i].store(next[i]);
    return positions;
  }

  Page read(Channel channel, Position after, std::size_t limit) const override {
    Page page;
    page.scanned = std::min(after, last(channel));
    const auto it = iterate(kEvents);
    for (it->Seek(event_key(channel, after + 1)); is_in(*it, channel) && page.events.size() < limit;
         it->Next()) {
      page.scanned = get_u64(view(it->key()).substr(1));
      const std::string_view value = view(it->value());
      if (value.size() < kArrivalBytes) {
        unreadable_.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      page.events.push_back({page.scanned, std::string(value.substr(kArrivalBytes))});
    }
    if (!it->status().ok()) unreadable_.fetch_add(1, std::memory_order_relaxed);
    // Positions at the end that were trimmed count as looked at.
    if (page.events.size() < limit) page.scanned = std::max(page.scanned, last(channel));
    return page;
  }

  Position before(Channel channel, Instant since) const override {
    Position low = first(channel);  // bisect over positions by when they arrived
    Position high = last(channel) + 1;
    const auto it = iterate(kEvents);
    while (low < high) {
      const Position middle = low + (high - low) / 2;
      it->Seek(event_key(channel, middle));
      const bool is_older =
          is_in(*it, channel) &&
          static_cast<std::int64_t>(get_u64(view(it->value()))) < unix_nanos(since);
      if (is_older) {
        low = get_u64(view(it->key()).substr(1)) + 1;
      } else {
        high = middle;
      }
    }
    return low == 0 ? 0 : low - 1;
  }

  Position last(Channel channel) const override {
    return last_[static_cast<std::size_t>(channel)].load();
  }
  Position first(Channel channel) const override { return edge(channel, false); }

  std::vector<std::string> task(std::string_view task, std::size_t limit) const override {
    std::vector<std::string> events;
    const std::string start = task_key(task);
    const auto it = iterate(kTasks);
    for (it->Seek(start); it->Valid() && it->key().starts_with(start) && events.size() < limit;
         it->Next()) {
      const std::string_view key = view(it->key()).substr(start.size());
      std::string value;
      const rocksdb::Slice at(key.data(), key.size());
      if (db_->Get({}, families_[kEvents], at, &value).ok() && value.size() > kArrivalBytes) {
        events.push_back(value.substr(kArrivalBytes));
      }
    }
    return events;
  }

  void newest_states(const std::function<void(std::string_view)>& take) const override {
    const auto it = iterate(kStates);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      std::string value;
      const auto key = event_key(Channel::state, get_u64(view(it->value())));
      const bool is_there = db_->Get({}, families_[kEvents], key, &value).ok();
      if (is_there && value.size() > kArrivalBytes) {
        take(std::string_view(value).substr(kArrivalBytes));
      } else {
        unreadable_.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  std::optional<std::string> note(std::string_view key) const override {
    std::string bytes;
    const rocksdb::Slice slice(key.data(), key.size());
    if (!db_->Get({}, families_[kNotes], slice, &bytes).ok()) return std::nullopt;
    return bytes;
  }

  void notes(std::string_view prefix,
             const std::function<void(std::string_view, std::string_view)>& take) const override {
    const auto it = iterate(kNotes);
    const rocksdb::Slice start(prefix.data(), prefix.size());
    for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) {
      take(view(it->key()), view(it->value()));
    }
  }

  std::size_t trim(Instant before, std::size_t limit) override {
    std::size_t gone = 0;
    for (std::size_t i = 0; i < event::kChannels && gone < limit; ++i) {
      gone += trim_channel(static_cast<Channel>(i), before, limit - gone);
    }
    return gone;
  }

  const std::string& id() const override { return id_; }
  std::uint64_t unreadable() const override { return unreadable_.load(std::memory_order_relaxed); }

 private:
  static rocksdb::WriteOptions synced() {
    rocksdb::WriteOptions options;
    options.sync = true;
    return options;
  }

  void add(rocksdb::WriteBatch& batch, const event::Event& event, Position position, Instant now,
           std::string& value) const {
    value.clear();
    put_u64(value, static_cast<std::uint64_t>(unix_nanos(now)));
    value += event::to_protobuf(event);
    const std::string key = event_key(event.channel(), position);
    batch.Put(families_[kEvents], key, value);
    if (!event.task.empty()) batch.Put(families_[kTasks], task_key(event.task) + key, {});
    if (const auto* state = std::get_if<event::State>(&event.payload)) {
      batch.Put(families_[kStates], state_key(state->prefix), key.substr(1));
    }
  }

  std::unique_ptr<rocksdb::Iterator> iterate(Family family) const {
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}, families_[family]));
  }

  static bool is_in(const rocksdb::Iterator& it, Channel channel) {
    return it.Valid() && it.key().size() == 9 && it.key()[0] == static_cast<char>(channel);
  }

  // The first or last position stored; 0 when there is none.
  Position edge(Channel channel, bool at_end) const {
    const auto it = iterate(kEvents);
    if (at_end) {
      it->SeekForPrev(event_key(channel, ~Position{0}));
    } else {
      it->Seek(event_key(channel, 0));
    }
    return is_in(*it, channel) ? get_u64(view(it->key()).substr(1)) : 0;
  }

  std::size_t trim_channel(Channel channel, Instant before, std::size_t limit) {
    rocksdb::WriteBatch batch;
    std::size_t gone = 0;
    const auto it = iterate(kEvents);
    // The last event of a channel stays: its position is where the count goes on after a restart.
    for (it->Seek(event_key(channel, 0)); is_in(*it, channel) && gone < limit; it->Next()) {
      const Position position = get_u64(view(it->key()).substr(1));
      const std::string_view value = view(it->value());
      if (position == last(channel)) break;
      if (static_cast<std::int64_t>(get_u64(value)) >= unix_nanos(before)) break;
      if (is_newest_state(channel, position, value)) continue;
      batch.Delete(families_[kEvents], it->key());
      const auto event = event::from_protobuf(as_bytes(value.substr(kArrivalBytes)));
      if (event && !event->task.empty()) {
        batch.Delete(families_[kTasks], task_key(event->task) + it->key().ToString());
      }
      ++gone;
    }
    // Not synced: what a crash brings back is trimmed again.
    if (gone > 0 && !db_->Write({}, &batch).ok()) return 0;
    return gone;
  }

  bool is_newest_state(Channel channel, Position position, std::string_view value) const {
    if (channel != Channel::state) return false;
    const auto event = event::from_protobuf(as_bytes(value.substr(kArrivalBytes)));
    if (!event) return false;
    const auto& state = std::get<event::State>(event->payload);
    std::string newest;
    const auto status = db_->Get({}, families_[kStates], state_key(state.prefix), &newest);
    if (!status.ok() || get_u64(newest) != position) return false;
    // A prefix that is no longer measured is remembered only for as long as everything else.
    return !state.paths.empty();
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::string id_;
  std::array<std::atomic<Position>, event::kChannels> last_{};
  mutable std::atomic<std::uint64_t> unreadable_{0};
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 256;
  options.keep_log_file_num = 4;
  options.max_total_wal_size = 4 * kWriteBufferBytes;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.compression = rocksdb::kNoCompression;
  return options;
}

}  // namespace

Result<std::unique_ptr<EventLog>> open_rocksdb_log(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(Errc::io, "cannot make " + folder.string() + ": " + error.message());
  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
  for (const char* name : kFamilyNames) wanted.emplace_back(name, family_options(cache));
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* raw = nullptr;
  const auto status =
      rocksdb::DB::Open(database_options(), folder.string(), wanted, &families, &raw);
  if (!status.ok()) {
    return fail(Errc::io, "cannot open the event log " + folder.string() + ": " +
                              status.ToString() + "; is another collector using it?");
  }
  auto log = std::make_unique<RocksDbLog>(std::unique_ptr<rocksdb::DB>(raw), std::move(families));
  if (const auto failed = log->take_id()) return tl::unexpected(failed->within("event log"));
  return log;
}

}  // namespace isochrone::collector
