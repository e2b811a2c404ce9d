// SPDX-License-Identifier: Apache-2.0
#include "collector/rocksdb.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/table.h>

#include <system_error>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "collector/log_index.h"
#include "collector/wal_salvage.h"

namespace isochrone::collector {
namespace {

// Two write buffers bound what a restart reads back from the WAL.
constexpr std::size_t kWriteBufferBytes = 32 << 20;
constexpr std::size_t kBlockCacheBytes = 32 << 20;
constexpr std::uint64_t kIndexRewriteSeconds = 24 * 3'600;
constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kFormat = "2";

// Leaves out what an index says of blocks that are not kept any more.
class KeptOnly final : public rocksdb::CompactionFilter {
 public:
  explicit KeptOnly(std::shared_ptr<const Marks> marks) : marks_(std::move(marks)) {}
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice&, std::string*,
              bool*) const override {
    if (key.size() < kBlockKeyBytes) return false;
    const std::string_view block = view(key).substr(key.size() - kBlockKeyBytes);
    const auto channel = static_cast<unsigned char>(block[0]);
    return channel < event::kChannels &&
           get_u64(block.substr(1)) < marks_->first[channel].load(std::memory_order_relaxed);
  }
  const char* Name() const override { return "isochrone.kept-only"; }

 private:
  std::shared_ptr<const Marks> marks_;
};

class KeptOnlyFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit KeptOnlyFactory(std::shared_ptr<const Marks> marks) : marks_(std::move(marks)) {}
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<KeptOnly>(marks_);
  }
  const char* Name() const override { return "isochrone.kept-only"; }

 private:
  std::shared_ptr<const Marks> marks_;
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // A torn tail is cut; damage before it is skipped, and seen by the positions that are missing.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  // A damaged file must not stop posts: it is counted when it is read.
  options.paranoid_checks = false;
  options.max_open_files = 512;
  options.keep_log_file_num = 4;
  options.max_total_wal_size = 4 * kWriteBufferBytes;
  options.bytes_per_sync = 512 * 1024;  // or the next sync waits for a whole file of another
  return options;
}

rocksdb::ColumnFamilyOptions family_options(std::size_t family,
                                            const std::shared_ptr<rocksdb::Cache>& cache,
                                            const std::shared_ptr<const Marks>& marks) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.compression = rocksdb::kNoCompression;
  if (family == kIds || family == kTasks) {
    options.compaction_filter_factory = std::make_shared<KeptOnlyFactory>(marks);
    options.periodic_compaction_seconds = kIndexRewriteSeconds;
  }
  return options;
}

Error cannot_open(const std::filesystem::path& folder, const rocksdb::Status& status) {
  const bool is_other = status.IsInvalidArgument();
  return Error(Errc::io, "cannot open the event log " + folder.string() + ": " + status.ToString() +
                             (is_other ? "; it was written by another version, move it away"
                                       : "; is another collector using it?"));
}

// Its manifest, or the name of that, cannot be read, though there is one.
bool is_damaged(const std::filesystem::path& folder, const rocksdb::Status& status) {
  const bool is_missing =
      status.IsNotFound() || status.IsPathNotFound() ||
      (status.IsIOError() && status.ToString().find("No such file") != std::string::npos);
  return (status.IsCorruption() || is_missing) && std::filesystem::exists(folder / "CURRENT");
}

}  // namespace

std::string family_name(std::size_t family) {
  constexpr std::array<const char*, kEvents> kNames{"default", "notes", "states", "kept",
                                                    "blocks",  "ids",   "tasks"};
  if (family < kEvents) return kNames[family];
  return "events." + std::string(event::to_string(static_cast<event::Channel>(family - kEvents)));
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& folder,
                                                 std::shared_ptr<const Marks> marks,
                                                 Access access) {
  if (access == Access::write) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail(Errc::io, "cannot make " + folder.string() + ": " + error.message());
  }
  // The library would make one.
  if (access == Access::read && !std::filesystem::exists(folder / "CURRENT")) {
    return fail(Errc::not_found, "no event log is in " + folder.string() +
                                     "; it is the folder log of a state directory");
  }
  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  std::unique_ptr<Database> database(new Database);
  auto& wanted = database->wanted_;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    wanted.emplace_back(family_name(i), family_options(i, cache, marks));
  }
  rocksdb::DB* raw = nullptr;
  const auto options = database_options();
  if (access == Access::read) {
    if (const auto file = blocking_wal(folder)) {
      return fail(Errc::io, file->string() + " is damaged; a collector that starts on it mends it");
    }
    const auto status =
        rocksdb::DB::OpenForReadOnly(options, folder.string(), wanted, &database->families_, &raw);
    if (!status.ok()) return tl::unexpected(cannot_open(folder, status));
    database->db_.reset(raw);
    return database;
  }
  auto status =
      is_manifest_whole(folder)
          ? rocksdb::DB::Open(options, folder.string(), wanted, &database->families_, &raw)
          : rocksdb::Status::Corruption("its manifest is not whole");
  if (is_damaged(folder, status)) {
    log_warning("the event log does not open, it is made anew from its files why=\"" +
                status.ToString() + "\"");
    status = rocksdb::RepairDB(folder.string(), options, wanted);
    if (status.ok()) {
      status = rocksdb::DB::Open(options, folder.string(), wanted, &database->families_, &raw);
    }
    database->was_repaired_ = true;
  }
  if (!status.ok()) return tl::unexpected(cannot_open(folder, status));
  database->db_.reset(raw);
  std::string format;
  if (!raw->Get({}, slice(kFormatKey), &format).ok()) {
    rocksdb::WriteBatch batch;
    batch.Put(slice(kFormatKey), slice(kFormat));
    if (const auto written = database->write(batch, true); !written.ok()) {
      return tl::unexpected(cannot_open(folder, written));
    }
  }
  return database;
}

Database::~Database() {
  if (!db_) return;
  for (auto* family : families_) db_->DestroyColumnFamilyHandle(family);
  db_->Close();
}

std::unique_ptr<rocksdb::Iterator> Database::iterate(std::size_t family) {
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator({}, families_[family]));
}

bool Database::get(std::size_t family, std::string_view key, rocksdb::PinnableSlice& value) {
  return db_->Get({}, families_[family], slice(key), &value).ok();
}

rocksdb::Status Database::write(rocksdb::WriteBatch& batch, bool is_synced) {
  rocksdb::WriteOptions options;
  options.sync = is_synced;
  // After a failure (a full disk) the library refuses everything until it is told to go on.
  if (has_failed_) {
    const auto resumed = db_->Resume();
    if (!resumed.ok()) return resumed;
  }
  const auto status = db_->Write(options, &batch);
  has_failed_ = !status.ok();
  return status;
}

bool Database::is_whole(std::size_t family) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, families_[family]));
  for (it->SeekToFirst(); it->Valid();) it->Next();
  return it->status().ok();
}

// From both ends as far as what is damaged: a block that fails its sum must not be looked into, for the library
// ends the process at what it does not expect there.
std::vector<std::pair<std::string, std::string>> Database::salvage(std::size_t family) {
  std::vector<std::pair<std::string, std::string>> found;
  const auto it = iterate(family);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    found.emplace_back(it->key().ToString(), it->value().ToString());
  }
  const std::string last = found.empty() ? "" : found.back().first;
  const auto back = iterate(family);
  for (back->SeekToLast(); back->Valid() && back->key().compare(last) > 0; back->Prev()) {
    found.emplace_back(back->key().ToString(), back->value().ToString());
  }
  return found;
}

std::optional<Error> Database::remake(std::size_t family) {
  auto*& handle = families_[family];
  auto status = db_->DropColumnFamily(handle);
  if (status.ok()) status = db_->DestroyColumnFamilyHandle(handle);
  if (status.ok()) {
    status = db_->CreateColumnFamily(wanted_[family].options, wanted_[family].name, &handle);
  }
  if (status.ok()) return std::nullopt;
  return Error(Errc::io, "cannot make " + wanted_[family].name + " anew: " + status.ToString());
}

std::vector<std::string> Database::files_with(std::size_t family, std::string_view key) {
  rocksdb::ColumnFamilyMetaData about;
  db_->GetColumnFamilyMetaData(families_[family], &about);
  std::vector<std::string> paths;
  for (const auto& level : about.levels) {
    for (const auto& file : level.files) {
      if (file.smallestkey <= key && key <= file.largestkey) {
        paths.push_back(file.db_path + file.name);
      }
    }
  }
  return paths;
}

void Database::drop_files(std::size_t family, std::string_view begin, std::string_view end) {
  const rocksdb::Slice from = slice(begin);
  const rocksdb::Slice to = slice(end);
  // What fails to go now goes the next time.
  static_cast<void>(rocksdb::DeleteFilesInRange(db_.get(), families_[family], &from, &to, false));
}

std::string sealed(std::string_view value) {
  std::string out(4, '\0');
  store_be(reinterpret_cast<std::uint8_t*>(out.data()),
           crc32c({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()}));
  return out.append(value);
}

std::optional<std::string_view> unsealed(std::string_view value) {
  if (value.size() < 4) return std::nullopt;
  const auto* data = reinterpret_cast<const std::uint8_t*>(value.data());
  const std::string_view held = value.substr(4);
  if (crc32c({data + 4, held.size()}) != load_be<std::uint32_t>(data)) return std::nullopt;
  return held;
}

}  // namespace isochrone::collector
