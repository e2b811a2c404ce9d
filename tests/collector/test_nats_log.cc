// SPDX-License-Identifier: Apache-2.0
//
// The shared log where NATS does not keep what it promised: what it had acknowledged is gone, and others write
// in its place.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "collector/nats_log.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"
#include "tests/support/nats_server.h"

namespace isochrone::collector {
namespace {

using Sequences = std::vector<std::uint64_t>;

class LostWord : public ::testing::Test {
 protected:
  LostWord() : server_((std::filesystem::create_directory(store()), store())) {}

  std::filesystem::path store() const { return folder_.path() / "server"; }
  std::unique_ptr<EventLog> open(const std::string& name) {
    NatsOptions options;
    options.servers = {server_.url()};
    options.stream = "log";
    auto opened = open_nats_log(options, folder_.path() / name);
    EXPECT_TRUE(opened) << opened.error().text();
    return opened ? std::move(*opened) : nullptr;
  }
  static std::vector<event::Event> events(std::uint64_t first, std::uint64_t count) {
    std::vector<event::Event> made;
    for (std::uint64_t i = first; i < first + count; ++i) {
      made.push_back(measured(i, "fra", "192.0.2.0/24", kStart, Micros(9)));
    }
    return made;
  }
  static Sequences sequences(const EventLog& log) {
    Sequences found;
    for (const StoredBytes& stored : log.read(event::Channel::measurement, 0, 100, {}).events) {
      const auto event = event::from_protobuf(
          {reinterpret_cast<const std::uint8_t*>(stored.event.data()), stored.event.size()});
      found.push_back(event ? event->id.sequence : 0);
    }
    return found;
  }
  static Sequences owed(EventLog& log, std::size_t most) {
    Sequences found;
    for (const event::Event& event : log.owed(most)) found.push_back(event.id.sequence);
    return found;
  }
  // Once the server is found again.
  static Result<std::vector<Foreign>> catch_up(EventLog& log) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (true) {
      auto caught = log.catch_up();
      const bool is_away = !caught && caught.error().code() == Errc::unavailable;
      if (!is_away || std::chrono::steady_clock::now() > deadline) return caught;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  void lose(const std::function<void()>& later) { server_.forget(later); }

  TemporaryFolder folder_;
  test::NatsServer server_;
};

TEST_F(LostWord, WhatOthersWroteInItsPlaceIsTaken) {
  const auto one = open("one");
  const auto two = open("two");
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  lose([&] { ASSERT_TRUE(one->append({}, {{"claim", "mine"}}, kStart)); });
  ASSERT_TRUE(catch_up(*two));
  ASSERT_TRUE(two->append(events(3, 3), {}, kStart));
  ASSERT_TRUE(two->append(events(6, 1), {}, kStart));
  const auto taken = catch_up(*one);
  ASSERT_TRUE(taken) << taken.error().text();
  ASSERT_EQ(taken->size(), 2U);
  EXPECT_EQ(taken->front().events.size(), 3U);
  EXPECT_EQ(sequences(*one), (Sequences{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(one->damage().events, 0U);
  ASSERT_TRUE(one->append(events(7, 1), {}, kStart));
  ASSERT_TRUE(catch_up(*two));
  EXPECT_EQ(sequences(*two), sequences(*one));
}

// Its own events are where theirs should be: nothing is made up, and what is opened anew follows the stream.
// What it had acknowledged it still has, and says it again.
TEST_F(LostWord, WhatContradictsTheStreamIsOwed) {
  auto one = open("one");
  const auto two = open("two");
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  lose([&] { ASSERT_TRUE(one->append(events(10, 3), {}, kStart)); });
  ASSERT_TRUE(catch_up(*two));
  ASSERT_TRUE(two->append(events(3, 2), {}, kStart));
  ASSERT_TRUE(two->append(events(5, 2), {}, kStart));
  const auto caught = catch_up(*one);
  ASSERT_FALSE(caught);
  EXPECT_EQ(caught.error().code(), Errc::stale) << caught.error().text();
  one.reset();
  one = open("one");
  ASSERT_TRUE(one);
  EXPECT_EQ(sequences(*one), (Sequences{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(owed(*one, 100), (Sequences{10, 11, 12}));
  EXPECT_EQ(owed(*one, 2), (Sequences{10, 11}));
  // A life that ends before it has paid owes the same.
  one.reset();
  one = open("one");
  ASSERT_TRUE(one);
  ASSERT_TRUE(one->append(one->owed(2), {}, kStart));
  EXPECT_EQ(owed(*one, 2), (Sequences{12}));
  ASSERT_TRUE(one->append(one->owed(2), {}, kStart));
  EXPECT_EQ(owed(*one, 2), Sequences());
  one->settle();
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "one.aside0"));
  ASSERT_TRUE(catch_up(*two));
  EXPECT_EQ(sequences(*two), (Sequences{1, 2, 3, 4, 5, 6, 10, 11, 12}));
  EXPECT_EQ(two->damage().events, 0U);
}

// The stream is as long as it was, but ends with others' words.
TEST_F(LostWord, NothingIsBuiltOnWhatIsGone) {
  auto one = open("one");
  const auto two = open("two");
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  lose([&] { ASSERT_TRUE(one->append(events(10, 3), {}, kStart)); });
  ASSERT_TRUE(catch_up(*two));
  ASSERT_TRUE(two->append({}, {{"claim", "mine"}}, kStart));
  const auto appended = one->append(events(20, 1), {}, kStart);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code(), Errc::stale) << appended.error().text();
  one.reset();
  one = open("one");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->note("claim"), "mine");
  EXPECT_EQ(owed(*one, 100), (Sequences{10, 11, 12}));
  ASSERT_TRUE(one->append(one->owed(100), {}, kStart));
  ASSERT_TRUE(one->append(events(20, 1), {}, kStart));
  ASSERT_TRUE(catch_up(*two));
  EXPECT_EQ(sequences(*two), (Sequences{1, 2, 10, 11, 12, 20}));
  EXPECT_EQ(two->damage().events, 0U);
}

// Nor does it go unnoticed where what others wrote has as many events.
TEST_F(LostWord, OthersWordsInItsPlaceAreNotTakenForIt) {
  auto one = open("one");
  const auto two = open("two");
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  lose([&] { ASSERT_TRUE(one->append(events(10, 2), {}, kStart)); });
  ASSERT_TRUE(catch_up(*two));
  ASSERT_TRUE(two->append(events(3, 2), {}, kStart));
  ASSERT_TRUE(two->append(events(5, 1), {}, kStart));
  const auto caught = catch_up(*one);
  ASSERT_FALSE(caught);
  EXPECT_EQ(caught.error().code(), Errc::stale) << caught.error().text();
  one.reset();
  one = open("one");
  ASSERT_TRUE(one);
  EXPECT_EQ(sequences(*one), (Sequences{1, 2, 3, 4, 5}));
  EXPECT_EQ(owed(*one, 100), (Sequences{10, 11}));
}

// And where nobody wrote in its place, too: the disks of all servers were older.
TEST_F(LostWord, AStreamThatBecameShorterIsFollowed) {
  auto one = open("one");
  ASSERT_TRUE(one);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  lose([&] { ASSERT_TRUE(one->append(events(10, 3), {}, kStart)); });
  Errc code = Errc::unavailable;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (code == Errc::unavailable && std::chrono::steady_clock::now() < deadline) {
    const auto appended = one->append(events(20, 1), {}, kStart);
    ASSERT_FALSE(appended);
    code = appended.error().code();
  }
  EXPECT_EQ(code, Errc::stale);
  one.reset();
  one = open("one");
  ASSERT_TRUE(one);
  EXPECT_EQ(owed(*one, 100), (Sequences{10, 11, 12}));
}

// A server that starts again has forgotten what its last message was called.
TEST_F(LostWord, AServerThatForgotANameIsNotDoubted) {
  const auto one = open("one");
  ASSERT_TRUE(one);
  ASSERT_TRUE(one->append(events(1, 2), {}, kStart));
  server_.kill();
  server_.start_again();
  ASSERT_TRUE(one->append(events(3, 1), {}, kStart));
  EXPECT_EQ(sequences(*one), (Sequences{1, 2, 3}));
}

}  // namespace
}  // namespace isochrone::collector
