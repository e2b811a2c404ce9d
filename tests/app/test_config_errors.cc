// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/config.h"
#include "tests/app/scratch.h"

namespace isochrone::app {
namespace {

// A configuration without a fault, as lines, so that a row below can spoil exactly one.
const std::string kGood =
    "node: {name: ns1}\n"                                     // 1
    "dns: {listen: 127.0.0.1@0}\n"                            // 2
    "collector: {listen: 127.0.0.1@0}\n"                      // 3
    "prober: {site: fra}\n"                                   // 4
    "zones: [{name: example.com, file: example.com.zone}]\n"  // 5
    "sites: [{name: fra, addresses: 192.0.2.1}]\n"            // 6
    "services: [{name: www.example.com, sites: fra}]\n";      // 7

std::string with_line(int line, const std::string& text) {
  std::size_t from = 0;
  for (int i = 1; i < line; ++i) from = kGood.find('\n', from) + 1;
  return std::string(kGood).replace(from, kGood.find('\n', from) - from, text);
}

class ConfigErrors : public testing::Test {
 protected:
  Scratch scratch_;
  std::filesystem::path zone_ = scratch_.write("example.com.zone", "");
  std::string file_ = (scratch_.path() / "c.yaml").string();

  // The errors without the file's name, which is the same in each.
  std::vector<std::string> errors_of(const std::string& text) {
    std::vector<std::string> errors;
    const auto config = parse_config(text, file_);
    if (config) return errors;
    for (const Error& error : config.error()) {
      EXPECT_TRUE(error.text().starts_with(file_ + ":")) << error.text();
      errors.push_back(error.text().substr(file_.size() + 1));
    }
    return errors;
  }
};

TEST_F(ConfigErrors, TheGoodOneHasNone) { EXPECT_EQ(errors_of(kGood), std::vector<std::string>()); }

TEST_F(ConfigErrors, EachFaultSaysWhereWhatAndWhatToDo) {
  struct Row {
    int line;
    std::string text;
    std::string error;
  };
  const std::vector<Row> rows = {
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: localhost}}",
       "3:46: collector.log.nats: localhost is no NATS server; write nats://HOST:4222"},
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: nats://me:word@n1}}",
       "3:46: collector.log.nats: a user or password in a URL is read by whoever reads this file; "
       "put it into collector.log.credentials or token-file"},
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: []}}",
       "3:46: collector.log.nats: none; name the servers, or remove collector.log to keep the "
       "event log on this machine"},
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: nats://n1, replicas: 2}}",
       "3:67: collector.log.replicas: two replicas need both to work, four need three; write 1, 3 "
       "or 5"},
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: nats://n1, stream: a.b}}",
       "3:65: collector.log.stream: NATS takes no dot in the name of a stream; remove it"},
      {3, "collector: {listen: 127.0.0.1@0, log: {nats: nats://n1, key: example.com.zone}}",
       "3:62: collector.log: a certificate and its key belong together; give both"},
      {1, "node: {name: ns1, role: [dns]}",
       "1:19: unknown key \"role\"; correct or remove it (did you mean \"roles\"?)"},
      {1, "node: {name: ns1, listen: 1}",
       "1:19: unknown key \"listen\"; correct or remove it (did you mean \"collector.listen\"?)"},
      {1, "node: {name: ns1, name: ns2}",
       "1:19: duplicate key \"name\"; keep one, the first is on line 1"},
      {1, "node: {}",
       "1:1: node.name is missing; add \"name: ...\": Name of the node; the source of "
       "its events carries it."},
      {1, "node: {name: ns1, roles: [dns, colector, prober]}",
       "1:32: node.roles: \"colector\" is none of dns, collector, prober; write one of them (did "
       "you "
       "mean \"collector\"?)"},
      {1, "node: {name: ns1, roles: [dns, dns, collector, prober]}",
       "1:32: role \"dns\" is there twice; rename or remove one, the first is on line 1"},
      {1, "node: {name: ns1, roles: []}",
       "1:26: no role, nothing to run; add a dns, collector or prober section, or name them in "
       "node.roles"},
      {2, "dns: {listen: 0.0.0.0@53, xdp: {interfaces: eth0}}",
       "2:27: dns.xdp with nothing but wildcards in dns.listen; name the addresses that it is to "
       "answer for"},
      {1, "node: {name: ns1, http: 127.0.0.1@80}",
       "1:25: node.http is for nodes without the collector role, whose API serves the same; remove "
       "it"},
      {1, "node: {name: NS 1}",
       "1:14: node.name: \"NS 1\" is not a name; use up to 63 of a-z, 0-9, - _ . and start with a "
       "letter or digit"},
      {2, "dns: {listen: [127.0.0.1@0, 127.0.0.300@53]}",
       "2:29: dns.listen: \"127.0.0.300@53\" is not ADDRESS@PORT; write it like 127.0.0.1@5353 or "
       "\"::1@5353\""},
      {2, "dns: {listen: [127.0.0.1@53, 127.0.0.1]}",
       "2:30: address \"127.0.0.1@53\" is there twice; rename or remove one, the first is on line "
       "2"},
      {2, "dns: {}", "2:1: dns.listen is missing; add \"listen: [ADDRESS@53]\""},
      {2, "dns: {listen: []}", "2:15: dns.listen is missing; add \"listen: [ADDRESS@53]\""},
      {2, "dns: {listen: 127.0.0.1@0, workers: many}",
       "2:37: dns.workers: \"many\" is not a whole number; write digits only, like 30"},
      {2, "dns: {listen: 127.0.0.1@0, workers: [1, 2]}",
       "2:37: dns.workers is a single value, not a list; write \"workers: value\""},
      {2, "dns: {listen: 127.0.0.1@0, workers: }",
       "2:37: dns.workers has no value; write one or remove the key"},
      {2, "dns: {listen: 127.0.0.1@0, edns-client-subnet: on}",
       "2:48: dns.edns-client-subnet: \"on\" is neither true nor false; write one of them"},
      {2, "dns: 127.0.0.1@53",
       "2:6: dns is a section; write its keys below it, indented, each as \"key: value\""},
      {3, "collector: {listen: 127.0.0.1@0, window: 5}",
       "3:42: collector.window: \"5\" is not a duration; write a whole number and a unit, like "
       "250ms, "
       "30s or 15m"},
      {3, "collector: {listen: 127.0.0.1@0, window: 2d}",
       "3:42: collector.window: 2d is outside 100ms..1h; choose a value inside"},
      {3, "collector: {listen: 127.0.0.1@0, url: 'ftp://x'}",
       "3:39: collector.url: \"ftp://x\" is not the address of a collector; write "
       "http://HOST:PORT, "
       "like http://127.0.0.1:8053"},
      {4, "x-prober: {}",
       "4:1: unknown key \"x-prober\"; correct or remove it (did you mean "
       "\"prober\"?)"},
      {4, "prober: {site: fr}",
       "4:16: unknown site \"fr\"; add it to sites or correct the name (did you mean \"fra\"?)"},
      {4, "prober: {site: fra, timeout: 20s}",
       "4:30: prober.timeout 20s is not shorter than prober.round-interval 10s; answers must be in "
       "before the next round"},
      {4, "prober: {site: fra, opt-out: 192.0.2.1/24}",
       "4:30: prober.opt-out: \"192.0.2.1/24\" has bits set past its length; did you mean "
       "\"192.0.2.0/24\"?"},
      {4, "prober: {site: fra, targets: [{prefix: 192.0.2.0/24}]}",
       "4:31: prober.targets[].address is missing; add \"address: ...\": The address that answers "
       "probes for it."},
      {4, "prober: {site: fra, source-addresses: [192.0.2.1, 192.0.2.2]}",
       "4:51: source address of family \"IPv4\" is there twice; rename or remove one, the first is "
       "on "
       "line 4"},
      {5, "zones: {name: example.com}", "5:8: zones is a list; start each item with \"- \""},
      {5, "zones: []", "5:8: role dns without zones; add \"zones:\" with a name and a file"},
      {5,
       "zones: [{name: example.com, file: example.com.zone}, {name: example.com., file: "
       "example.com.zone}]",
       "5:61: zone \"example.com\" is there twice; rename or remove one, the first is on line 5"},
      {5, "zones: [{name: example.org, file: example.com.zone}]",
       "7:19: service \"www.example.com\" lies in none of the zones example.org; add its zone or "
       "correct the name"},
      {6, "sites: [{name: fra, addresses: 192.0.2}]",
       "6:32: sites[].addresses: \"192.0.2\" is not an address; write one like 192.0.2.1 or "
       "\"2001:db8::1\""},
      {6, "sites: [{name: fra, addresses: 192.0.2.1, beyond-commit: 5ms}]",
       "6:58: sites[].beyond-commit without sites[].commit: nothing to go beyond; add commit or "
       "take "
       "it out"},
      {6, "sites: [{name: fra, addresses: 192.0.2.1, capacity: 0}]",
       "6:53: sites[].capacity: 0 is outside 1..1000000000 requests per second; choose a value "
       "inside"},
      {6, "sites: [{name: fra, addresses: []}]",
       "6:32: sites[].addresses: none; an answer has to name one, add it"},
      {6, "sites: [{name: fra, addresses: 192.0.2.1}, {name: iad}]",
       "6:44: sites[]: neither addresses nor host-name; an answer has to name one, add it"},
      {6, "sites: [{name: fra, host-name: fra.example.net}]",
       "7:43: services[].sites: site \"fra\" has no addresses, which this service answers with; "
       "add "
       "sites[].addresses or take the site out"},
      {7, "services: [{name: www.example.com, sites: fra, answer: cname}]",
       "7:43: services[].sites: site \"fra\" has no host name, which this service answers with; "
       "add "
       "sites[].host-name or take the site out"},
      {7, "services: [{name: www.example.com, sites: fra, https: {no-default-alpn: true}}]",
       "7:73: no-default-alpn without alpn: no protocol is left; name some in alpn"},
      {7, "services: [{name: www.example.com, sites: fra, https: {alpn: [h2, h2]}}]",
       "7:67: protocol \"h2\" is there twice; rename or remove one, the first is on line 7"},
      {7, "services: [{name: www.example.com, sites: fra, svcb: {doh-path: dns-query}}]",
       "7:65: \"dns-query\" is no path of DNS over HTTPS; write one like /dns-query{?dns}"},
      {7, "services: [{name: www.example.com, sites: fra, count: 9}]",
       "7:55: services[].count: 9 is outside 1..8 sites; choose a value inside"},
      {7, "services: [{name: www.example.com, sites: fra, spread: 5ms}]",
       "7:56: services[].spread without further sites; write count: 2 or more, or remove it"},
      {7, "services: [{name: www.example.com, sites: fra, count: 2, others: 1}]",
       "7:66: services[].others without spread, which says who is another; add it"},
      {7, "services: [{name: www.example.com, sites: fra, count: 2, spread: 5ms, others: 2}]",
       "7:79: services[].others 2 leaves no place for the best of count 2; raise count or lower "
       "others"},
      {7, "services: [{name: www.example.com, sites: fra, weights: [1, 2]}]",
       "7:57: 2 weights for 1 sites; give one for each, in the order of sites"},
      {6, "sites: [{name: fra, addresses: 0.0.0.0}]",
       "6:32: 0.0.0.0 is nowhere; write the address that clients connect to"},
      {6, "sites: [{name: fra, addresses: 192.0.2.1}, {name: fra, addresses: 192.0.2.2}]",
       "6:51: site \"fra\" is there twice; rename or remove one, the first is on line 6"},
      {6, "sites: [{name: fra, addresses: 192.0.2.1, location: [8.68]}]",
       "6:53: sites[].location: not two numbers; write [LATITUDE, LONGITUDE] in degrees, like "
       "[50.11, "
       "8.68]"},
      {6, "sites: [{name: fra, addresses: 192.0.2.1, location: [103.8, 1.3]}]",
       "6:54: sites[].location: latitude is outside -90..90 degrees; it comes first, then the "
       "longitude"},
      {7, "services: [{name: www.example.com, sites: [fra, frb]}]",
       "7:49: unknown site \"frb\"; add it to sites or correct the name (did you mean \"fra\"?)"},
      {7, "services: [{name: www.example.com, sites: []}]",
       "7:43: services[].sites: none; a service needs at least one site, add it"},
      {7, "services: [{name: www.example.com, sites: [fra, fra]}]",
       "7:49: site \"fra\" is there twice; rename or remove one, the first is on line 7"},
      {7, "services: [{name: www.example.com, sites: fra}, {name: WWW.example.com, sites: fra}]",
       "7:56: service \"www.example.com\" is there twice; rename or remove one, the first is on "
       "line "
       "7"},
      {7, "services: [{name: www.example.com, sites: fra, ttl: 0}]",
       "7:53: services[].ttl: 0 is outside 1..86400 seconds; choose a value inside"},
      {7, "services: [{name: '*.example.com', sites: fra}]",
       "7:19: services[].name: \"*.example.com\" is not a host name; write labels of letters, "
       "digits, "
       "- and _ with dots between, like www.example.com"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(errors_of(with_line(row.line, row.text)), std::vector{row.error}) << row.text;
  }
}

TEST_F(ConfigErrors, AMissingZoneFileIsNamedWithItsFolder) {
  EXPECT_EQ(errors_of(with_line(5, "zones: [{name: example.com, file: nowhere.zone}]")),
            std::vector{"5:35: no file " + (scratch_.path() / "nowhere.zone").string() +
                        "; put it there or correct the path"});
}

TEST_F(ConfigErrors, AMissingDatabaseIsNamed) {
  EXPECT_EQ(errors_of(kGood + "geo: {database: city.mmdb}\n"),
            std::vector{"8:17: no file " + (scratch_.path() / "city.mmdb").string() +
                        "; put it there or correct the path"});
}

TEST_F(ConfigErrors, WhatFencesAndPinsGetWrongIsNamed) {
  const std::string start =
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "sites: [{name: fra, addresses: 192.0.2.1}, {name: iad, addresses: 192.0.2.2}]\n"
      "services: [{name: www.example.com, sites: [fra], ";
  struct Row {
    const char* text;
    const char* error;
  };
  const Row rows[] = {
      {"fences: [{sites: iad, only-in: 10.0.0.0/8}]",
       "4:67: site \"iad\" does not serve it; add it to the service's sites or correct the name"},
      {"fences: [{sites: fra}]",
       "4:59: services[].fences[]: give exactly one of only-in and never-in"},
      {"fences: [{sites: fra, only-in: 'as:none'}]",
       "4:81: \"as:none\" is no place; write a prefix, country:DE or as:64496"},
      {"fences: [{sites: fra, only-in: 'as:64496'}]",
       "4:81: as:64496 without a list of networks; add geo.networks"},
      {"fences: [{sites: fra, only-in: 'country:DE'}]",
       "4:81: country:DE without a map; add geo.countries or geo.database"},
      {"pins: [{site: fra, prefixes: [10.0.0.0/8, 10.0.0.0/8]}]",
       "4:92: pinned prefix \"10.0.0.0/8\" is there twice; rename or remove one, the first is on "
       "line 4"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(errors_of(start + row.text + "}]\n"), std::vector<std::string>{row.error})
        << row.text;
  }
}

TEST_F(ConfigErrors, RoutedStartsNeedAListOfThem) {
  EXPECT_EQ(
      errors_of("node: {name: n}\ncollector: {listen: 127.0.0.1@0, start-prefixes: routed}\n"),
      std::vector<std::string>{"2:50: collector.start-prefixes: routed without a list of "
                               "networks; add geo.networks"});
}

TEST_F(ConfigErrors, ARoleNeedsItsSection) {
  const std::vector<std::string> expected{
      "1:28: role dns without its section; add \"dns:\" with its keys, or take the role away",
      "1:33: role prober without its section; add \"prober:\" with its keys, or take the role "
      "away"};
  EXPECT_EQ(errors_of("node: {name: n, roles: [   dns, prober]}\n"), expected);
}

TEST_F(ConfigErrors, AProberNeedsACollector) {
  EXPECT_EQ(
      errors_of("node: {name: n}\nprober: {site: fra}\n"),
      std::vector<std::string>{"2:1: role prober has nobody to report to; add \"collector:\" with "
                               "\"url: http://HOST:8053\""});
}

TEST_F(ConfigErrors, SixtyFiveSitesAreOneTooMany) {
  std::string sites = "sites:\n";
  for (int i = 0; i < 65; ++i) {
    sites += "  - {name: s" + std::to_string(i) + ", addresses: 192.0.2." + std::to_string(i + 1) +
             "}\n";
  }
  const std::string text = "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n" + sites;
  EXPECT_EQ(errors_of(text),
            std::vector<std::string>{
                "68:5: more than 64 sites; split them by service over several nodes"});
}

// Sites s0, s1, ... of one address each.
std::string many_sites(int count) {
  std::string sites = "sites:\n";
  for (int i = 0; i < count; ++i) {
    sites += "  - {name: s" + std::to_string(i) + ", addresses: 192.0.2." + std::to_string(i + 1) +
             "}\n";
  }
  return sites;
}
std::string names_of(int count) {
  std::string names = "s0";
  for (int i = 1; i < count; ++i) names += ", s" + std::to_string(i);
  return names;
}

TEST_F(ConfigErrors, SetsToSignAheadAreBounded) {
  const std::string zone =
      "node: {name: n}\ndns: {listen: 127.0.0.1@0}\n"
      "zones: [{name: example.com, file: example.com.zone, dnssec: {}}]\n";
  const auto service = [](int sites, int count) {
    return "services: [{name: www.example.com, sites: [" + names_of(sites) +
           "], count: " + std::to_string(count) + "}]\n";
  };
  EXPECT_EQ(errors_of(zone + many_sites(64) + service(64, 3)), std::vector<std::string>())
      << "43744 sets";
  const auto errors = errors_of(zone + many_sites(40) + service(40, 4));
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_NE(errors[0].find("45:"), std::string::npos) << errors[0];
  EXPECT_NE(
      errors[0].find("count 4 of 40 sites makes 102090 sets to sign ahead in zone example.com"),
      std::string::npos)
      << errors[0];
  std::string bound = service(64, 3);
  bound.insert(bound.rfind('}'), ", https: {alpn: h2}");
  const auto orders = errors_of(zone + many_sites(64) + bound);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_NE(orders[0].find("count 3 of 64 sites makes 297824 sets"), std::string::npos)
      << "64 + 64 * 63 + 64 * 63 * 62 orders besides: " << orders[0];
  const std::string unsigned_zone =
      "node: {name: n}\ndns: {listen: 127.0.0.1@0}\n"
      "zones: [{name: example.com, file: example.com.zone}]\n";
  EXPECT_EQ(errors_of(unsigned_zone + many_sites(40) + service(40, 8)), std::vector<std::string>());
}

TEST_F(ConfigErrors, SitesOfOneAnswerShareNoAddress) {
  const auto errors = errors_of(
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "sites: [{name: fra, addresses: 192.0.2.1}, {name: iad, addresses: 192.0.2.1}]\n"
      "services: [{name: www.example.com, sites: [fra, iad], count: 2}]\n");
  EXPECT_EQ(errors,
            std::vector<std::string>{
                "4:62: sites \"fra\" and \"iad\" share 192.0.2.1, so one answer cannot name "
                "both; take one out of sites or write count: 1"});
}

TEST_F(ConfigErrors, AnAliasLeadsToOneNameThatIsNotItsOwn) {
  const std::string head =
      "node: {name: n}\ncollector: {listen: 127.0.0.1@0}\n"
      "sites: [{name: fra, host-name: www.example.com}]\n";
  const auto errors = errors_of(head +
                                "services: [{name: www.example.com, sites: fra, answer: cname}, "
                                "{name: a.example.com, sites: fra, answer: cname, count: 2}, "
                                "{name: b.example.com, sites: fra, answer: cname, https: {}}]\n");
  ASSERT_EQ(errors.size(), 3U);
  EXPECT_NE(errors[0].find("would lead to itself"), std::string::npos) << errors[0];
  EXPECT_NE(errors[1].find("an alias leads to one name"), std::string::npos) << errors[1];
  EXPECT_NE(errors[2].find("an alias can have nothing else"), std::string::npos) << errors[2];
}

TEST_F(ConfigErrors, AllAreReportedAtOnceInTheOrderOfTheFile) {
  const auto errors = errors_of(
      "node: {name: ns1, colour: red}\n"
      "dns: {listen: nowhere, workers: 0}\n"
      "zones: [{name: example.com, file: none.zone}]\n"
      "sites: [{name: fra, addresses: 192.0.2.1}]\n"
      "services: [{name: www.example.org, sites: [sin]}]\n");
  ASSERT_EQ(errors.size(), 6U);
  EXPECT_TRUE(errors[0].starts_with("1:19: unknown key"));
  EXPECT_TRUE(errors[1].starts_with("2:15: dns.listen:"));
  EXPECT_TRUE(errors[2].starts_with("2:33: dns.workers:"));
  EXPECT_TRUE(errors[3].starts_with("3:35: no file"));
  EXPECT_TRUE(errors[4].starts_with("5:19: service"));
  EXPECT_TRUE(errors[5].starts_with("5:44: unknown site"));
}

TEST_F(ConfigErrors, WhatIsNotYamlSaysWhere) {
  const auto errors = errors_of("node:\n  name: ns1\n bad: [\n");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_TRUE(errors[0].find(": not YAML: ") != std::string::npos) << errors[0];
}

TEST_F(ConfigErrors, AnEmptyFileAsksForANode) {
  const auto errors = errors_of("# nothing\n");
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_TRUE(errors[0].starts_with("1:1: node is missing")) << errors[0];
  EXPECT_TRUE(errors[1].starts_with("1:1: no role")) << errors[1];
}

TEST_F(ConfigErrors, AnchorsAliasesTagsAndSecondDocumentsAreRefused) {
  const auto bomb = errors_of("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n");
  ASSERT_GE(bomb.size(), 5U);
  EXPECT_EQ(bomb[0],
            "1:4: anchor \"&a\"; write the value out, anchors and aliases are not used here");
  EXPECT_EQ(errors_of("node: !!binary abc\n"),
            std::vector<std::string>{
                "1:7: tag \"tag:yaml.org,2002:binary\"; remove it, tags are not used here"});
  EXPECT_EQ(
      errors_of(kGood + "---\nnode: {}\n"),
      std::vector<std::string>{"9:1: a second document; keep one per file, remove the \"---\""});
}

TEST_F(ConfigErrors, DepthIsLimited) {
  const auto errors = errors_of("node: " + std::string(100, '[') + std::string(100, ']') + "\n");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_TRUE(errors[0].find("nested more than 8 deep") != std::string::npos) << errors[0];
  EXPECT_FALSE(errors_of("node: " + std::string(100'000, '[')).empty());
}

TEST_F(ConfigErrors, SizeIsLimited) {
  EXPECT_EQ(errors_of(std::string(kMaxConfigBytes + 1, '#')),
            std::vector<std::string>{"1:1: 1048577 bytes; a configuration has at most 1048576"});
}

TEST_F(ConfigErrors, AHundredAreShownAndTheRestIsCounted) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto errors = errors_of(text);
  ASSERT_EQ(errors.size(), 101U);
  EXPECT_EQ(errors.back(), " and 52 more");
}

}  // namespace
}  // namespace isochrone::app
