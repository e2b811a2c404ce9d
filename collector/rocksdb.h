// SPDX-License-Identifier: Apache-2.0
//
// RocksDB as the embedded log uses it: the only header that includes it, for log_rocksdb*.cc.
//
// One column family per kind of record and one per channel's events: those only ever grow at their
// end and are dropped at their beginning, so RocksDB moves their files without rewriting them.
#pragma once

#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/event.h"

namespace isochrone::collector {

enum Family : std::size_t {
  kDefault,
  kNotes,
  kStates,
  kKept,
  kBlocks,
  kIds,
  kTasks,
  kEvents,  // and so on, by channel
  kFamilies = kEvents + event::kChannels
};
constexpr std::size_t events_of(event::Channel channel) {
  return kEvents + static_cast<std::size_t>(channel);
}
std::string family_name(std::size_t family);

// The oldest position kept of each channel: what lies before it is gone, whatever is on disk yet.
struct Marks {
  std::array<std::atomic<event::Position>, event::kChannels> first{};
};

class Database {
 public:
  // Errors say what an operator can do. What says which files belong to it may be damaged: then it is
  // made anew from the files. Only to read: nothing is written, and nothing may be.
  enum class Access : std::uint8_t { write, read };
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& folder,
                                                std::shared_ptr<const Marks> marks,
                                                Access access = Access::write);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* family(std::size_t index) { return families_[index]; }
  std::unique_ptr<rocksdb::Iterator> iterate(std::size_t family);
  // False as well when its block fails its checksum.
  bool get(std::size_t family, std::string_view key, rocksdb::PinnableSlice& value);
  // From one thread. Goes on after a failure as soon as that is over.
  rocksdb::Status write(rocksdb::WriteBatch& batch, bool is_synced);
  // Whether every block of the family can be read.
  bool is_whole(std::size_t family);
  // Whether open() had to make it anew.
  bool was_repaired() const noexcept { return was_repaired_; }
  // Its keys and values, but for those between the first damaged block and the last one.
  std::vector<std::pair<std::string, std::string>> salvage(std::size_t family);
  // Empty again.
  std::optional<Error> remake(std::size_t family);
  // The files whose range holds the key.
  std::vector<std::string> files_with(std::size_t family, std::string_view key);
  // Gives back the files that hold nothing else than keys from `begin` to before `end`.
  void drop_files(std::size_t family, std::string_view begin, std::string_view end);

 private:
  Database() = default;

  std::vector<rocksdb::ColumnFamilyDescriptor> wanted_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  bool has_failed_ = false;
  bool was_repaired_ = false;
};

inline std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

// A value with its checksum before it, and what it held; nothing when that is not whole.
std::string sealed(std::string_view value);
std::optional<std::string_view> unsealed(std::string_view value);

}  // namespace isochrone::collector
