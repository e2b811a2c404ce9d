// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/policies.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"

namespace isochrone::collector {
namespace {

using event::Channel;

Policy policy(std::string name, Effect effect) {
  Policy made;
  made.name = std::move(name);
  made.effect = effect;
  return made;
}

std::shared_ptr<const Filter> filter(std::string_view text) {
  return std::make_shared<const Filter>(Filter::parse(text).value());
}

std::string metrics_of(const Policies& policies) {
  Metrics metrics;
  policies.measure(metrics);
  return metrics.text();
}

TEST(Policies, BlockRequestsOfThoseTheyAreFor) {
  Policy quiet = policy("quiet", Effect::block);
  quiet.actions = {Action::read};
  quiet.channels = {Channel::state};
  quiet.tokens = {"grafana"};
  const auto policies = Policies::make({quiet});
  const auto status = [&](Action action, Channel channel, std::string_view token) {
    const auto answer = policies->judge(action, channel, token, token, Monotonic{});
    return answer ? answer->status : 0;
  };
  EXPECT_EQ(status(Action::read, Channel::state, "grafana"), 403);
  EXPECT_EQ(status(Action::post, Channel::state, "grafana"), 0);
  EXPECT_EQ(status(Action::read, Channel::health, "grafana"), 0);
  EXPECT_EQ(status(Action::read, Channel::state, "noc"), 0);
  EXPECT_NE(metrics_of(*policies).find("policy_matches_total{policy=\"quiet\",effect=\"block\"} 1"),
            std::string::npos)
      << metrics_of(*policies);
}

TEST(Policies, LimitHowOftenOneMayAsk) {
  Policy slow = policy("slow", Effect::limit);
  slow.rate = 2;
  const auto policies = Policies::make({slow});
  const auto judge = [&](std::string_view source, Millis time) {
    return policies->judge(Action::read, Channel::state, "", source, Monotonic(Seconds(9) + time));
  };
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(judge("a", Millis(0))) << "a second's worth, and one owed";
  const auto answer = judge("a", Millis(0));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->headers.at("Retry-After"), "1");
  EXPECT_FALSE(judge("b", Millis(0)));
  EXPECT_FALSE(judge("a", Millis(500)));
}

TEST(Policies, LookAtEvents) {
  Policy far = policy("far", Effect::block);
  far.filter = filter("rtt_ms > 1000");
  Policy counted = policy("counted", Effect::count);
  counted.filter = filter("site == \"fra\"");
  const auto policies = Policies::make({counted, far});
  EXPECT_FALSE(policies->judge(Action::post, Channel::measurement, "", "", Monotonic{}));
  const auto rules = policies->rules_for(Action::post, Channel::measurement, "");
  ASSERT_TRUE(rules);
  EXPECT_FALSE(rules->blocks(measured(1, "fra", "192.0.2.0/24", Instant{}, Micros(1))));
  EXPECT_EQ(rules->blocks(measured(1, "fra", "192.0.2.0/24", Instant{}, Micros(2'000'000))), "far");
  EXPECT_NE(metrics_of(*policies).find("{policy=\"counted\",effect=\"count\"} 2"),
            std::string::npos);
  // A new configuration goes on counting.
  EXPECT_NE(metrics_of(*Policies::make({counted}, policies.get()))
                .find("policy=\"counted\",effect=\"count\"} 2"),
            std::string::npos);
}

TEST(Policies, RemoveFields) {
  Policy bare = policy("bare", Effect::remove);
  bare.fields = {"task", "rtt_us", "reason"};
  bare.filter = filter("site == \"fra\"");
  const auto policies = Policies::make({bare});
  const auto rules = policies->rules_for(Action::read, Channel::measurement, "");
  ASSERT_TRUE(rules && rules->removes());
  event::Event here = measured(1, "fra", "192.0.2.0/24", Instant{}, Micros(1));
  here.task = "fra-1";
  event::Event there = here;
  std::get<event::Measurement>(there.payload).site = "iad";
  const std::string cut = rules->cut(here, event::to_json(here));
  EXPECT_EQ(cut.find("task"), std::string::npos) << cut;
  EXPECT_EQ(cut.find("rtt_us"), std::string::npos) << cut;
  EXPECT_NE(cut.find("\"site\":\"fra\""), std::string::npos) << cut;
  EXPECT_EQ(rules->cut(there, event::to_json(there)), event::to_json(there));
  EXPECT_TRUE(rules->cut(here));
  EXPECT_EQ(here.task, "");
  EXPECT_FALSE(rules->cut(there));
  EXPECT_TRUE(may_remove(Action::read, "rtt_us"));
  EXPECT_FALSE(may_remove(Action::read, "id"));
  EXPECT_TRUE(may_remove(Action::post, "task"));
  EXPECT_FALSE(may_remove(Action::post, "rtt_us"));
}

}  // namespace
}  // namespace isochrone::collector
