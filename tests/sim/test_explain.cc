// SPDX-License-Identifier: Apache-2.0
//
// That explanations of a day's decisions, made from the log afterwards, are what was answered.
#include <gtest/gtest.h>

#include <map>

#include "collector/log_rocksdb.h"
#include "collector/queries.h"
#include "event/codec.h"
#include "tests/collector/vocabulary.h"
#include "tests/sim/day.h"

namespace isochrone::sim {
namespace {

using collector::Past;
using collector::PastSetup;
using event::Channel;

std::vector<event::Event> decisions_in(const collector::EventLog& log) {
  std::vector<event::Event> found;
  for (const auto& stored : log.read(Channel::decision, 0, 1'000'000).events) {
    found.push_back(*event::from_protobuf(
        {reinterpret_cast<const std::uint8_t*>(stored.event.data()), stored.event.size()}));
  }
  return found;
}

PastSetup setup_of(const Day& day) {
  return {day.topology(), nullptr, day.options().path_lifetime, day.health()};
}

std::string describe(const event::Event& event, const Day& day, const routing::Decision& again) {
  const auto& sample = std::get<event::DecisionSample>(event.payload);
  return event.id.source + " " + sample.service + " " + sample.prefix.to_string() + " at " +
         format_instant(event.time) + ": " + sample.site + " " + sample.reason + " /" +
         std::to_string(sample.scope) + ", again " +
         day.topology().sites[again.choice.site.index()].name + " " +
         std::string(routing::to_string(again.reason)) + " /" + std::to_string(again.choice.scope);
}

TEST(Explain, EqualsWhatWasAnsweredForEveryDecisionOfADay) {
  const collector::TemporaryFolder folder;
  auto log = collector::open_rocksdb_log(folder.path() / "log");
  ASSERT_TRUE(log) << log.error().text();
  Day day({}, std::move(*log));
  day.run(std::chrono::hours(24));
  const auto decisions = decisions_in(day.log());
  // Those that a worker's late report cannot tell any more are few.
  EXPECT_GT(decisions.size(), day.asked() * 9 / 10);
  std::map<std::string, int> reasons;
  std::map<std::string, int> sites;
  int of_resolvers = 0;
  std::optional<Past> past;
  for (const event::Event& event : decisions) {
    const auto& sample = std::get<event::DecisionSample>(event.payload);
    // A node is asked for several services at once: then one reading tells all.
    if (!past || past->moment().state != *sample.state_position ||
        past->moment().health != *sample.health_position) {
      past.emplace(Past::make(day.log(), setup_of(day),
                              {*sample.state_position, *sample.health_position},
                              [] { return true; })
                       .value());
    }
    EXPECT_TRUE(past->is_whole());
    const auto again = past->explain(*day.topology().find_service(sample.service),
                                     sample.resolver.value_or(sample.prefix.address()));
    EXPECT_TRUE(collector::agrees(day.topology(), again, sample)) << describe(event, day, again);
    ++reasons[sample.reason];
    ++sites[sample.site];
    of_resolvers += sample.resolver ? 1 : 0;
  }
  // The day was worth it: every layer that it has spoke, and every site served.
  for (const char* reason : {"measured", "covering-prefix", "default-order"}) {
    EXPECT_GT(reasons[reason], 20) << reason;
  }
  EXPECT_EQ(sites.size(), 5U);
  EXPECT_GT(of_resolvers, 20);
}

}  // namespace
}  // namespace isochrone::sim
