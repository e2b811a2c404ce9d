// SPDX-License-Identifier: Apache-2.0
//
// A stream that forgets what it acknowledged, under a node that goes on: its collector begins anew by itself, what
// was acknowledged is there again, and DNS answers all the while.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/integration/world.h"
#include "tests/support/nats_server.h"

namespace isochrone::test {
namespace {

class ForgetfulStream : public testing::Test {
 protected:
  ForgetfulStream() : server_((std::filesystem::create_directory(store()), store())) {}

  std::string store() const { return world_.path("server"); }
  std::string config(const std::string& name) const {
    return world_.write(
        name + ".yaml",
        fmt::format("node: {{name: {0}, state-dir: state-{0}, roles: [dns, collector]}}\n"
                    "dns: {{listen: 127.0.0.1@0}}\n"
                    "collector: {{listen: 127.0.0.1@0, window: 200ms, lateness: 1s, "
                    "log: {{nats: ['{1}'], stream: forgetful, replicas: 1, lease: 1s}}}}\n"
                    "zones: [{{name: example.com, file: example.com.zone}}]\n",
                    name, server_.url()) +
            World::topology());
  }
  // Until it is taken.
  static bool posts(const Daemon& daemon, std::uint64_t sequence, const std::string& source) {
    const std::string line = measurement("fra", "198.51.100.0/24", 9'000, sequence, source);
    return eventually([&] {
      const auto posted = post(daemon.collector_url(), "measurement", line);
      return posted && posted->status == 200;
    });
  }
  static std::multiset<std::uint64_t> held(const Daemon& daemon, const std::string& source) {
    std::multiset<std::uint64_t> sequences;
    for (const auto& event : events_of(daemon.collector_url(), "measurement")) {
      if (event["id"]["source"] == source)
        sequences.insert(event["id"]["sequence"].get<std::uint64_t>());
    }
    return sequences;
  }

  World world_;
  NatsServer server_;
};

TEST_F(ForgetfulStream, LosesNothingThatACollectorHas) {
  world_.write_zone();
  Daemon one(config("one"));
  Daemon two(config("two"));
  ASSERT_TRUE(one.is_ready()) << one.log();
  ASSERT_TRUE(two.is_ready()) << two.log();
  ASSERT_TRUE(posts(one, 1, "kept"));
  ASSERT_TRUE(
      eventually([&] { return answers(one.endpoint("dns"), "198.51.100.0/24", "192.0.2.1"); }));
  server_.forget([&] {
    for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(posts(one, i, "forgotten"));
  });
  // Whoever comes first writes in its place.
  ASSERT_TRUE(posts(two, 2, "kept"));
  EXPECT_TRUE(answers(one.endpoint("dns"), "198.51.100.0/24", "192.0.2.1"));
  const std::multiset<std::uint64_t> all{1, 2, 3, 4, 5};
  for (const Daemon* each : {&one, &two}) {
    EXPECT_TRUE(eventually([&] {
      return held(*each, "forgotten") == all && held(*each, "kept").size() == 2 &&
             get_json(each->collector_url(), "/v1/status").contains("events");
    })) << one.log()
        << two.log();
    EXPECT_EQ(get_json(each->collector_url(), "/v1/status")["events"]["lost"], 0);
  }
  EXPECT_TRUE(posts(one, 3, "kept"));
  EXPECT_TRUE(eventually([&] { return held(two, "kept").size() == 3; })) << two.log();
}

}  // namespace
}  // namespace isochrone::test
