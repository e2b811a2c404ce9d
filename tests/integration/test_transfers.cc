// SPDX-License-Identifier: Apache-2.0
//
// Zone transfers with the servers of others: nsd takes a zone from us, we take one from knot.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/integration/world.h"
#include "tests/support/child.h"
#include "tests/support/program.h"

namespace isochrone::test {
namespace {

constexpr std::string_view kSecret = "q1VbmLM9hnJwHHPFtLpUvFJMFVf0gZKbZyZX2nqBHCw=";

class Transfers : public testing::Test {
 protected:
  Transfers() {
    world_.write("key", std::string(kSecret) + "\n");
    ::chmod(world_.path("key").c_str(), 0600);
  }

  // Version `serial`, in which mail.example.com is 192.0.2.<serial>.
  void write_zone(int serial) const {
    world_.write("moving.zone", fmt::format("$ORIGIN example.com.\n$TTL 300\n"
                                            "@ IN SOA ns1 hostmaster {0} 1 1 60 60\n  IN NS ns1\n"
                                            "ns1 IN A 192.0.2.53\nmail IN A 192.0.2.{0}\n"
                                            "  IN MX 10 mail\n  IN TXT \"a\" \"b;c\"\n"
                                            "*.wild IN A 192.0.2.9\n",
                                            serial));
  }
  static std::string ours(const std::string& zone, std::uint16_t port = 0) {
    return "node: {name: ns1, state-dir: state-ns1, http: 127.0.0.1@0}\n"
           "dns: {listen: 127.0.0.1@" +
           std::to_string(port) +
           "}\n"
           "keys: [{name: transfer.key, secret-file: key}]\n"
           "zones:\n  - {name: example.com, " +
           zone + "}\n" + World::topology();
  }
  static bool has_version(const Endpoint& server, int serial) {
    const auto reply = ask(server, {"mail.example.com", 1, std::nullopt});
    return reply &&
           reply->addresses == std::vector{*Address::parse(fmt::format("192.0.2.{}", serial))};
  }

  // The stored zone as it is at this moment, judged by its octets: it holds mail's address of `serial`.
  bool is_stored(int serial) const {
    const std::string address{'\0', '\4', '\300', '\0', '\2', static_cast<char>(serial)};
    return said("state-ns1/zones/example.com.stored").find(address) != std::string::npos;
  }

  // What another program wrote, for failures.
  std::string said(const std::string& log) const {
    std::ifstream in(world_.path(log));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static std::string dig(std::uint16_t port, const std::string& question) {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +noall +answer {}", port, question));
  }
  // The whole zone as a server gives it, judged by ldns. Empty when it is complete and every signature
  // holds, else what is wrong.
  std::string fault_of_zone(std::uint16_t port, const std::string& key = {}) const {
    const std::string zone = dig(port, "+onesoa axfr example.com" + key);
    const std::string file = world_.write("transferred.zone", zone);
    int status = -1;
    const std::string judged = output_of("ldns-verify-zone " + file + " 2>&1", &status);
    return status == 0 ? "" : judged + zone;
  }
  static int serial_at(std::uint16_t port) {
    const std::string soa =
        output_of(fmt::format("dig @127.0.0.1 -p {} +short +norecurse example.com SOA", port));
    std::istringstream words(soa);
    std::string server, contact;
    int serial = -1;
    words >> server >> contact >> serial;
    return serial;
  }
  static std::string with_key() { return fmt::format(" -y hmac-sha256:transfer.key:{}", kSecret); }

  std::string knot_config(std::uint16_t port, std::uint16_t notify) const {
    return world_.write(
        "knot.conf", fmt::format("server:\n  listen: 127.0.0.1@{0}\n  rundir: {2}\n"
                                 "log:\n  - target: stderr\n    any: info\n"
                                 "database:\n  storage: {2}\n"
                                 "key:\n  - id: transfer.key\n    algorithm: hmac-sha256\n"
                                 "    secret: {3}\n"
                                 "remote:\n  - id: ours\n    address: 127.0.0.1@{1}\n"
                                 "    key: transfer.key\n"
                                 "acl:\n  - id: ours\n    key: transfer.key\n    action: transfer\n"
                                 "zone:\n  - domain: example.com\n    storage: {2}\n"
                                 "    file: moving.zone\n    zonefile-load: difference\n"
                                 "    zonefile-sync: -1\n    journal-content: changes\n"
                                 "    notify: ours\n    acl: ours\n",
                                 port, notify, world_.path("."), kSecret));
  }
  std::string nsd_config(std::uint16_t port, std::uint16_t primary) const {
    return world_.write("nsd.conf",
                        fmt::format("server:\n  ip-address: 127.0.0.1@{0}\n  server-count: 1\n"
                                    "  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{2}\"\n"
                                    "  pidfile: \"{2}/nsd.pid\"\n  xfrdfile: \"{2}/xfrd.state\"\n"
                                    "  xfrdir: \"{2}\"\n  zonelistfile: \"{2}/zone.list\"\n"
                                    "  database: \"\"\n  verbosity: 2\n  rrl-ratelimit: 0\n"
                                    "remote-control:\n  control-enable: no\n"
                                    "key:\n  name: transfer.key\n  algorithm: hmac-sha256\n"
                                    "  secret: \"{3}\"\n"
                                    "zone:\n  name: example.com\n  zonefile: nsd.zone\n"
                                    "  request-xfr: 127.0.0.1@{1} transfer.key\n"
                                    "  allow-notify: 127.0.0.1 transfer.key\n"
                                    "  provide-xfr: 127.0.0.1 NOKEY\n",
                                    port, primary, world_.path("."), kSecret));
  }

  World world_;
};

TEST_F(Transfers, NsdTakesAZoneFromUsAndItsChanges) {
  write_zone(1);
  const std::uint16_t nsd_port = free_port();
  const auto config = [&](const std::string& key) {
    return ours(
        fmt::format("file: moving.zone, transfer: {{allow: [{{prefix: 127.0.0.0/8, "
                    "key: {0}}}], notify: [{{address: 127.0.0.1@{1}, key: {0}}}]}}",
                    key, nsd_port));
  };
  Daemon daemon(world_.write("node.yaml", config("transfer.key")));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint nsd{*Address::parse("127.0.0.1"), nsd_port};
  const Child child({"nsd", "-d", "-c", nsd_config(nsd_port, daemon.endpoint("dns").port)},
                    world_.path("nsd.log"));
  EXPECT_TRUE(eventually([&] { return has_version(nsd, 1); })) << said("nsd.log") << daemon.log();
  const auto routed = ask(nsd, {std::string(kService), 1, std::nullopt});
  ASSERT_TRUE(routed);
  EXPECT_EQ(routed->addresses, std::vector{*Address::parse("192.0.2.1")})
      << "the order of last resort";
  write_zone(2);
  daemon.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return has_version(nsd, 2); })) << said("nsd.log") << daemon.log();
}

TEST_F(Transfers, NsdServesTheZoneThatWeSign) {
  write_zone(1);
  const std::uint16_t port = free_port();
  const std::uint16_t nsd_port = free_port();
  const std::string config = world_.write(
      "node.yaml",
      ours(
          fmt::format("file: moving.zone, dnssec: {{denial: nsec3}}, transfer: {{allow: [{{prefix: "
                      "127.0.0.0/8, key: transfer.key}}], notify: [{{address: 127.0.0.1@{}, key: "
                      "transfer.key}}]}}",
                      nsd_port),
          port) +
          "  - {name: bound.example.com, sites: [iad, sin, fra], count: 3, https: {alpn: h2}}\n");
  ASSERT_EQ(isochrone({"key", "generate", "example.com", "--config", config}).status, 0);
  const Endpoint nsd{*Address::parse("127.0.0.1"), nsd_port};
  const Child child({"nsd", "-d", "-c", nsd_config(nsd_port, port)}, world_.path("nsd.log"));
  {
    Daemon daemon(config);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    EXPECT_TRUE(eventually([&] { return has_version(nsd, 1); })) << said("nsd.log") << daemon.log();
    EXPECT_EQ(fault_of_zone(nsd_port), "");
    EXPECT_EQ(serial_at(nsd_port), 1);
    const std::string bound =
        output_of(fmt::format("dig @127.0.0.1 -p {} +short bound.example.com HTTPS", nsd_port));
    for (const char* one :
         {"1 . alpn=\"h2\" ipv4hint=192.0.2.2", "2 . alpn=\"h2\" ipv4hint=192.0.2.3",
          "3 . alpn=\"h2\" ipv4hint=192.0.2.1"}) {
      EXPECT_NE(bound.find(one), std::string::npos) << bound;
    }
    const auto routed = ask(nsd, {std::string(kService), 1, std::nullopt});
    EXPECT_EQ(routed->addresses, std::vector{*Address::parse("192.0.2.1")}) << "the last resort";
    write_zone(2);
    daemon.signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return has_version(nsd, 2); })) << said("nsd.log") << daemon.log();
    EXPECT_EQ(fault_of_zone(nsd_port), "");
    daemon.kill();
  }
  // Every signature is made anew at a start, so nsd has to hear of a newer version.
  Daemon again(config);
  ASSERT_TRUE(again.is_ready()) << again.log();
  EXPECT_GT(serial_at(port), 2);
  EXPECT_TRUE(eventually([&] { return serial_at(nsd_port) == serial_at(port); }))
      << said("nsd.log");
  EXPECT_EQ(fault_of_zone(nsd_port), "");
  const auto status = get_json(fmt::format("http://127.0.0.1:{}", again.endpoint("http").port),
                               "/v1/status")["dns"]["zones"][0];
  EXPECT_EQ(status["serial"], 2) << "the file's";
  EXPECT_EQ(status["served_serial"], serial_at(port));
}

TEST_F(Transfers, WhatChangedIsKnownAfterKill9) {
  write_zone(1);
  const std::string config = world_.write(
      "node.yaml", ours("file: moving.zone, transfer: {allow: [{prefix: 127.0.0.0/8, key: "
                        "transfer.key}]}"));
  {
    Daemon daemon(config);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    write_zone(2);
    daemon.signal(SIGHUP);
    ASSERT_TRUE(daemon.hears("reloaded")) << daemon.log();
    daemon.kill();
  }
  write_zone(3);
  Daemon again(config);
  ASSERT_TRUE(again.is_ready()) << again.log();
  const std::string changes = dig(again.endpoint("dns").port, "ixfr=1 example.com" + with_key());
  EXPECT_NE(changes.find("192.0.2.1\n"), std::string::npos) << changes;
  EXPECT_NE(changes.find("192.0.2.2\n"), std::string::npos) << changes;
  EXPECT_NE(changes.find("192.0.2.3\n"), std::string::npos) << changes;
  EXPECT_EQ(changes.find("TXT"), std::string::npos)
      << "what did not change is not sent: " << changes;
}

TEST_F(Transfers, WeSignAZoneFromKnot) {
  write_zone(1);
  const std::uint16_t knot_port = free_port();
  const std::string config = world_.write(
      "node.yaml",
      ours(fmt::format("dnssec: {{}}, transfer: {{primaries: [{{address: 127.0.0.1@{}, key: "
                       "transfer.key}}], allow: [{{prefix: 127.0.0.0/8}}]}}",
                       knot_port)));
  ASSERT_EQ(isochrone({"key", "generate", "example.com", "--config", config}).status, 0);
  Daemon daemon(config);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint endpoint = daemon.endpoint("dns");
  Child knot({"knotd", "-c", knot_config(knot_port, endpoint.port)}, world_.path("knot.log"));
  ASSERT_TRUE(eventually([&] { return has_version(endpoint, 1); })) << daemon.log();
  EXPECT_EQ(fault_of_zone(endpoint.port), "");
  write_zone(2);
  knot.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return has_version(endpoint, 2); })) << daemon.log();
  EXPECT_EQ(fault_of_zone(endpoint.port), "");
  EXPECT_GE(serial_at(endpoint.port), 2);
}

TEST_F(Transfers, WeTakeAZoneFromKnotAndKeepItWithoutIt) {
  write_zone(1);
  const std::uint16_t knot_port = free_port();
  const std::string file =
      world_.write("node.yaml", ours(fmt::format("transfer: {{primaries: [{{address: 127.0.0.1@{}, "
                                                 "key: transfer.key}}]}}",
                                                 knot_port)));
  {
    Daemon daemon(file);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    const Endpoint endpoint = daemon.endpoint("dns");
    const auto before = ask(endpoint, {"mail.example.com", 1, std::nullopt});
    ASSERT_TRUE(before);
    EXPECT_EQ(before->rcode, 2) << "SERVFAIL: the zone is ours, but nobody gave it to us yet";
    Child knot({"knotd", "-c", knot_config(knot_port, endpoint.port)}, world_.path("knot.log"));
    EXPECT_TRUE(eventually([&] { return has_version(endpoint, 1); })) << daemon.log();
    write_zone(2);
    knot.signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return has_version(endpoint, 2); })) << daemon.log();
    EXPECT_TRUE(daemon.hears("serial=2 from=")) << daemon.log() << said("knot.log");
    EXPECT_NE(daemon.log().find("incremental=true"), std::string::npos) << daemon.log();
  }
  Daemon again(file);
  ASSERT_TRUE(again.is_ready()) << again.log();
  EXPECT_TRUE(has_version(again.endpoint("dns"), 2)) << "from disk, the primary is gone";
}

TEST_F(Transfers, AVersionIsStoredBeforeItIsServed) {
  write_zone(10);
  const std::uint16_t knot_port = free_port();
  const std::string config = fmt::format(
      "transfer: {{primaries: [{{address: 127.0.0.1@{}, key: transfer.key}}]}}", knot_port);
  Daemon daemon(world_.write("node.yaml", ours(config)));
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint endpoint = daemon.endpoint("dns");
  Child knot({"knotd", "-c", knot_config(knot_port, endpoint.port)}, world_.path("knot.log"));
  // Asked without a pause, so that the moment between the two would be met.
  const auto is_served = [&](int serial) {
    return eventually([&] {
      for (int i = 0; i < 200; ++i) {
        if (has_version(endpoint, serial)) return true;
      }
      return false;
    });
  };
  for (int serial = 10; serial < 15; ++serial) {
    if (serial > 10) {
      write_zone(serial);
      knot.signal(SIGHUP);
    }
    ASSERT_TRUE(is_served(serial)) << daemon.log() << said("knot.log");
    EXPECT_TRUE(is_stored(serial)) << serial;
  }
}

}  // namespace
}  // namespace isochrone::test
