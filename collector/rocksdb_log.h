// SPDX-License-Identifier: Apache-2.0
//
// RocksDbLog: the event log in RocksDB; log_rocksdb.cc writes, _read.cc reads, _trim.cc trims.
//
// Threads: as EventLog says; what is read again and again (ends, sizes) is kept in atomics.
// Damage:  a block whose events are not all there counts once; gaps are found when it is opened.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "collector/event_log.h"
#include "collector/log_index.h"
#include "collector/rocksdb.h"
#include "collector/wal_salvage.h"

namespace isochrone::collector {

constexpr std::size_t index_of(event::Channel channel) { return static_cast<std::size_t>(channel); }
inline std::string number(std::uint64_t value) {
  std::string out;
  put_u64(out, value);
  return out;
}

constexpr std::string_view kFirstKey = "first/";      // then the channel's number
constexpr std::string_view kCheckedKey = "checked/";  // positions up to it were looked at for gaps
constexpr std::string_view kLostKey = "lost";         // how many were found missing, ever
inline std::string channel_key(std::string_view start, std::size_t channel) {
  return std::string(start) + static_cast<char>('0' + channel);
}

class RocksDbLog final : public EventLog {
 public:
  static Result<std::unique_ptr<RocksDbLog>> open(const std::filesystem::path& folder);
  RocksDbLog(std::unique_ptr<Database> database, std::shared_ptr<Marks> marks)
      : database_(std::move(database)), marks_(std::move(marks)) {}

  // What is known of the channels without reading events, and what is missing in them; `salvaged`
  // is put back first.
  std::optional<Error> begin(const Salvaged& salvaged);
  // Only to be read: as it is, damage and all.
  void begin_reading();

  Result<std::vector<event::Position>> append(const std::vector<event::Event>& events,
                                              const std::vector<Note>& notes, Instant now) override;
  Page read(event::Channel channel, event::Position after, std::size_t limit,
            const Only& only) const override;
  std::optional<Found> find(const event::EventId& id) const override;
  event::Position before(event::Channel channel, Instant since) const override;
  event::Position last(event::Channel channel) const override {
    return last_[index_of(channel)].load();
  }
  event::Position first(event::Channel channel) const override;
  std::uint64_t bytes(event::Channel channel) const override {
    return bytes_[index_of(channel)].load();
  }
  void newest_states(const std::function<void(std::string_view)>& take) const override;
  std::optional<std::string> note(std::string_view key) const override;
  void notes(std::string_view prefix,
             const std::function<void(std::string_view, std::string_view)>& take) const override;
  std::size_t trim(const Retention& keep, Instant now, std::size_t limit) override;
  const std::string& id() const override { return id_; }
  Damage damage() const override;

  // For a replica of another log (collector/nats_log.h), its truth: writes are not synced; skip_to()
  // numbers on where events were not to be had; restate() takes states unless newer ones are known.
  void repeat_another() { is_synced_ = false; }
  std::optional<Error> skip_to(const Firsts& next);
  Firsts due(const Retention& keep, Instant now, std::size_t limit) const;
  std::size_t trim_to(const Firsts& marks);
  void states(const std::function<void(event::Position, std::string_view)>& take) const;
  std::optional<Error> restate(const std::vector<StoredBytes>& states);

 private:
  struct OpenBlock;
  struct Reading;
  struct Unreadable {
    std::set<std::pair<event::Channel, event::Position>> blocks;  // each counted once
    std::uint64_t events = 0;
  };

  std::uint64_t read_number(const std::string& key) const;
  void look_at(event::Channel channel, rocksdb::WriteBatch& batch);
  void lose(event::Channel channel, std::uint64_t events);
  std::optional<Error> mend();
  std::optional<Error> reindex();
  std::optional<Error> put_back(const Salvaged& salvaged);
  bool has(event::Channel channel, event::Position position) const;
  void index_block(rocksdb::WriteBatch& batch, event::Channel channel, event::Position last,
                   std::string_view block) const;
  std::string file_with(event::Channel channel, event::Position last) const;
  void put_index(rocksdb::WriteBatch& batch, const std::string& block, const LogIndex& index,
                 const BlockInfo& info) const;

  void add(rocksdb::WriteBatch& batch, OpenBlock& block, const event::Event& event,
           event::Position position) const;
  std::uint64_t close(rocksdb::WriteBatch& batch, event::Channel channel, const OpenBlock& block,
                      Instant now) const;

  // These return whether the page still has room.
  bool read_kept(Reading& reading) const;
  bool read_blocks(Reading& reading, event::Position from,
                   const std::optional<Prefix>& prefix) const;
  bool read_task(Reading& reading, event::Position from, const std::string& task) const;
  bool read_block(Reading& reading, event::Position from, event::Position last,
                  event::Position first) const;
  void miss(event::Channel channel, event::Position block, std::uint64_t events) const;
  std::optional<Found> find_in(std::string_view block, const event::EventId& id,
                               std::uint64_t guess) const;

  event::Position due_of(event::Channel channel, const Keep& keep, Instant now,
                         std::size_t limit) const;
  std::size_t trim_channel(event::Channel channel, event::Position mark);
  void keep_states(std::string_view block, rocksdb::WriteBatch& batch) const;

  std::unique_ptr<Database> database_;
  std::shared_ptr<Marks> marks_;
  std::string id_;
  bool is_synced_ = true;
  std::array<std::atomic<event::Position>, event::kChannels> last_{};
  std::array<std::atomic<std::uint64_t>, event::kChannels> bytes_{};
  std::uint64_t lost_ = 0;
  Damage damage_;
  mutable Guarded<Unreadable> unreadable_;
  // The block that find() read last: what is posted again is posted in the same order.
  mutable struct {
    std::string block;
    std::string bytes;
    std::vector<std::pair<event::Position, std::string_view>> events;  // of bytes
  } looked_up_;
};

// Whether the iterator over blocks stands in this channel, and at which position its block ends.
inline bool is_in(const rocksdb::Iterator& it, event::Channel channel) {
  return it.Valid() && it.key().size() == kBlockKeyBytes &&
         it.key()[0] == static_cast<char>(channel);
}
inline event::Position last_of(const rocksdb::Iterator& it) {
  return get_u64(view(it.key()).substr(1));
}

}  // namespace isochrone::collector
