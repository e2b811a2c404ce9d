// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/answered_with.h"
#include "dns/decision_reason.h"
#include "dns/snapshot_compiler.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

const Monotonic kStart{Seconds(1'000)};
const std::map<Prefix, bool> kNothing;

std::map<Prefix, bool> changes(std::initializer_list<const char*> prefixes) {
  std::map<Prefix, bool> changed;
  for (const char* text : prefixes) changed.emplace(prefix(text), true);
  return changed;
}

// Snapshots of generations 1, 2, ..., whose tables knew more and more.
class Published {
 public:
  void publish(const std::map<Prefix, bool>& changed, Monotonic now) {
    Snapshot snapshot;
    snapshot.generation = ++generation_;
    snapshot.table = routing::compile_table(three_sites(), {}, nullptr, 100 + generation_);
    snapshot.state_position = 10 * generation_;
    snapshot.health_position = generation_;
    history_.published(snapshot, changed, now);
  }
  std::optional<AnsweredWith::Snapshot> find(std::uint64_t generation, const char* client,
                                             const std::map<Prefix, bool>& pending = kNothing) {
    return history_.find(generation, address(client), pending);
  }

 private:
  AnsweredWith history_;
  std::uint64_t generation_ = 0;
};

TEST(AnsweredWith, TellsAnEarlierSnapshotOfWhomNothingChangedSince) {
  Published history;
  history.publish({}, kStart);
  history.publish(changes({"10.1.0.0/16"}), kStart + Millis(100));
  history.publish(changes({"10.2.3.0/24", "2001:db8::/48"}), kStart + Millis(200));
  const auto by = history.find(1, "10.9.0.1");
  ASSERT_TRUE(by);
  EXPECT_EQ(by->table_generation, 101U);
  EXPECT_EQ(by->state_position, 10U);
  EXPECT_EQ(by->health_position, 1U);
  EXPECT_FALSE(history.find(1, "10.1.7.7")) << "its table did not know that yet";
  EXPECT_TRUE(history.find(2, "10.1.7.7")) << "and this one did";
  EXPECT_FALSE(history.find(2, "10.2.3.4"));
  EXPECT_FALSE(history.find(2, "2001:db8::1"));
  EXPECT_TRUE(history.find(3, "10.2.3.4"));
  EXPECT_FALSE(history.find(3, "10.2.3.4", changes({"10.2.0.0/16"}))) << "no table knows it yet";
  EXPECT_FALSE(history.find(4, "10.9.0.1")) << "never published";
}

TEST(AnsweredWith, ForgetsWhatWasReplacedLongAgo) {
  Published history;
  history.publish({}, kStart);
  history.publish({}, kStart + Seconds(10));
  EXPECT_TRUE(history.find(1, "10.9.0.1")) << "answered with until a moment ago";
  history.publish({}, kStart + Seconds(10) + AnsweredWith::kKept + Millis(1));
  EXPECT_FALSE(history.find(1, "10.9.0.1"));
  EXPECT_TRUE(history.find(2, "10.9.0.1"));
}

// Who was answered: a user's own address is never told.
TEST(DecisionSample, NamesAResolverWhereItsNetworkHasMoreThanOneAnswer) {
  const routing::Topology topology = three_sites();
  NodeState state;
  BuildInputs inputs;
  inputs.topology = std::make_shared<const routing::Topology>(topology);
  event::Follower::Batch batch{"log", {}, 1, true};
  for (const char* network : {"10.0.0.0/24", "10.0.0.9/32"}) {
    event::State known;
    known.prefix = prefix(network);
    known.version = 1;
    event::State::Path path{known.prefix.length() == 32 ? "iad" : "fra", {}};
    path.estimate.samples = 9;
    path.estimate.p50 = path.estimate.min = path.estimate.p90 = Micros(9'000);
    known.paths.push_back(path);
    batch.events.push_back({1, {{}, {}, {}, known}});
  }
  ASSERT_TRUE(state.apply_state(batch, topology));
  const auto snapshot = build_snapshot(inputs, state, 1);
  const auto sample = [&](const char* client, bool is_resolver) {
    const auto choice = routing::choose(*snapshot->table, routing::ServiceId(0), address(client),
                                        routing::kAllSites);
    return decision_sample(
        *snapshot, state, nullptr,
        {routing::ServiceId(0), address(client), prefix("10.0.0.0/24"), choice, 1, is_resolver},
        {1, 1, 5, 6});
  };
  EXPECT_EQ(sample("10.0.0.9", true)->resolver, address("10.0.0.9"));
  EXPECT_EQ(sample("10.0.0.9", true)->site, "iad");
  EXPECT_EQ(sample("10.0.0.77", true)->resolver, address("10.0.0.77"));
  EXPECT_FALSE(sample("10.0.0.77", false)) << "a user's own address";
  ASSERT_TRUE(sample("10.0.0.0", false));
  EXPECT_EQ(sample("10.0.0.0", false)->resolver, std::nullopt);
  EXPECT_EQ(sample("10.0.0.0", false)->state_position, 5U);
  EXPECT_EQ(sample("10.0.0.0", false)->health_position, 6U);
}

}  // namespace
}  // namespace isochrone::dns::testing
