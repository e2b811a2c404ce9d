// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "app/roles.h"

namespace isochrone::app {
namespace {

Config all_roles() {
  Config config;
  config.node.has_dns = config.node.has_collector = config.node.has_prober = true;
  return config;
}

// Every field that a running process cannot change, changed.
Config all_changed() {
  Config config = all_roles();
  config.node.name = "other";
  config.node.state_dir = "other";
  config.node.http = Endpoint{};
  config.dns.listen.push_back(Endpoint{});
  ++config.dns.workers;
  ++config.dns.tcp_connections;
  ++config.dns.tcp_per_client;
  config.dns.xdp.fall_back = true;
  config.dns.tls_listen.push_back(Endpoint{});
  config.dns.tcp_idle += Millis(1);
  config.collector.listen.port = 1;
  config.collector.window += Millis(1);
  config.collector.lateness += Millis(1);
  ++config.collector.max_body_bytes;
  ++config.collector.max_connections;
  config.prober.site = "other";
  config.prober.source_addresses.push_back(Address());
  return config;
}

std::string read(const std::string& file) {
  std::ifstream stream(ISOCHRONE_SOURCE_DIR + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Reload, OfTheSameNeedsNoRestart) {
  EXPECT_TRUE(needs_restart(all_roles(), all_roles()).empty());
}

TEST(Reload, NamesWhatNeedsARestart) {
  const auto differences = needs_restart(all_roles(), all_changed());
  EXPECT_EQ(differences.size(), 17U);
  const std::string page = read("/docs/man/isochrone.conf.5");
  const std::string reloading = page.substr(page.find(".Sh RELOADING"));
  const std::string operations = read("/docs/operations.md");
  for (const Error& difference : differences) {
    const std::string text = difference.text();  // ": KEY changed; ..."
    const std::string key = text.substr(2, text.find(" changed") - 2);
    EXPECT_NE(reloading.find(key), std::string::npos) << key;
    EXPECT_NE(operations.find("`" + key + "`"), std::string::npos) << key;
  }
}

TEST(Reload, MayNotSendAProberToAnotherCollector) {
  Config next = all_roles();
  next.prober.collector = "http://192.0.2.1:8053";
  const auto differences = needs_restart(all_roles(), next);
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].text(), ": collector.url changed; restart to take it, or restore it");
}

TEST(Reload, OfOtherRolesNeedsARestart) {
  Config next = all_roles();
  next.node.has_prober = false;
  const auto differences = needs_restart(all_roles(), next);
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].text(), ": node.roles changed; restart to take it, or restore it");
}

}  // namespace
}  // namespace isochrone::app
