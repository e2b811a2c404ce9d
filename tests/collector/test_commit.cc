// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/commit.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

Commit commit_of(std::uint64_t id, std::size_t events) {
  Commit commit;
  commit.id = id;
  commit.arrival = kStart;
  commit.next = {5, 1, 1, 1, 9, 1, 1};
  for (std::uint64_t i = 1; i <= events; ++i) {
    commit.events.push_back(measured(i, "fra", "192.0.2.0/24", kStart, Micros(9)));
  }
  commit.notes = {{"dedup/prober-fra", "record"}, {"gone", ""}};
  commit.states = {{4, event::to_protobuf(measured(1, "fra", "192.0.2.0/24", kStart, {}))}};
  commit.trim[0] = 3;
  return commit;
}

// What the messages come to, in this order.
std::vector<Commit> assembled(const std::vector<std::string>& messages) {
  Assembly assembly;
  std::vector<Commit> commits;
  for (const std::string& message : messages) {
    auto commit = assembly.add(message);
    if (commit && *commit) commits.push_back(std::move(**commit));
  }
  return commits;
}

TEST(Commit, ComesOutOfItsPartsAsItWentIn) {
  const Commit commit = commit_of(7, 100);
  for (const std::size_t max : {200U, 1'000U, 1'000'000U}) {
    const auto parts = to_parts(commit, max);
    EXPECT_EQ(parts.size() == 1, max == 1'000'000U);
    const auto found = assembled(parts);
    ASSERT_EQ(found.size(), 1U) << max;
    EXPECT_EQ(found[0].id, 7U);
    EXPECT_EQ(found[0].arrival, commit.arrival);
    EXPECT_EQ(found[0].next, commit.next);
    EXPECT_EQ(found[0].events, commit.events);
    ASSERT_EQ(found[0].notes.size(), 2U);
    EXPECT_EQ(found[0].notes[0].bytes, "record");
    EXPECT_EQ(found[0].notes[1].key, "gone");
    ASSERT_EQ(found[0].states.size(), 1U);
    EXPECT_EQ(found[0].states[0].event, commit.states[0].event);
    EXPECT_EQ(found[0].trim, commit.trim);
  }
}

TEST(Commit, CountsOnlyWhenAllItsPartsFollowEachOther) {
  const auto cut = to_parts(commit_of(1, 50), 500);
  const auto whole = to_parts(commit_of(2, 50), 500);
  ASSERT_GT(cut.size(), 3U);
  std::vector<std::string> messages(cut.begin(), cut.begin() + 2);  // its writer died
  messages.insert(messages.end(), whole.begin(), whole.end());
  messages.insert(messages.end(), cut.begin() + 2, cut.end());  // as if from nowhere
  auto missing = to_parts(commit_of(3, 50), 500);
  missing.erase(missing.begin() + 1);
  messages.insert(messages.end(), missing.begin(), missing.end());
  const auto last = to_parts(commit_of(4, 1), 500);
  messages.insert(messages.end(), last.begin(), last.end());
  const auto found = assembled(messages);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].id, 2U);
  EXPECT_EQ(found[1].id, 4U);
}

TEST(Commit, RefusesAnyOctetThatChanged) {
  const std::string message = to_parts(commit_of(1, 3), 100'000).front();
  for (std::size_t at = 0; at < message.size(); ++at) {
    std::string changed = message;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    Assembly assembly;
    EXPECT_FALSE(assembly.add(changed)) << at;
  }
  EXPECT_FALSE(read_part(message.substr(0, message.size() - 1)));
  EXPECT_FALSE(read_part(""));
}

}  // namespace
}  // namespace isochrone::collector
