// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "app/config.h"
#include "tests/app/scratch.h"

namespace isochrone::app {
namespace {

constexpr auto kWhole = R"(
node:
  name: ns1
  state-dir: state
  roles: [dns, collector, prober]

dns:
  listen: [127.0.0.1@5353, "::1@5353"]
  edns-client-subnet: false
  workers: 4

collector:
  listen: 127.0.0.1@8053
  window: 250ms

prober:
  site: fra
  methods: tcp
  targets:
    - {prefix: 198.51.100.0/24, address: 198.51.100.7}
  opt-out: [203.0.113.0/24, "2001:db8:ffff::/48"]

zones:
  - name: Example.COM.
    file: example.com.zone

sites:
  - name: fra
    location: [50.11, 8.68]
    addresses: [192.0.2.1, "2001:db8:1::1"]
  - name: sin
    addresses: 192.0.2.3

services:
  - name: www.example.com
    sites: [sin, fra]
    ttl: 20
    min-gain: 2ms
    merge-within: 1ms
    dwell: 1m
    objective: p90
    count: 3
    spread: 15ms
    others: 1
    weights: [2, 1]
    https: {alpn: [h3, h2], port: 8443}
)";

class ConfigTest : public testing::Test {
 protected:
  Scratch scratch_;
  std::filesystem::path zone_ = scratch_.write("example.com.zone", "");

  Config parse(std::string_view text) {
    auto config = parse_config(text, scratch_.path() / "isochrone.yaml");
    if (config) return *config;
    for (const Error& error : config.error()) ADD_FAILURE() << error.text();
    return {};
  }
};

TEST_F(ConfigTest, ReadsWhatAnswersName) {
  const routing::Service service = parse(kWhole).topology.services[0];
  EXPECT_EQ(service.answer, routing::AnswerWith::addresses);
  EXPECT_EQ(service.count, 3U);
  EXPECT_EQ(service.spread, Micros(15'000));
  EXPECT_EQ(service.others, 1U);
  EXPECT_EQ(service.weights, (std::vector<std::uint16_t>{2, 1}));
  ASSERT_TRUE(service.https.has_value());
  EXPECT_EQ(service.https->alpn, (std::vector<std::string>{"h3", "h2"}));
  EXPECT_EQ(service.https->port, 8443);
  EXPECT_TRUE(service.https->has_default_alpn);
  EXPECT_FALSE(service.svcb.has_value());
}

TEST_F(ConfigTest, ReadsAliasesAndSvcb) {
  const Config config = parse(
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "sites: [{name: fra, host-name: FRA.example.net.}, {name: iad, addresses: 192.0.2.2}]\n"
      "services:\n"
      "  - {name: cdn.example.com, sites: fra, answer: cname}\n"
      "  - {name: _dns.example.com, sites: iad, svcb: {alpn: h2, doh-path: '/q{?dns}'}}\n");
  EXPECT_EQ(config.topology.sites[0].host_name, "fra.example.net");
  EXPECT_EQ(config.topology.services[0].answer, routing::AnswerWith::host_name);
  EXPECT_EQ(config.topology.services[1].svcb->doh_path, "/q{?dns}");
}

TEST_F(ConfigTest, ReadsFencesPinsAndHoldOuts) {
  scratch_.write("networks.txt", "198.51.100.0/24 64496\n198.51.100.128/25 64500\n");
  const auto countries =
      std::filesystem::path(ISOCHRONE_TEST_DATA) / "mmdb" / "GeoIP2-Country-Test.mmdb";
  const Config config = parse(
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "geo: {countries: " +
      countries.string() +
      ", networks: networks.txt}\n"
      "sites: [{name: fra, addresses: 192.0.2.1}, {name: iad, addresses: 192.0.2.2}]\n"
      "services:\n"
      "  - name: www.example.com\n"
      "    sites: [fra, iad]\n"
      "    fences:\n"
      "      - {sites: fra, never-in: ['as:64496', 203.0.113.0/24]}\n"
      "      - {sites: iad, never-in: ['country:GB']}\n"
      "    pins: [{site: iad, prefixes: [10.0.0.0/8, 2001:db8::/32]}]\n"
      "    hold-out: 0.05\n");
  const routing::Service& service = config.topology.services[0];
  EXPECT_DOUBLE_EQ(service.hold_out, 0.05);
  ASSERT_NE(service.terms, nullptr);
  const auto term = [&](const char* text) {
    const routing::Term* around = service.terms->around(*Prefix::parse(text));
    return around != nullptr ? *around : routing::Term{};
  };
  EXPECT_EQ(term("198.51.100.1").allowed, 2U);
  EXPECT_EQ(term("198.51.100.129").allowed, 3U);
  EXPECT_EQ(term("203.0.113.1").allowed, 2U);
  EXPECT_EQ(term("81.2.69.142").allowed, 1U);
  EXPECT_EQ(term("10.1.2.3").pin, routing::SiteId(1));
  EXPECT_EQ(term("192.0.2.1").pin, std::nullopt);
}

TEST_F(ConfigTest, ReadsWhereRowsStart) {
  scratch_.write("networks.txt", "198.51.100.0/22 64496\n");
  const Config config = parse(
      "node: {name: n}\n"
      "collector: {listen: 127.0.0.1@0, start-prefixes: routed, max-rows: 5000}\n"
      "geo: {networks: networks.txt}\n");
  ASSERT_NE(config.collector.networks, nullptr);
  EXPECT_EQ(config.collector.networks->networks().size(), 1U);
  EXPECT_EQ(config.collector.max_rows, 5'000U);
}

TEST_F(ConfigTest, ReadsWhatSitesCarry) {
  const Config config = parse(
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "sites:\n"
      "  - {name: fra, addresses: 192.0.2.1, capacity: 20000}\n"
      "  - {name: iad, addresses: 192.0.2.2, commit: 300, beyond-commit: 25ms}\n"
      "  - {name: sin, addresses: 192.0.2.3, commit: 300}\n"
      "services: [{name: www.example.com, sites: [fra, iad, sin]}]\n");
  const auto& sites = config.topology.sites;
  EXPECT_EQ(sites[0].capacity, 20'000U);
  EXPECT_EQ(sites[0].commit, 0U);
  EXPECT_EQ(sites[1].capacity, 0U);
  EXPECT_EQ(sites[1].commit, 300U);
  EXPECT_EQ(sites[1].beyond_commit, Micros(25'000));
  EXPECT_EQ(sites[2].beyond_commit, Micros(10'000));
}

TEST_F(ConfigTest, ReadsEveryRoleOfOneNode) {
  const Config config = parse(kWhole);
  EXPECT_EQ(config.node.name, "ns1");
  EXPECT_TRUE(config.node.has_dns && config.node.has_collector && config.node.has_prober);
  ASSERT_EQ(config.dns.listen.size(), 2U);
  EXPECT_EQ(config.dns.listen[1].to_string(), "::1@5353");
  EXPECT_EQ(config.dns.workers, 4U);
  EXPECT_FALSE(config.dns.answers.edns_client_subnet);
  EXPECT_EQ(config.collector.listen.to_string(), "127.0.0.1@8053");
  EXPECT_EQ(config.collector.window, Millis(250));
  EXPECT_EQ(config.prober.methods, std::vector{routing::Method::tcp});
  ASSERT_EQ(config.prober.targets.size(), 1U);
  EXPECT_EQ(config.prober.targets[0].prefix.to_string(), "198.51.100.0/24");
  EXPECT_EQ(config.prober.opt_out.size(), 2U);
}

TEST_F(ConfigTest, ReadsTheListsOfAProber) {
  scratch_.write("hits", "198.51.100.0/24 198.51.100.7 198.51.100.8\n203.0.113.9\n");
  scratch_.write("out", "192.0.2.0/24\n");
  const std::string start = "node: {name: n}\ncollector: {url: 'http://127.0.0.1:1'}\n";
  const Config config = parse(start +
                              "prober: {site: fra, hit-list: hits, opt-out: 10.0.0.0/8, "
                              "opt-out-file: out, rate-per-network: 3}\n");
  ASSERT_EQ(config.prober.targets.size(), 3U);
  EXPECT_EQ(config.prober.targets[1].address.to_string(), "198.51.100.8");
  EXPECT_EQ(config.prober.targets[2].prefix.to_string(), "203.0.113.0/24");
  EXPECT_EQ(config.prober.opt_out.size(), 2U);
  EXPECT_EQ(config.prober.rate_per_network_pps, 3U);
  EXPECT_EQ(config.prober.methods.size(), 4U);
  scratch_.write("out", "192.0.2.0/24\nnobody\n");
  const auto wrong = parse_config(start + "prober: {site: fra, opt-out-file: out}\n",
                                  (scratch_.path() / "c.yaml").string());
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error()[0].text().find("/out:2: "), std::string::npos) << wrong.error()[0].text();
}

TEST_F(ConfigTest, ReadsWhatAProberWatches) {
  scratch_.write("rtt.log", "");
  const std::string start = "node: {name: n}\ncollector: {url: 'http://127.0.0.1:1'}\n";
  const Config config = parse(start +
                              "prober: {site: fra, passive: {ports: [443, 8443], log: rtt.log, "
                              "log-address-field: 6, interval: 5s}}\n");
  const auto& passive = config.prober.passive;
  EXPECT_EQ(passive.ports, (std::vector<std::uint16_t>{443, 8443}));
  EXPECT_EQ(passive.log.filename(), "rtt.log");
  EXPECT_EQ(passive.address_field, 6U);
  EXPECT_EQ(passive.interval, Seconds(5));
  EXPECT_FALSE(parse(start + "prober: {site: fra}\n").prober.passive.is_on());
  for (const char* wrong :
       {"{interval: 5s}", "{ports: [443, 443]}", "{ports: [0]}", "{log: none}"}) {
    EXPECT_FALSE(parse_config(start + "prober: {site: fra, passive: " + wrong + "}\n",
                              (scratch_.path() / "c.yaml").string()))
        << wrong;
  }
}

TEST_F(ConfigTest, ReadsZonesSitesAndServices) {
  const Config config = parse(kWhole);
  ASSERT_EQ(config.dns.zones.size(), 1U);
  EXPECT_EQ(config.dns.zones[0].name, "example.com");
  ASSERT_EQ(config.topology.sites.size(), 2U);
  ASSERT_TRUE(config.topology.sites[0].location.has_value());
  EXPECT_DOUBLE_EQ(config.topology.sites[0].location->longitude, 8.68);
  EXPECT_EQ(config.topology.sites[1].addresses.size(), 1U);
  ASSERT_EQ(config.topology.services.size(), 1U);
  const routing::Service& service = config.topology.services[0];
  const std::vector order{routing::SiteId(1), routing::SiteId(0)};
  EXPECT_EQ(service.sites, order);
  EXPECT_EQ(service.ttl, Seconds(20));
  EXPECT_EQ(service.min_gain, Micros(2'000));
  EXPECT_EQ(service.merge_within, Micros(1'000));
  EXPECT_EQ(service.dwell, Seconds(60));
  EXPECT_EQ(service.objective, routing::Objective::p90);
  EXPECT_EQ(config.collector.probe_budget, 0U);
}

TEST_F(ConfigTest, PathsAreRelativeToTheFile) {
  const Config config = parse(kWhole);
  EXPECT_EQ(config.node.state_dir, scratch_.path() / "state");
  EXPECT_EQ(config.dns.state_dir, config.node.state_dir);
  EXPECT_EQ(config.dns.zones[0].file, zone_);
}

// The schema's fallbacks and the options' own defaults are two statements of one fact.
TEST_F(ConfigTest, FallbacksAreTheDefaultsOfTheOptions) {
  const Config config = parse(
      "node: {name: n}\n"
      "collector: {listen: 127.0.0.1@0}\n"
      "dns: {listen: 127.0.0.1@0}\n"
      "prober: {site: fra}\n"
      "zones: [{name: example.com, file: example.com.zone}]\n"
      "sites: [{name: fra, addresses: 192.0.2.1}]\n"
      "services: [{name: example.com, sites: fra}]\n");
  const collector::Options collector;
  EXPECT_EQ(config.collector.window, collector.window);
  EXPECT_EQ(config.collector.lateness, collector.lateness);
  EXPECT_EQ(config.collector.site_timeout, collector.site_timeout);
  EXPECT_EQ(config.collector.target_lifetime, collector.target_lifetime);
  EXPECT_EQ(config.collector.path_lifetime, collector.path_lifetime);
  EXPECT_EQ(config.collector.retention, collector.retention);
  EXPECT_EQ(config.collector.max_body_bytes, collector.max_body_bytes);
  EXPECT_EQ(config.collector.max_connections, collector.max_connections);
  const dns::Options dns;
  EXPECT_EQ(config.dns.workers, dns.workers);
  EXPECT_EQ(config.dns.answers.edns_client_subnet, dns.answers.edns_client_subnet);
  EXPECT_EQ(config.dns.answers.max_udp_payload, dns.answers.max_udp_payload);
  EXPECT_EQ(config.dns.answers.max_amplification, dns.answers.max_amplification);
  EXPECT_EQ(config.dns.cookies, dns.cookies);
  EXPECT_EQ(config.dns.tcp_connections, dns.tcp_connections);
  EXPECT_EQ(config.dns.tcp_idle, dns.tcp_idle);
  const prober::Options prober;
  EXPECT_EQ(config.prober.methods, prober.methods);
  EXPECT_EQ(config.prober.tcp_port, prober.tcp_port);
  EXPECT_EQ(config.prober.round_interval, prober.round_interval);
  EXPECT_EQ(config.prober.probes_per_round, prober.probes_per_round);
  EXPECT_EQ(config.prober.rate_pps, prober.rate_pps);
  EXPECT_EQ(config.prober.timeout, prober.timeout);
  EXPECT_EQ(config.prober.heartbeat, prober.heartbeat);
  EXPECT_EQ(config.prober.allow_private, prober.allow_private);
  const routing::Service service;
  ASSERT_EQ(config.topology.services.size(), 1U);
  EXPECT_EQ(config.topology.services[0].ttl, service.ttl);
  EXPECT_EQ(config.topology.services[0].min_gain, service.min_gain);
  EXPECT_EQ(config.topology.services[0].merge_within, service.merge_within);
  EXPECT_DOUBLE_EQ(config.topology.services[0].min_gain_share, service.min_gain_share);
  EXPECT_EQ(config.topology.services[0].dwell, service.dwell);
  EXPECT_EQ(config.topology.services[0].objective, service.objective);
}

TEST_F(ConfigTest, ReadsWhichInterfacesAnswerByXdp) {
  const std::string rest = "zones: [{name: example.com, file: example.com.zone}]\n";
  const std::string dns = "node: {name: n}\ndns: {listen: 192.0.2.53@53, xdp: {interfaces: ";
  const dns::XdpOptions one = parse(dns + "eth0}}\n" + rest).dns.xdp;
  EXPECT_EQ(one, (dns::XdpOptions{{"eth0"}, dns::XdpMode::automatic, false}));
  const dns::XdpOptions two =
      parse(dns + "[eth0, eth1], mode: zero-copy, fall-back: true}}\n" + rest).dns.xdp;
  EXPECT_EQ(two, (dns::XdpOptions{{"eth0", "eth1"}, dns::XdpMode::zero_copy, true}));
}

TEST_F(ConfigTest, RolesFollowTheSectionsWhenNotNamed) {
  const Config config = parse(
      "node: {name: p, http: 127.0.0.1@8054}\n"
      "collector: {url: 'https://collector.example:8053/'}\n"
      "prober: {site: fra}\n");
  EXPECT_TRUE(config.node.has_prober);
  EXPECT_FALSE(config.node.has_collector || config.node.has_dns);
  EXPECT_EQ(config.prober.collector.url, "https://collector.example:8053");
  ASSERT_TRUE(config.node.http.has_value());
  EXPECT_EQ(config.node.http->port, 8054);
}

TEST_F(ConfigTest, SeveralCollectorsMayShareALog) {
  const Config config = parse(
      "node: {name: p}\n"
      "collector: {url: ['http://127.0.0.1:1', 'http://127.0.0.1:2/', 'http://127.0.0.1:3']}\n"
      "prober: {site: fra}\n");
  EXPECT_EQ(config.prober.collector.url, "http://127.0.0.1:1");
  EXPECT_EQ(config.prober.collector.others,
            (std::vector<std::string>{"http://127.0.0.1:2", "http://127.0.0.1:3"}));
}

TEST_F(ConfigTest, AMissingFileSaysWhich) {
  const auto config = load_config(scratch_.path() / "none.yaml");
  ASSERT_FALSE(config.has_value());
  ASSERT_EQ(config.error().size(), 1U);
  EXPECT_EQ(config.error()[0].text(), "cannot read " + (scratch_.path() / "none.yaml").string() +
                                          ": No such file or directory");
}

TEST_F(ConfigTest, AFolderInPlaceOfTheFileIsRefused) {
  EXPECT_FALSE(load_config(scratch_.path()).has_value());
}

TEST_F(ConfigTest, AnEndlessFileIsReadUpToTheLimit) {
  const auto config = load_config("/dev/zero");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error()[0].code(), Errc::invalid);
}

}  // namespace
}  // namespace isochrone::app
