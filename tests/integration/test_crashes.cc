// SPDX-License-Identifier: Apache-2.0
//
// Killed and started again: nothing acknowledged is lost or counted twice, answers go on.
#include <gtest/gtest.h>
#include <signal.h>

#include <set>

#include "app/config.h"
#include "dns/snapshot_file.h"
#include "tests/integration/world.h"

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

// How often each sequence of source "test" lies in the log.
std::multiset<std::uint64_t> sequences(const std::string& url) {
  std::multiset<std::uint64_t> found;
  for (const auto& event : events_of(url, "measurement")) {
    found.insert(event.at("id").at("sequence").get<std::uint64_t>());
  }
  return found;
}

// Whether the snapshot of ns1 prefers this site for the client.
bool is_on_disk(const World& world, const std::string& config_file, std::string_view site) {
  const auto config = app::load_config(config_file);
  if (!config) return false;
  const std::string file = world.path(std::string("state-ns1/") + dns::kSnapshotFile);
  const auto state = dns::load_snapshot(file, config->topology);
  const auto prefix = state.performance.find(*Prefix::parse(kClient));
  const auto* preferred = prefix ? prefix->preferred(routing::ServiceId(0)) : nullptr;
  return preferred != nullptr && config->topology.sites[preferred->index()].name == site;
}

TEST(Crashes, WhatTheCollectorAcknowledgedIsThereOnceAfterKill9) {
  const World world;
  std::uint64_t next = 1;
  std::string first_line;
  std::set<std::uint64_t> acknowledged;
  std::uint16_t port = 0;
  for (int life = 0; life < 3; ++life) {
    Daemon collector(world.write("collector.yaml", world.collector_only(port)));
    ASSERT_TRUE(collector.is_ready()) << collector.log();
    port = collector.endpoint("collector").port;
    for (int batch = 0; batch < 20; ++batch) {
      std::string lines;
      const std::uint64_t first = next;
      for (int i = 0; i < 25; ++i) lines += measurement("fra", kClient, 20'000, next++);
      if (first_line.empty()) first_line = lines.substr(0, lines.find('\n') + 1);
      const auto posted = post(collector.collector_url(), "measurement", lines);
      ASSERT_TRUE(posted && posted->status == 200);
      for (std::uint64_t sequence = first; sequence < next; ++sequence)
        acknowledged.insert(sequence);
    }
    collector.kill();
  }
  Daemon collector(world.write("collector.yaml", world.collector_only(port)));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  const std::string url = collector.collector_url();
  const auto found = sequences(url);
  EXPECT_EQ(found.size(), acknowledged.size());
  EXPECT_EQ(std::set<std::uint64_t>(found.begin(), found.end()), acknowledged);
  const auto again = post(url, "measurement", first_line);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->body.value("duplicates", -1), 1) << "the ids survived too";
}

TEST(Crashes, DnsAnswersOnWhileTheCollectorIsGone) {
  const World world;
  Daemon collector(world.write("collector.yaml", world.collector_only()));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  const std::string url = collector.collector_url();
  const std::uint16_t port = collector.endpoint("collector").port;
  Daemon dns(world.write("dns.yaml", world.dns_only(url)));
  ASSERT_TRUE(dns.is_ready()) << dns.log();
  ASSERT_TRUE(post(url, "measurement", rounds("iad", 1)));
  ASSERT_TRUE(eventually([&] { return answers(dns.endpoint("dns"), kClient, "192.0.2.2"); }));
  collector.kill();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(answers(dns.endpoint("dns"), kClient, "192.0.2.2")) << "query " << i;
  }
  Daemon second(world.write("collector.yaml", world.collector_only(port)));
  ASSERT_TRUE(second.is_ready()) << second.log();
  // A path that changed replaces its past at once, so one window of the new state is enough.
  ASSERT_TRUE(post(url, "measurement", rounds("sin", 100)));
  EXPECT_TRUE(eventually([&] { return answers(dns.endpoint("dns"), kClient, "192.0.2.3"); }))
      << "the second life is followed\n"
      << dns.log();
}

TEST(Crashes, DnsKilledAndStartedWithoutACollectorAnswersFromItsSnapshot) {
  const World world;
  Daemon collector(world.write("collector.yaml", world.collector_only()));
  ASSERT_TRUE(collector.is_ready()) << collector.log();
  const std::string url = collector.collector_url();
  const std::string file = world.write("dns.yaml", world.dns_only(url));
  {
    Daemon dns(file);
    ASSERT_TRUE(dns.is_ready()) << dns.log();
    ASSERT_TRUE(post(url, "measurement", rounds("sin", 1)));
    ASSERT_TRUE(eventually([&] { return answers(dns.endpoint("dns"), kClient, "192.0.2.3"); }));
    ASSERT_TRUE(eventually([&] { return is_on_disk(world, file, "sin"); }))
        << "the snapshot is written some time after the table changed";
    dns.kill();
  }
  collector.kill();
  Daemon dns(file);
  ASSERT_TRUE(dns.is_ready()) << dns.log();
  EXPECT_TRUE(answers(dns.endpoint("dns"), kClient, "192.0.2.3")) << dns.log();
}

}  // namespace
}  // namespace isochrone::test
