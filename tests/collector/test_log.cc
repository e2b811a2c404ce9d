// SPDX-License-Identifier: Apache-2.0
//
// What only the log on this disk has to bear: crashes, torn files, a second owner.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "collector/log_rocksdb.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Channel;

// The log is not open yet: a process without threads can fork one that has them.
class ClosedLog : public ::testing::Test {
 protected:
  void open() {
    log_.reset();
    auto opened = open_rocksdb_log(folder_.path() / "log");
    ASSERT_TRUE(opened) << opened.error().text();
    log_ = std::move(*opened);
  }
  void add(std::uint64_t sequence, Instant arrival) {
    const auto event = measured(sequence, "fra", "192.0.2.0/24", arrival, Micros(9));
    ASSERT_TRUE(log_->append({event}, {}, arrival));
  }
  std::vector<std::uint64_t> sequences(event::Position after, std::size_t limit = 100) {
    std::vector<std::uint64_t> found;
    for (const StoredBytes& stored : log_->read(Channel::measurement, after, limit).events) {
      const auto event = event::from_protobuf(
          {reinterpret_cast<const std::uint8_t*>(stored.event.data()), stored.event.size()});
      found.push_back(event ? event->id.sequence : 0);
    }
    return found;
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
};

class Log : public ClosedLog {
 protected:
  Log() { open(); }
};

using Sequences = std::vector<std::uint64_t>;

void flip(const std::filesystem::path& path, std::uintmax_t at, std::uintmax_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int octet = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(octet ^ (1 << bit)));
}

// Where the last piece begins of a file that is shorter than a block: seven octets, of which the fifth and the
// sixth say how many follow.
std::size_t last_head(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::size_t at = 0;
  for (std::size_t next = 0; next + 7 < bytes.size();) {
    at = next;
    const auto low = static_cast<unsigned char>(bytes[at + 4]);
    const auto high = static_cast<unsigned char>(bytes[at + 5]);
    next += 7 + (std::size_t{high} << 8 | low);
  }
  return at;
}

TEST_F(ClosedLog, KeepsWhatWasAppendedWhenTheProcessDies) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto log = open_rocksdb_log(folder_.path() / "log");
    const auto event = measured(1, "fra", "192.0.2.0/24", kStart, Micros(9));
    const bool ok = log && (*log)->append({event}, {{"key", "value"}}, kStart).has_value();
    ::_exit(ok ? 0 : 1);  // no destructor, no flush
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  open();
  EXPECT_EQ(sequences(0), (Sequences{1}));
  EXPECT_EQ(log_->note("key"), "value");
}

TEST_F(Log, CutsATornTail) {
  for (std::uint64_t i = 1; i <= 3; ++i) add(i, kStart);
  log_.reset();
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "log")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) newest = entry.path();
  }
  ASSERT_FALSE(newest.empty());
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) - 5);
  open();
  EXPECT_EQ(sequences(0), (Sequences{1, 2}));
  add(4, kStart);
  EXPECT_EQ(sequences(0), (Sequences{1, 2, 4}));
}

// Every octet of the log's write-ahead file in turn has a bit flipped: at most the event it hits is
// lost, then it is counted, and the log goes on.
TEST_F(Log, LosesAtMostOneEventByOneFlippedBit) {
  for (std::uint64_t i = 1; i <= 12; ++i) add(i, kStart);
  log_.reset();
  const auto whole = folder_.path() / "whole";
  std::filesystem::rename(folder_.path() / "log", whole);
  std::filesystem::path file;
  for (const auto& entry : std::filesystem::directory_iterator(whole)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) file = entry.path().filename();
  }
  ASSERT_FALSE(file.empty());
  const auto size = std::filesystem::file_size(whole / file);
  for (std::uintmax_t at = 0; at < size; at += 97) {
    std::filesystem::remove_all(folder_.path() / "log");
    std::filesystem::copy(whole, folder_.path() / "log");
    flip(folder_.path() / "log" / file, at, at % 8);
    open();
    const Sequences found = sequences(0);
    ASSERT_GE(found.size(), 11U) << "octet " << at << " of " << size;
    ASSERT_GE(log_->damage().events, 12 - found.size()) << "octet " << at;
    add(13, kStart);
    EXPECT_EQ(sequences(0).back(), 13U);
    log_.reset();
  }
}

// What says which files belong together is no event: everything is there once it is made anew.
TEST_F(Log, OpensThoughItsManifestIsDamaged) {
  for (std::uint64_t i = 1; i <= 12; ++i) add(i, kStart);
  open();  // so that some lie in a table
  for (std::uint64_t i = 13; i <= 20; ++i) add(i, kStart);
  log_.reset();
  const auto whole = folder_.path() / "whole";
  std::filesystem::rename(folder_.path() / "log", whole);
  for (const auto& entry : std::filesystem::directory_iterator(whole)) {
    const std::string name = entry.path().filename();
    if (name != "CURRENT" && !name.starts_with("MANIFEST")) continue;
    const std::uintmax_t stride = name == "CURRENT" ? 1 : 131;
    for (std::uintmax_t at = 0; at < entry.file_size(); at += stride) {
      std::filesystem::remove_all(folder_.path() / "log");
      std::filesystem::copy(whole, folder_.path() / "log");
      flip(folder_.path() / "log" / name, at, at % 8);
      open();
      ASSERT_EQ(sequences(0).size(), 20U) << name << " octet " << at;
      add(21, kStart);
      ASSERT_EQ(sequences(0).back(), 21U);
      open();
      ASSERT_EQ(sequences(0).size(), 21U) << name << " octet " << at;
      log_.reset();
    }
  }
}

// What says how long a piece of a file is, and of which kind, is summed by no one, and a file is believed to be
// over where it does not fit: every bit of both in the first and the last piece, and of how a table begins, which
// the library looks into with an assertion.
TEST_F(Log, LosesNothingByAFlippedBitOfAHead) {
  for (std::uint64_t i = 1; i <= 12; ++i) add(i, kStart);
  open();  // so that some lie in a table
  for (std::uint64_t i = 13; i <= 20; ++i) add(i, kStart);
  log_.reset();
  const auto whole = folder_.path() / "whole";
  std::filesystem::rename(folder_.path() / "log", whole);
  for (const auto& entry : std::filesystem::directory_iterator(whole)) {
    const std::string name = entry.path().filename();
    const bool is_log = entry.path().extension() == ".log" || entry.path().extension() == ".sst";
    if (entry.file_size() == 0 || (!is_log && !name.starts_with("MANIFEST"))) continue;
    const bool is_table = entry.path().extension() == ".sst";
    const std::size_t last = is_table ? 0 : last_head(entry.path());
    for (const std::size_t head : std::set<std::size_t>{0, last}) {
      for (std::size_t bit = 0; bit < 3 * 8; ++bit) {
        const std::size_t at = (is_table ? head : head + 4) + bit / 8;
        SCOPED_TRACE(fmt::format("{} octet {} bit {}", name, at, bit % 8));
        std::filesystem::remove_all(folder_.path() / "log");
        std::filesystem::copy(whole, folder_.path() / "log");
        flip(folder_.path() / "log" / name, at, bit % 8);
        open();
        ASSERT_EQ(sequences(0).size(), 20U);
        log_.reset();
      }
    }
  }
}

TEST_F(Log, IsReadWithoutBeingWrittenTo) {
  for (std::uint64_t i = 1; i <= 5; ++i) add(i, kStart);
  const auto files = [&] {
    std::map<std::string, std::uintmax_t> sizes;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "log")) {
      sizes[entry.path().filename()] = entry.file_size();
    }
    return sizes;
  };
  const auto before = files();
  for (const bool is_open : {true, false}) {
    if (!is_open) log_.reset();
    const auto closed = is_open ? before : files();
    const auto read = read_rocksdb_log(folder_.path() / "log");
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ((*read)->read(Channel::measurement, 0, 10).events.size(), 5U);
    EXPECT_EQ((*read)->last(Channel::measurement), 5U);
    EXPECT_EQ(files(), closed);
  }
  EXPECT_FALSE(read_rocksdb_log(folder_.path() / "none"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "none"));
}

TEST_F(Log, RefusesASecondOwner) {
  const auto second = open_rocksdb_log(folder_.path() / "log");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("another collector"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::collector
