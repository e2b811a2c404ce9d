// SPDX-License-Identifier: Apache-2.0
//
// The contract of an event log; every implementation passes the same.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

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
  event::Event state(const char* prefix, std::uint64_t version) {
    event::State state;
    state.prefix = *Prefix::parse(prefix);
    state.version = version;
    state.paths.push_back({"fra", {}});
    state.paths[0].estimate.at = kStart;
    return {id(version, "collector-test"), kStart, {}, state};
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
};

class Log : public ClosedLog {
 protected:
  Log() { open(); }
};

using Sequences = std::vector<std::uint64_t>;

TEST_F(Log, NumbersEventsDenselyAndGivesThemBackInOrder) {
  for (std::uint64_t i = 1; i <= 5; ++i) add(i, kStart);
  EXPECT_EQ(log_->last(Channel::measurement), 5U);
  EXPECT_EQ(sequences(0), (Sequences{1, 2, 3, 4, 5}));
  EXPECT_EQ(sequences(3), (Sequences{4, 5}));
  EXPECT_EQ(sequences(1, 2), (Sequences{2, 3}));
  EXPECT_EQ(log_->read(Channel::measurement, 1, 2).scanned, 3U);
  EXPECT_EQ(log_->read(Channel::measurement, 99, 2).scanned, 5U);
  EXPECT_TRUE(log_->read(Channel::health, 0, 10).events.empty());
}

TEST_F(Log, FindsWhatArrivedSince) {
  for (std::uint64_t i = 1; i <= 9; ++i) add(i, kStart + Seconds(i));
  EXPECT_EQ(log_->before(Channel::measurement, kStart), 0U);
  EXPECT_EQ(log_->before(Channel::measurement, kStart + Seconds(4)), 3U);
  EXPECT_EQ(log_->before(Channel::measurement, kStart + Seconds(100)), 9U);
}

TEST_F(Log, GoesOnWhereItWasAfterReopening) {
  add(1, kStart);
  const std::string id = log_->id();
  ASSERT_TRUE(log_->append({}, {{"key", "value"}}, kStart));
  open();
  add(2, kStart);
  EXPECT_EQ(sequences(0), (Sequences{1, 2}));
  EXPECT_EQ(log_->id(), id);
  EXPECT_EQ(log_->note("key"), "value");
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

TEST_F(Log, ListsTheEventsOfATask) {
  add(1, kStart);
  add(2, kStart);
  EXPECT_EQ(log_->task("fra-1", 10).size(), 2U);
  EXPECT_TRUE(log_->task("fra", 10).empty());
}

TEST_F(Log, RemembersTheNewestStateOfEachPrefixThroughTrimming) {
  ASSERT_TRUE(log_->append({state("192.0.2.0/24", 1), state("198.18.0.0/24", 2)}, {}, kStart));
  ASSERT_TRUE(log_->append({state("192.0.2.0/24", 3)}, {}, kStart + Seconds(1)));
  add(1, kStart);
  add(2, kStart);
  EXPECT_EQ(log_->trim(kStart + Seconds(60), 100), 2U);  // one old state, one measurement
  std::size_t states = 0;
  log_->newest_states([&](std::string_view) { ++states; });
  EXPECT_EQ(states, 2U);
  EXPECT_EQ(sequences(0), (Sequences{2}));
  EXPECT_EQ(log_->first(Channel::measurement), 2U);
}

TEST_F(Log, RefusesASecondOwner) {
  const auto second = open_rocksdb_log(folder_.path() / "log");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find("another collector"), std::string::npos);
}

}  // namespace
}  // namespace isochrone::collector
