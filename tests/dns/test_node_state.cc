// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dns/node_state.h"
#include "tests/dns/vocabulary.h"

namespace isochrone::dns::testing {
namespace {

using event::HealthOrigin;
using event::HealthStatus;
using Batch = event::Follower::Batch;

Batch batch(std::string log, event::Position position, std::vector<event::Payload> payloads) {
  Batch made{std::move(log), {}, position, true};
  for (auto& payload : payloads) {
    event::StoredEvent stored;
    stored.position = position;
    stored.event.time = Instant(Seconds(position));
    stored.event.payload = std::move(payload);
    made.events.push_back(std::move(stored));
  }
  return made;
}
event::Health health(std::string site, HealthStatus status, HealthOrigin origin) {
  return {std::move(site), status, origin, ""};
}
event::State state(std::string_view text, std::uint64_t version, std::vector<std::string> sites) {
  event::State made;
  made.prefix = prefix(text);
  made.version = version;
  for (std::string& site : sites) made.paths.push_back({std::move(site), {}});
  return made;
}

TEST(NodeState, ASiteIsUpWhenNeitherCollectorNorOperatorTakesItOut) {
  const routing::Topology topology = three_sites();
  NodeState node;
  EXPECT_EQ(node.site_states(topology).up, routing::kAllSites);
  node.apply_health(batch("log", 1, {health("fra", HealthStatus::down, HealthOrigin::prober)}),
                    topology);
  EXPECT_EQ(node.site_states(topology).up, routing::kAllSites)
      << "heartbeats are the collector's to judge";
  node.apply_health(batch("log", 2,
                          {health("fra", HealthStatus::down, HealthOrigin::collector),
                           health("iad", HealthStatus::draining, HealthOrigin::operators)}),
                    topology);
  EXPECT_EQ(node.site_states(topology).up, ~(kFraBit | kIadBit));
  node.apply_health(batch("log", 3, {health("iad", HealthStatus::up, HealthOrigin::collector)}),
                    topology);
  EXPECT_EQ(node.site_states(topology).up, ~(kFraBit | kIadBit)) << "an operator's word stands";
  EXPECT_TRUE(node.apply_health(batch("log", 4,
                                      {health("fra", HealthStatus::up, HealthOrigin::collector),
                                       health("iad", HealthStatus::up, HealthOrigin::operators)}),
                                topology));
  EXPECT_EQ(node.site_states(topology).up, routing::kAllSites);
}

TEST(NodeState, TakesNewerVersionsAndForgetsPrefixes) {
  const routing::Topology topology = three_sites();
  NodeState node;
  EXPECT_TRUE(node.apply_state(batch("log", 1, {state("192.0.2.0/24", 2, {"fra"})}), topology));
  EXPECT_FALSE(node.apply_state(batch("log", 2, {state("192.0.2.0/24", 1, {"iad"})}), topology));
  EXPECT_FALSE(node.apply_state(batch("log", 3, {state("192.0.2.0/24", 2, {})}), topology));
  EXPECT_EQ(node.performance.size(), 1U);
  EXPECT_TRUE(node.apply_state(batch("log", 4, {state("192.0.2.0/24", 3, {})}), topology));
  EXPECT_EQ(node.performance.size(), 0U);
  EXPECT_EQ(node.state_position, (ChannelPosition{"log", 4}));
}

TEST(NodeState, AnotherLogReplacesPrefixByPrefixAndHealthAtOnce) {
  const routing::Topology topology = three_sites();
  NodeState node;
  node.apply_state(
      batch("old", 9, {state("192.0.2.0/24", 50, {"fra"}), state("10.0.0.0/8", 50, {"fra"})}),
      topology);
  node.apply_health(batch("old", 9, {health("fra", HealthStatus::down, HealthOrigin::operators)}),
                    topology);
  EXPECT_TRUE(node.apply_state(batch("new", 1, {state("192.0.2.0/24", 1, {"iad"})}), topology));
  EXPECT_EQ(node.performance.find(prefix("192.0.2.0/24"))->paths.front().site, kIad);
  EXPECT_EQ(node.performance.size(), 2U);
  EXPECT_TRUE(node.apply_health(batch("new", 0, {}), topology));
  EXPECT_EQ(node.site_states(topology).up, routing::kAllSites);
}

TEST(NodeState, FollowsNamesIntoAnotherTopology) {
  const routing::Topology before = three_sites();
  routing::Topology after = before;
  std::swap(after.sites[0], after.sites[2]);
  NodeState node;
  node.apply_state(batch("log", 7, {state("192.0.2.0/24", 3, {"fra"})}), before);
  node.change_topology(before, after);
  const auto moved = node.performance.find(prefix("192.0.2.0/24"));
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->paths.front().site, kSin);
  EXPECT_EQ(node.state_position, (ChannelPosition{"log", 0})) << "read again from the start";
  EXPECT_TRUE(node.apply_state(batch("log", 7, {state("192.0.2.0/24", 3, {"iad"})}), after));
}

TEST(NodeState, KnowsWhichPrivateBlocksAreMeasured) {
  NodeState node;
  EXPECT_EQ(node.measured_private(), 0);
  prefer(node, "192.0.2.0/24", kFra);
  EXPECT_EQ(node.measured_private(), 0);
  prefer(node, "10.3.0.0/16", kFra);
  prefer(node, "fd00::/48", kFra);
  EXPECT_EQ(node.measured_private(),
            private_bit(address("10.0.0.1")) | private_bit(address("fd12::1")));
}

TEST(NodeState, TellsWhatChangedAndWhetherItHadAnswers) {
  const routing::Topology topology = three_sites();
  NodeState node;
  event::State answered = state("192.0.2.0/24", 1, {"fra"});
  answered.paths[0].estimate.samples = 3;
  node.apply_state(batch("log", 1, {answered}), topology);
  EXPECT_EQ(node.changed, (std::map<Prefix, bool>{{prefix("192.0.2.0/24"), false}}));
  node.changed.clear();
  node.apply_state(batch("log", 2, {state("192.0.2.0/24", 1, {"iad"})}), topology);
  EXPECT_TRUE(node.changed.empty()) << "not newer";
  node.apply_state(batch("log", 3, {state("192.0.2.0/24", 2, {})}), topology);
  EXPECT_EQ(node.changed, (std::map<Prefix, bool>{{prefix("192.0.2.0/24"), true}}));
}

TEST(NodeState, FollowsPrivateBlocksByWhatChanged) {
  NodeState node;
  prefer(node, "10.3.0.0/16", kFra);
  const PrivateMask ten = private_bit(address("10.0.0.1"));
  EXPECT_EQ(node.measured_private(0, {{prefix("10.3.0.0/16"), false}}), ten);
  EXPECT_EQ(node.measured_private(ten, {{prefix("192.0.2.0/24"), false}}), ten);
  node.performance.erase(prefix("10.3.0.0/16"));
  EXPECT_EQ(node.measured_private(ten, {{prefix("10.3.0.0/16"), true}}), 0);
}

}  // namespace
}  // namespace isochrone::dns::testing
