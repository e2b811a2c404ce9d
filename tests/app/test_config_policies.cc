// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "app/config.h"
#include "tests/app/scratch.h"

namespace isochrone::app {
namespace {

// Line 2 is the policy.
ConfigResult parse(const std::string& policy) {
  return parse_config("collector: {listen: 127.0.0.1@0, policies: [\n" + policy +
                          "]}\nnode: {name: c1}\naccess: {tokens: [{name: grafana, digest: " +
                          to_hex(sha256("a")) + ", roles: read}]}\n",
                      "c.yaml");
}

TEST(ConfigPolicies, ReachTheCollector) {
  const auto config = parse(
      "{name: a, effect: block, actions: [read, post], channels: [state, health], tokens: grafana, "
      "filter: 'site == \"fra\"'}, {name: b, effect: limit, rate: 7}, "
      "{name: c, effect: remove, actions: read, fields: [rtt_us, task]}, {name: d, effect: count}");
  ASSERT_TRUE(config) << config.error().front().text();
  const auto& policies = config->collector.policies;
  ASSERT_EQ(policies.size(), 4U);
  EXPECT_EQ(policies[0].channels,
            (std::vector<event::Channel>{event::Channel::state, event::Channel::health}));
  EXPECT_EQ(policies[0].filter->text(), "site == \"fra\"");
  EXPECT_EQ(policies[1].rate, 7U);
  EXPECT_EQ(policies[2].fields, (std::vector<std::string>{"rtt_us", "task"}));
  EXPECT_EQ(policies[3].effect, collector::Effect::count);
  EXPECT_TRUE(policies[3].actions.empty());
}

TEST(ConfigPolicies, EachFaultSaysWhereWhatAndWhatToDo) {
  struct Row {
    std::string policy;
    std::string error;
  };
  const Row rows[] = {
      {"{name: a, effect: block, filter: 'siet == 1'}",
       "2:34: collector.policies[].filter: column 1: \"siet\" is no field; they are channel, "
       "source, "
       "task, site, service, method, status, origin, reason, prefix, rtt_ms, rtt_us, queries, "
       "offered, "
       "capacity, version, weight, scope, lost"},
      {"{name: a, effect: remove}", "2:1: effect remove without fields; add \"fields: ...\""},
      {"{name: a, effect: limit}", "2:1: effect limit without rate; add \"rate: ...\""},
      {"{name: a, effect: block, rate: 3}",
       "2:32: rate is for effect limit; take one of them away"},
      {"{name: a, effect: limit, rate: 3, filter: lost}",
       "2:43: effect limit counts requests, and a filter looks at events; take one away"},
      {"{name: a, effect: remove, fields: rtt_us}",
       "2:35: rtt_us cannot be taken out of what is posted; only task and reason can, or write "
       "\"actions: read\""},
      {"{name: a, effect: remove, actions: read, fields: id}",
       "2:50: id cannot be taken out: it is what a reader knows the event by"},
      {"{name: a, effect: block, tokens: grafano}",
       "2:34: unknown token \"grafano\"; add it to access.tokens or correct the name (did you mean "
       "\"grafana\"?)"},
      {"{name: a, effect: count}, {name: a, effect: count}",
       "2:34: policy \"a\" is there twice; rename or remove one, the first is on line 2"},
  };
  for (const Row& row : rows) {
    const auto config = parse(row.policy);
    ASSERT_FALSE(config) << row.policy;
    EXPECT_EQ(config.error().front().text(), "c.yaml:" + row.error) << row.policy;
  }
}

}  // namespace
}  // namespace isochrone::app
