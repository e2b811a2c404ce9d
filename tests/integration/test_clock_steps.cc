// SPDX-License-Identifier: Apache-2.0
//
// A wall clock that is set, forward and back, while the program runs: answers go on, signatures hold at
// the new time, zones do not expire, and each step is said once.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include <sstream>

#include "tests/integration/world.h"
#include "tests/support/program.h"
#include "tests/support/shift.h"

namespace isochrone::test {
namespace {

constexpr std::int64_t kDay = 86'400;

std::int64_t parse_time(const std::string& text) {  // 20261125223000
  std::tm time{};
  ::strptime(text.c_str(), "%Y%m%d%H%M%S", &time);
  return ::timegm(&time);
}

class ClockSteps : public testing::Test {
 protected:
  World world_;
  Shift shift_{world_.path("shift")};

  // Whether the signature of the SOA that is served holds at the program's time.
  bool is_signed_for_now(const Daemon& daemon) const {
    std::istringstream words(output_of(
        fmt::format("dig @127.0.0.1 -p {} +tcp +short +dnssec example.com SOA | grep '^SOA '",
                    daemon.endpoint("dns").port)));
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;  // up to and with the expiration
    std::string begun;
    words >> begun;
    return parse_time(begun) <= shift_.now() && shift_.now() < parse_time(word);
  }
};

TEST_F(ClockSteps, SignaturesHoldAtWhateverTimeItIs) {
  const std::string config = world_.write(
      "signed.yaml",
      "node: {name: ns1, state-dir: state, http: 127.0.0.1@0}\ndns: {listen: 127.0.0.1@0}\n"
      "zones: [{name: example.com, file: example.com.zone, dnssec: {}}]\n" +
          World::topology());
  // In use since long before the clock may be set back to.
  shift_.set(-60 * kDay);
  const Finished made = isochrone({"key", "generate", "example.com", "--config", config}, {},
                                  [this] { shift_.preload(ISOCHRONE_SHIFTED_CLOCK); });
  ASSERT_EQ(made.status, 0) << made.err;
  shift_.set(0);
  Daemon daemon(config, [this] { shift_.preload(ISOCHRONE_SHIFTED_CLOCK); });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  ASSERT_TRUE(is_signed_for_now(daemon));
  for (const std::int64_t days : {30, -30, 0}) {
    shift_.set(days * kDay);
    ASSERT_TRUE(daemon.hears("the clock was set")) << days << daemon.log();
    EXPECT_TRUE(eventually([&] { return is_signed_for_now(daemon); })) << days;
    EXPECT_TRUE(answers(daemon.endpoint("dns"), "198.51.100.0/24", "192.0.2.1")) << days;
  }
  EXPECT_EQ(count_of(daemon.log(), "the clock was set"), 3U) << daemon.log();
  const std::string url = fmt::format("http://127.0.0.1:{}", daemon.endpoint("http").port);
  EXPECT_EQ(metric(url, "isochrone_dns_clock_steps_total"), 3);
  EXPECT_EQ(count_of(daemon.log(), "the clock was set forward by=30d"), 2U) << daemon.log();
  EXPECT_EQ(count_of(daemon.log(), "the clock was set back by=60d"), 1U) << daemon.log();
}

// The primary's clock stays: while the two differ no transfer is believed, and nothing is lost by it.
TEST_F(ClockSteps, ASecondaryKeepsItsZoneAndFollowsItsPrimaryAgain) {
  world_.write("key", "q1VbmLM9hnJwHHPFtLpUvFJMFVf0gZKbZyZX2nqBHCw=\n");
  ::chmod(world_.path("key").c_str(), 0600);
  const auto write_version = [this](int serial) {
    world_.write("moving.zone", fmt::format("$ORIGIN example.com.\n$TTL 300\n"
                                            "@ IN SOA ns1 hostmaster {0} 1 1 600 60\n  IN NS ns1\n"
                                            "ns1 IN A 192.0.2.53\nmail IN A 192.0.2.{0}\n",
                                            serial));
  };
  const auto serves = [](const Daemon& daemon, int serial) {
    const auto reply = ask(daemon.endpoint("dns"), {"mail.example.com", 1, {}});
    return reply &&
           reply->addresses == std::vector{*Address::parse(fmt::format("192.0.2.{}", serial))};
  };
  write_version(1);
  const std::string keys = "keys: [{name: transfer.key, secret-file: key}]\n";
  Daemon primary(world_.write(
      "primary.yaml", "node: {name: p, state-dir: state-p}\ndns: {listen: 127.0.0.1@0}\n" + keys +
                          "zones: [{name: example.com, file: moving.zone, transfer: {allow: "
                          "[{prefix: 127.0.0.0/8, key: transfer.key}]}}]\n"));
  ASSERT_TRUE(primary.is_ready()) << primary.log();
  Daemon daemon(
      world_.write("secondary.yaml",
                   "node: {name: ns1, state-dir: state-ns1}\ndns: {listen: 127.0.0.1@0}\n" + keys +
                       fmt::format("zones: [{{name: example.com, transfer: {{primaries: "
                                   "[{{address: 127.0.0.1@{}, key: transfer.key}}]}}}}]\n",
                                   primary.endpoint("dns").port)),
      [this] { shift_.preload(ISOCHRONE_SHIFTED_CLOCK); });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  ASSERT_TRUE(eventually([&] { return serves(daemon, 1); })) << daemon.log();
  for (const std::int64_t days : {30, -30}) {
    shift_.set(days * kDay);
    ASSERT_TRUE(daemon.hears("zone not refreshed, answering from the version held"))
        << daemon.log();
    EXPECT_TRUE(serves(daemon, days > 0 ? 1 : 2)) << "expired by the clock alone";
    write_version(days > 0 ? 2 : 3);
    primary.signal(SIGHUP);
    ASSERT_TRUE(primary.hears("reloaded")) << primary.log();
    shift_.set(0);
    EXPECT_TRUE(eventually([&] { return serves(daemon, days > 0 ? 2 : 3); })) << daemon.log();
    ASSERT_TRUE(daemon.hears("zone is refreshed again")) << daemon.log();
  }
  EXPECT_EQ(count_of(daemon.log(), "zone not refreshed"), 2U) << daemon.log();
  EXPECT_EQ(count_of(daemon.log(), "zone has expired"), 0U) << daemon.log();
}

}  // namespace
}  // namespace isochrone::test
