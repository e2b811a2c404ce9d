// SPDX-License-Identifier: Apache-2.0
//
// Answers of every routed type from the real program: sets, HTTPS records and aliases, signed and explained.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/integration/world.h"
#include "tests/support/program.h"

namespace isochrone::test {
namespace {

constexpr auto kSitesAndServices =
    "sites:\n"
    "  - {name: fra, addresses: 192.0.2.1, host-name: fra.sites.example.com}\n"
    "  - {name: iad, addresses: [192.0.2.2, '2001:db8::2'], host-name: iad.sites.example.com}\n"
    "  - {name: sin, addresses: 192.0.2.3, host-name: sin.example.net}\n"
    "services:\n"
    "  - name: www.example.com\n"
    "    sites: [fra, iad, sin]\n"
    "    count: 2\n"
    "    https: {alpn: [h3, h2], port: 8443}\n"
    "  - {name: cdn.example.com, sites: [fra, iad, sin], answer: cname}\n"
    "  - {name: even.example.com, sites: [fra, iad, sin], count: 2, weights: [1, 2, 3], min-gain: "
    "1s}\n";
constexpr auto kZone =
    "fra.sites IN A 192.0.2.11\n"
    "iad.sites IN A 192.0.2.12\n";
constexpr auto kClient = "198.51.100.0/24";

class Answers : public testing::Test {
 protected:
  Answers() { world_.write_zone(kZone); }

  std::string dig(const Daemon& daemon, const std::string& question) const {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +norecurse +noall +answer +subnet={} {}",
                                 daemon.endpoint("dns").port, kClient, question));
  }

  World world_;
};

TEST_F(Answers, FollowWhatIsMeasuredInEveryTypeAndAreExplained) {
  Daemon daemon(world_.write(
      "node.yaml", std::string("node: {name: ns1, state-dir: state, roles: [dns, collector]}\n"
                               "dns: {listen: 127.0.0.1@0}\n"
                               "collector: {listen: 127.0.0.1@0, window: 200ms, lateness: 1s}\n"
                               "zones: [{name: example.com, file: example.com.zone}]\n") +
                       kSitesAndServices));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  std::string lines;
  for (int i = 1; i <= 3; ++i) {
    const auto number = static_cast<std::uint64_t>(3 * i);
    lines += measurement("sin", kClient, 5'000, number) +
             measurement("iad", kClient, 20'000, number + 1) +
             measurement("fra", kClient, 90'000, number + 2);
  }
  ASSERT_TRUE(post(daemon.collector_url(), "measurement", lines));
  ASSERT_TRUE(eventually([&] { return answers(daemon.endpoint("dns"), kClient, "192.0.2.3"); }))
      << daemon.log();
  EXPECT_EQ(dig(daemon, "+short www.example.com"), "192.0.2.3\n192.0.2.2\n");
  EXPECT_EQ(dig(daemon, "+short www.example.com HTTPS"),
            "1 . alpn=\"h3,h2\" port=8443 ipv4hint=192.0.2.3\n"
            "2 . alpn=\"h3,h2\" port=8443 ipv4hint=192.0.2.2 ipv6hint=2001:db8::2\n");
  EXPECT_EQ(dig(daemon, "+short cdn.example.com"), "sin.example.net.\n");
  const Finished route =
      isochrone({"route", "198.51.100.7", "--collector", daemon.collector_url()});
  EXPECT_EQ(route.status, 0) << route.err;
  for (const char* word : {"sites: sin iad", "addresses: 192.0.2.3 192.0.2.2 2001:db8::2",
                           "host name: sin.example.net"}) {
    EXPECT_NE(route.out.find(word), std::string::npos) << word << "\n" << route.out;
  }
  // A site that goes down leaves every type of answer.
  ASSERT_TRUE(post(daemon.collector_url(), "health", operator_says("sin", "down", 1)));
  ASSERT_TRUE(eventually([&] {
    return dig(daemon, "+short cdn.example.com") == "iad.sites.example.com.\n192.0.2.12\n";
  })) << dig(daemon, "cdn.example.com");
  EXPECT_EQ(dig(daemon, "+short www.example.com"), "192.0.2.2\n192.0.2.1\n");
}

TEST_F(Answers, OfEveryTypeAreValidatedByDelv) {
  const std::string config = world_.write(
      "signed.yaml",
      std::string("node: {name: ns1, state-dir: state}\n"
                  "dns: {listen: 127.0.0.1@0}\n"
                  "zones: [{name: example.com, file: example.com.zone, dnssec: {}}]\n") +
          kSitesAndServices);
  ASSERT_EQ(isochrone({"key", "generate", "example.com", "--config", config}).status, 0);
  Daemon daemon(config);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  std::istringstream words(isochrone({"key", "ds", "example.com", "--config", config}).out);
  std::string owner, in, ds, tag, algorithm, digest_type, digest;
  words >> owner >> in >> ds >> tag >> algorithm >> digest_type >> digest;
  const std::string anchor =
      world_.write("anchor.conf",
                   fmt::format("trust-anchors {{ \"example.com.\" static-ds {} {} {} \"{}\"; }};\n",
                               tag, algorithm, digest_type, digest));
  for (const char* question :
       {"www.example.com A", "www.example.com AAAA", "www.example.com HTTPS", "www.example.com MX",
        "cdn.example.com A", "cdn.example.com MX", "even.example.com A", "even.example.com AAAA",
        "even.example.com HTTPS"}) {
    const std::string said =
        output_of(fmt::format("delv @127.0.0.1 -p {} -a {} +root=example.com {}",
                              daemon.endpoint("dns").port, anchor, question));
    EXPECT_NE(said.find("fully validated"), std::string::npos) << question << "\n" << said;
  }
}

}  // namespace
}  // namespace isochrone::test
