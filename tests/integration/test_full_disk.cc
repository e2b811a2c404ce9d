// SPDX-License-Identifier: Apache-2.0
//
// A disk that is full under the snapshot, the zones from primaries and the keys: answers go on, each
// trouble is said once, and everything is written as soon as there is room.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "dns/snapshot_file.h"
#include "tests/integration/world.h"
#include "tests/support/tiny_disk.h"

namespace isochrone::test {
namespace {

constexpr auto kClient = "198.51.100.0/24";

std::string rounds(std::string_view best, std::uint64_t from) {
  std::string lines;
  for (int round = 0; round < 3; ++round) {
    for (const std::string_view site : {"fra", "iad", "sin"}) {
      lines += measurement(site, kClient, site == best ? 10'000 : 80'000, from++);
    }
  }
  return lines;
}

class FullDisk : public testing::Test {
 protected:
  FullDisk() { std::filesystem::create_directory(state_); }

  World world_;
  const std::string state_ = world_.path("state-ns1");
};

TEST_F(FullDisk, TheSnapshotIsWrittenWhenThereIsRoom) {
  Daemon collector(world_.write("collector.yaml", world_.collector_only()));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  const std::string url = collector.collector_url();
  Daemon daemon(world_.write("dns.yaml", world_.dns_only(url)),
                [this] { mount_tiny_disk(state_, "64k"); });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint dns = daemon.endpoint("dns");
  const std::string disk = seen_by(daemon.pid(), state_);
  fill(disk);
  std::filesystem::remove(disk + "/" + dns::kSnapshotFile);
  fill(disk);
  ASSERT_TRUE(post(url, "measurement", rounds("iad", 1)));
  ASSERT_TRUE(daemon.hears("snapshot not written")) << daemon.log();
  EXPECT_TRUE(eventually([&] { return answers(dns, kClient, "192.0.2.2"); }));
  ASSERT_TRUE(post(url, "measurement", rounds("sin", 100)));
  EXPECT_TRUE(eventually([&] { return answers(dns, kClient, "192.0.2.3"); }));
  const std::string node = fmt::format("http://127.0.0.1:{}", daemon.endpoint("http").port);
  EXPECT_TRUE(
      eventually([&] { return metric(node, "isochrone_dns_snapshot_failures_total") >= 2; }));
  EXPECT_EQ(count_of(daemon.log(), "snapshot not written"), 1U) << daemon.log();
  EXPECT_NE(daemon.log().find("No space left on device"), std::string::npos);
  make_room(disk);
  ASSERT_TRUE(daemon.hears("snapshot is written again")) << daemon.log();
  EXPECT_GT(std::filesystem::file_size(disk + "/" + dns::kSnapshotFile), 0U);
  EXPECT_TRUE(answers(dns, kClient, "192.0.2.3"));
}

TEST_F(FullDisk, AZoneFromAPrimaryIsServedAndStoredWhenThereIsRoom) {
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
  Daemon primary(world_.write("primary.yaml",
                              "node: {name: p, state-dir: state-p}\ndns: {listen: 127.0.0.1@0}\n"
                              "zones: [{name: example.com, file: moving.zone, "
                              "transfer: {allow: [{prefix: 127.0.0.0/8}]}}]\n"));
  ASSERT_TRUE(primary.is_ready()) << primary.log();
  Daemon daemon(
      world_.write("secondary.yaml",
                   fmt::format("node: {{name: ns1, state-dir: state-ns1, http: 127.0.0.1@0}}\n"
                               "dns: {{listen: 127.0.0.1@0}}\n"
                               "zones: [{{name: example.com, transfer: "
                               "{{primaries: [{{address: 127.0.0.1@{}}}]}}}}]\n",
                               primary.endpoint("dns").port)),
      [this] {
        mount_tiny_disk(state_, "64k");
        std::filesystem::create_directory(state_ + "/zones");
        write_text(state_ + "/dns.lock", "");
        fill(state_);
      });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  // Before or after it says that it is ready.
  ASSERT_TRUE(eventually([&] { return count_of(daemon.log(), "zone not stored") > 0; }))
      << daemon.log();
  EXPECT_TRUE(eventually([&] { return serves(daemon, 1); })) << daemon.log();
  write_version(2);
  primary.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return serves(daemon, 2); })) << daemon.log();
  EXPECT_EQ(count_of(daemon.log(), "zone not stored"), 1U) << daemon.log();
  const std::string node = fmt::format("http://127.0.0.1:{}", daemon.endpoint("http").port);
  EXPECT_GE(metric(node, "isochrone_dns_zone_store_failures_total"), 1);
  make_room(seen_by(daemon.pid(), state_));
  ASSERT_TRUE(daemon.hears("zone is stored again")) << daemon.log();
  EXPECT_TRUE(serves(daemon, 2));
}

TEST_F(FullDisk, AKeyIsMadeWholeOrNotAtAll) {
  const std::string config =
      world_.write("signed.yaml",
                   "node: {name: ns1, state-dir: state-ns1}\ndns: {listen: 127.0.0.1@0}\n"
                   "zones: [{name: example.com, file: example.com.zone, dnssec: {}}]\n" +
                       World::topology());
  const Finished finished =
      isochrone({"key", "generate", "example.com", "--config", config}, {}, [&] {
        mount_tiny_disk(state_, "64k");
        std::filesystem::create_directory(state_ + "/keys");
        fill(state_);
      });
  EXPECT_EQ(finished.status, 1);
  EXPECT_NE(finished.err.find("No space left on device"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace isochrone::test
