// SPDX-License-Identifier: Apache-2.0
//
// The contract of an event log: every implementation in kLogs passes the same tests.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "collector/log_rocksdb.h"
#include "collector/nats_log.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"
#include "tests/support/nats_cluster.h"
#include "tests/support/nats_server.h"

namespace isochrone::collector {
namespace {

using event::Channel;
using Sequences = std::vector<std::uint64_t>;

struct Implementation {
  const char* name;
  // Opens the log that lives in this folder, new or from an earlier life.
  std::function<Result<std::unique_ptr<EventLog>>(const std::filesystem::path&)> open;
};

// One server serves this process; every log has a stream of its own, named after its folder.
[[maybe_unused]] Result<std::unique_ptr<EventLog>> open_nats(const std::filesystem::path& folder) {
  static const TemporaryFolder server_folder;
  static const test::NatsServer server(server_folder.path());
  NatsOptions options;
  options.servers = {server.url()};
  options.stream = folder.filename().string();
  return open_nats_log(options, folder / "replica");
}

// The three servers of a cluster; each log has a stream with three replicas.
[[maybe_unused]] Result<std::unique_ptr<EventLog>> open_cluster(
    const std::filesystem::path& folder) {
  static const TemporaryFolder server_folder;
  const test::NatsCluster& cluster = test::NatsCluster::make(server_folder.path());
  if (!cluster.trouble().empty()) return fail(Errc::io, cluster.trouble());
  NatsOptions options;
  options.servers = cluster.urls();
  options.replicas = test::NatsCluster::kServers;
  options.stream = folder.filename().string();
  return open_nats_log(options, folder / "replica");
}

const Implementation kLogs[] = {
#ifdef ISOCHRONE_CLUSTER
    {"nats_cluster", open_cluster},
#else
    {"rocksdb", [](const auto& folder) { return open_rocksdb_log(folder / "log"); }},
    {"nats", open_nats},
    // Each life is that of another collector, which has nothing but the stream.
    {"nats_alone",
     [](const auto& folder) {
       std::filesystem::remove_all(folder / "replica");
       return open_nats(folder);
     }},
#endif
};

class LogContract : public ::testing::TestWithParam<Implementation> {
 protected:
  LogContract() { open(); }

  void open() {
    log_.reset();
    auto opened = GetParam().open(folder_.path());
    ASSERT_TRUE(opened) << opened.error().text();
    log_ = std::move(*opened);
  }
  void add(std::uint64_t sequence, Instant arrival, const char* prefix = "192.0.2.0/24") {
    append({measured(sequence, "fra", prefix, arrival, Micros(9))}, arrival);
  }
  void append(const std::vector<event::Event>& events, Instant arrival) {
    ASSERT_TRUE(log_->append(events, {}, arrival));
  }
  static event::Event decoded(const std::string& bytes) {
    const auto event =
        event::from_protobuf({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    return event ? *event : event::Event{};
  }
  Sequences sequences(event::Position after, std::size_t limit = 10'000, const Only& only = {},
                      Channel channel = Channel::measurement) {
    Sequences found;
    for (const StoredBytes& stored : log_->read(channel, after, limit, only).events) {
      found.push_back(decoded(stored.event).id.sequence);
    }
    return found;
  }
  static event::Event state(const char* prefix, std::uint64_t version) {
    event::State state;
    state.prefix = *Prefix::parse(prefix);
    state.version = version;
    state.paths.push_back({"fra", {}});
    state.paths[0].estimate.at = kStart;
    return {id(version, "collector-test"), kStart, {}, state};
  }
  std::set<std::uint64_t> newest_versions() {
    std::set<std::uint64_t> versions;
    log_->newest_states([&](std::string_view bytes) {
      versions.insert(std::get<event::State>(decoded(std::string(bytes)).payload).version);
    });
    return versions;
  }
  static Retention keep(Nanos age, std::uint64_t bytes = 0) {
    Retention all;
    all.fill({age, bytes});
    return all;
  }

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
};

TEST_P(LogContract, NumbersEventsDenselyAndGivesThemBackInOrder) {
  for (std::uint64_t i = 1; i <= 5; ++i) add(i, kStart);
  EXPECT_EQ(log_->last(Channel::measurement), 5U);
  EXPECT_EQ(log_->first(Channel::measurement), 1U);
  EXPECT_EQ(sequences(0), (Sequences{1, 2, 3, 4, 5}));
  EXPECT_EQ(sequences(3), (Sequences{4, 5}));
  EXPECT_EQ(sequences(1, 2), (Sequences{2, 3}));
  const Page page = log_->read(Channel::measurement, 1, 2);
  EXPECT_EQ(page.scanned, 3U);
  EXPECT_FALSE(page.is_at_end);
  EXPECT_EQ(log_->read(Channel::measurement, 99, 2).scanned, 5U);
  EXPECT_TRUE(log_->read(Channel::health, 0, 10).events.empty());
}

TEST_P(LogContract, NumbersEachChannelOfAMixedBatchByItself) {
  std::vector<event::Event> batch;
  for (std::uint64_t i = 1; i <= 5'000; ++i) {
    batch.push_back(
        i % 5 == 0 ? health(i, "fra", event::HealthStatus::up, event::HealthOrigin::prober, kStart)
                   : measured(i, "fra", "192.0.2.0/24", kStart, Micros(9)));
  }
  const auto positions = log_->append(batch, {}, kStart);
  ASSERT_TRUE(positions);
  EXPECT_EQ((*positions)[3], 4U);
  EXPECT_EQ((*positions)[4], 1U) << "the first of health";
  EXPECT_EQ(log_->last(Channel::measurement), 4'000U);
  EXPECT_EQ(log_->last(Channel::health), 1'000U);
  // In pages of any size, without gap or repetition.
  for (const std::size_t limit : {1U, 7U, 999U, 5'000U}) {
    std::size_t count = 0;
    event::Position after = limit == 1 ? 3'900 : 0;
    const std::size_t expected = 4'000 - after;
    for (Page page; !(page = log_->read(Channel::measurement, after, limit)).events.empty();) {
      for (const StoredBytes& stored : page.events) ASSERT_EQ(stored.position, ++after);
      count += page.events.size();
    }
    EXPECT_EQ(count, expected) << limit;
  }
}

TEST_P(LogContract, KeepsTheBytesItWasGiven) {
  auto event = measured(1, "fra", "192.0.2.0/24", kStart, Micros(9));
  // Field 99 of a later schema: a varint 7.
  event.bytes = event::to_protobuf(event) + std::string("\x98\x06\x07");
  append({event}, kStart);
  open();
  EXPECT_EQ(log_->read(Channel::measurement, 0, 1).events[0].event, event.bytes);
  EXPECT_EQ(log_->find(event.id)->stored.event, event.bytes);
}

TEST_P(LogContract, FindsWhatArrivedSince) {
  for (std::uint64_t i = 1; i <= 9; ++i) add(i, kStart + Seconds(i));
  EXPECT_EQ(log_->before(Channel::measurement, kStart), 0U);
  EXPECT_EQ(log_->before(Channel::measurement, kStart + Seconds(4)), 3U);
  EXPECT_EQ(log_->before(Channel::measurement, kStart + Seconds(100)), 9U);
}

TEST_P(LogContract, GoesOnWhereItWasAfterReopening) {
  add(1, kStart);
  const std::string id = log_->id();
  ASSERT_TRUE(log_->append({}, {{"key", "value"}}, kStart));
  open();
  add(2, kStart);
  EXPECT_EQ(sequences(0), (Sequences{1, 2}));
  EXPECT_EQ(log_->id(), id);
  EXPECT_EQ(log_->note("key"), "value");
  EXPECT_EQ(log_->damage().events, 0U);
}

TEST_P(LogContract, ForgetsANoteWithoutBytes) {
  ASSERT_TRUE(log_->append({}, {{"a/1", "one"}, {"a/2", "two"}, {"b/1", "other"}}, kStart));
  ASSERT_TRUE(log_->append({}, {{"a/1", ""}}, kStart));
  std::vector<std::string> found;
  log_->notes("a/", [&](std::string_view key, std::string_view bytes) {
    found.push_back(std::string(key) + "=" + std::string(bytes));
  });
  EXPECT_EQ(found, (std::vector<std::string>{"a/2=two"}));
  EXPECT_FALSE(log_->note("a/1"));
}

TEST_P(LogContract, FindsAnEventByItsId) {
  std::vector<event::Event> batch;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    // Two sources, and one of them on two channels in turns.
    batch.push_back(measured(i, i % 3 == 0 ? "iad" : "fra", "192.0.2.0/24", kStart, Micros(i)));
    if (i % 10 == 0) {
      batch.push_back(
          health(1'000 + i, "fra", event::HealthStatus::up, event::HealthOrigin::prober, kStart));
    }
  }
  append(batch, kStart);
  append({measured(500, "fra", "192.0.2.0/24", kStart, Micros(500))}, kStart);
  append({measured(200, "fra", "192.0.2.0/24", kStart, Micros(200))}, kStart);
  open();
  batch.push_back(measured(500, "fra", "192.0.2.0/24", kStart, Micros(500)));
  batch.push_back(measured(200, "fra", "192.0.2.0/24", kStart, Micros(200)));
  for (const event::Event& event : batch) {
    const auto found = log_->find(event.id);
    ASSERT_TRUE(found) << event.id.source << " " << event.id.sequence;
    EXPECT_EQ(found->channel, event.channel());
    EXPECT_EQ(decoded(found->stored.event), event);
  }
  EXPECT_FALSE(log_->find(id(3)));    // iad's
  EXPECT_FALSE(log_->find(id(101)));  // in none
  EXPECT_FALSE(log_->find({"prober-fra", 2, 1}));
}

TEST_P(LogContract, IndexesByTaskAndPrefix) {
  for (std::uint64_t i = 1; i <= 400; ++i) {
    auto event =
        measured(i, "fra", i % 100 == 7 ? "198.18.0.0/24" : "192.0.2.0/24", kStart, Micros(9));
    event.task = "fra-" + std::to_string(i / 50);
    append({event}, kStart);
  }
  // An index may pass others as well; it never leaves out what is looked for.
  const auto is_within = [](const Sequences& all, const Sequences& some) {
    return std::includes(all.begin(), all.end(), some.begin(), some.end());
  };
  const Only rare{{}, Prefix::parse("198.18.0.0/24")};
  EXPECT_TRUE(is_within(sequences(0, 1'000, rare), {7, 107, 207, 307}));
  EXPECT_LT(sequences(0, 1'000, rare).size(), 60U);
  Sequences task;
  for (std::uint64_t i = 50; i < 100; ++i) task.push_back(i);
  EXPECT_EQ(sequences(0, 1'000, Only{"fra-1", {}}), task);
  EXPECT_EQ(sequences(90, 2, Only{"fra-1", {}}), (Sequences{91, 92}));
  EXPECT_TRUE(sequences(0, 1'000, Only{"fra", {}}).empty());
  const Page page = log_->read(Channel::measurement, 0, 1'000, Only{"none", {}});
  EXPECT_EQ(page.scanned, 400U);
  EXPECT_TRUE(page.is_at_end);
}

TEST_P(LogContract, DropsWhatIsOldButNotTheLast) {
  for (std::uint64_t i = 1; i <= 10; ++i) add(i, kStart + Seconds(i));
  EXPECT_EQ(log_->trim(keep(Seconds(60)), kStart + Seconds(64), 100), 3U);
  EXPECT_EQ(sequences(0), (Sequences{4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(log_->first(Channel::measurement), 4U);
  EXPECT_FALSE(log_->find(id(3)));
  EXPECT_TRUE(log_->find(id(4)));
  EXPECT_EQ(log_->trim(keep(Seconds(60)), kStart + Seconds(900), 100), 6U);
  open();
  EXPECT_EQ(sequences(0), (Sequences{10}));
  add(11, kStart);
  EXPECT_EQ(log_->last(Channel::measurement), 11U);
  EXPECT_EQ(log_->damage().events, 0U) << "what was trimmed is not missing";
}

TEST_P(LogContract, DropsWhatIsTooMuch) {
  for (std::uint64_t i = 1; i <= 100; ++i) add(i, kStart);
  const std::uint64_t whole = log_->bytes(Channel::measurement);
  EXPECT_GT(whole, 100U * 50);
  log_->trim(keep(Seconds(3'600), whole / 2), kStart, 1'000);
  EXPECT_LE(log_->bytes(Channel::measurement), whole / 2);
  EXPECT_GT(log_->bytes(Channel::measurement), whole / 3);
  EXPECT_EQ(sequences(0).back(), 100U);
  const std::uint64_t left = log_->bytes(Channel::measurement);
  open();
  EXPECT_EQ(log_->bytes(Channel::measurement), left);
}

TEST_P(LogContract, RemembersTheNewestStateOfEachPrefixThroughTrimming) {
  append({state("192.0.2.0/24", 1), state("198.18.0.0/24", 2)}, kStart);
  append({state("192.0.2.0/24", 3)}, kStart + Seconds(1));
  append({state("203.0.113.0/24", 4)}, kStart + Seconds(2));
  EXPECT_EQ(log_->trim(keep(Seconds(1)), kStart + Seconds(60), 100), 3U);
  EXPECT_EQ(newest_versions(), (std::set<std::uint64_t>{2, 3, 4}));
  open();
  EXPECT_EQ(sequences(0, 100, {}, Channel::state), (Sequences{2, 3, 4}));
  EXPECT_EQ(sequences(0, 2, {}, Channel::state), (Sequences{2, 3}));
  EXPECT_EQ(sequences(2, 2, {}, Channel::state), (Sequences{3, 4}));
}

TEST_P(LogContract, ForgetsThePrefixThatIsNoLongerMeasured) {
  append({state("192.0.2.0/24", 1)}, kStart);
  append({state("203.0.113.0/24", 2)}, kStart);
  log_->trim(keep(Seconds(1)), kStart + Seconds(60), 100);
  auto gone = state("192.0.2.0/24", 3);
  std::get<event::State>(gone.payload).paths.clear();
  append({gone}, kStart);
  append({state("203.0.113.0/24", 4)}, kStart);
  log_->trim(keep(Seconds(1)), kStart + Seconds(60), 100);
  EXPECT_EQ(newest_versions(), (std::set<std::uint64_t>{4}));
  EXPECT_EQ(sequences(0, 100, {}, Channel::state), (Sequences{4}));
}

TEST_P(LogContract, HasOneOwner) { EXPECT_FALSE(GetParam().open(folder_.path())); }

INSTANTIATE_TEST_SUITE_P(Every, LogContract, ::testing::ValuesIn(kLogs),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace isochrone::collector
