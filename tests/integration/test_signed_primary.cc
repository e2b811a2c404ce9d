// SPDX-License-Identifier: Apache-2.0
//
// A zone that its primary, knot, signs: we serve its signatures as they came.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>

#include "tests/integration/world.h"
#include "tests/support/child.h"
#include "tests/support/program.h"

namespace isochrone::test {
namespace {

constexpr auto kRecords =
    "  IN NS ns1\n"
    "  IN MX 10 mail\n"
    "ns1 IN A 192.0.2.53\n"
    "_sip._tcp IN SRV 1 2 5060 Mail\n"
    "a.b.deep IN A 192.0.2.7\n"
    "*.wild IN A 192.0.2.8\n"
    "exists.wild IN TXT \"here\"\n"
    "alias IN CNAME mail\n"
    "dead IN CNAME nothing\n"
    "*.follow IN CNAME mail\n"
    "child IN NS ns1.child\n"
    "child IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
    "ns1.child IN A 192.0.2.61\n"
    "plain IN NS ns.plain\n"
    "ns.plain IN A 192.0.2.63\n"
    "far.off IN NS ns.elsewhere.test.\n"
    "old IN DNAME deep\n";

// Of every kind of answer one.
constexpr const char* kQuestions[] = {
    "example.com SOA",         "example.com DNSKEY",
    "example.com NS",          "example.com MX",
    "example.com DS",          "mail.example.com A",
    "mail.example.com AAAA",   "nx.example.com A",
    "_tcp.example.com A",      "b.deep.example.com A",
    "a.b.c.d.example.com A",   "x.wild.example.com A",
    "x.y.wild.example.com A",  "x.wild.example.com TXT",
    "wild.example.com A",      "exists.wild.example.com A",
    "alias.example.com A",     "dead.example.com A",
    "x.follow.example.com A",  "x.follow.example.com MX",
    "child.example.com DS",    "x.child.example.com A",
    "plain.example.com DS",    "x.plain.example.com A",
    "x.far.off.example.com A", "off.example.com A",
    "x.off.example.com A",     "x.mail.example.com A",
    "a.b.old.example.com A",   "old.example.com DNAME",
    "example.com NSEC3PARAM",
};

struct Kind {
  const char* name;
  const char* policy;  // of knot
  bool has_opt_out;
  friend std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.name; }
};

class SignedPrimary : public testing::TestWithParam<Kind> {
 protected:
  SignedPrimary() { write_zone(1); }

  void write_zone(int serial) const {
    world_.write("moving.zone", fmt::format("$ORIGIN example.com.\n$TTL 300\n"
                                            "@ IN SOA ns1 hostmaster {0} 1 1 60 60\n{1}"
                                            "mail IN A 192.0.2.{0}\n",
                                            serial, kRecords));
  }
  std::string knot_config(std::uint16_t notify) const {
    return world_.write(
        "knot.conf",
        fmt::format("server:\n  listen: 127.0.0.1@{0}\n  rundir: {2}\n"
                    "log:\n  - target: stderr\n    any: info\n"
                    "database:\n  storage: {2}\n"
                    "remote:\n  - id: ours\n    address: 127.0.0.1@{1}\n"
                    "acl:\n  - id: ours\n    address: 127.0.0.1\n    action: transfer\n"
                    "policy:\n  - id: signed\n    algorithm: ecdsap256sha256\n"
                    "    single-type-signing: on\n{3}"
                    "zone:\n  - domain: example.com\n    storage: {2}\n    file: moving.zone\n"
                    "    zonefile-load: difference-no-serial\n    zonefile-sync: -1\n"
                    "    journal-content: all\n    dnssec-signing: on\n    dnssec-policy: signed\n"
                    "    notify: ours\n    acl: ours\n",
                    knot_port_, notify, world_.path("."), GetParam().policy));
  }
  std::string our_config() const {
    return world_.write("node.yaml",
                        fmt::format("node: {{name: ns1, state-dir: state-ns1}}\n"
                                    "dns: {{listen: 127.0.0.1@0}}\n"
                                    "zones:\n  - {{name: example.com, transfer: {{primaries: "
                                    "[{{address: 127.0.0.1@{}}}], allow: [{{prefix: "
                                    "127.0.0.0/8}}]}}}}\n",
                                    knot_port_));
  }
  static bool has_version(const Endpoint& server, int serial) {
    const auto reply = ask(server, {"mail.example.com", 1, std::nullopt});
    return reply &&
           reply->addresses == std::vector{*Address::parse(fmt::format("192.0.2.{}", serial))};
  }

  // The rcode, and the records of answer and authority in an order of their own.
  static std::string answer_of(std::uint16_t port, const std::string& question) {
    const std::string said =
        output_of(fmt::format("dig @127.0.0.1 -p {} +noall +comments +answer +authority +dnssec "
                              "+norecurse +bufsize=4096 {}",
                              port, question));
    std::vector<std::string> lines;
    std::istringstream in(said);
    for (std::string line; std::getline(in, line);) {
      const auto status = line.find("status: ");
      if (status != std::string::npos) {
        lines.push_back(line.substr(status, line.find(',', status) - status));
      } else if (!line.empty() && line[0] != ';') {
        lines.push_back(line);
      }
    }
    std::sort(lines.begin(), lines.end());
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
  }
  // Whether ours are the answers of the primary, octets of signatures included.
  void expect_equal_answers(std::uint16_t ours) const {
    for (const char* question : kQuestions) {
      EXPECT_EQ(answer_of(ours, question), answer_of(knot_port_, question)) << question;
    }
  }
  // What ldns has against the zone that we pass on; empty when it is complete and every signature holds.
  std::string fault_of_zone(std::uint16_t port) const {
    const std::string zone = output_of(
        fmt::format("dig @127.0.0.1 -p {} +noall +answer +onesoa axfr example.com", port));
    int status = -1;
    const std::string judged =
        output_of("ldns-verify-zone " + world_.write("transferred.zone", zone), &status);
    return status == 0 ? "" : judged + zone;
  }

  World world_;
  const std::uint16_t knot_port_ = free_port();
};
INSTANTIATE_TEST_SUITE_P(
    Knot, SignedPrimary,
    testing::Values(
        Kind{"Nsec", "", false},
        Kind{"Nsec3", "    nsec3: on\n    nsec3-iterations: 0\n    nsec3-salt-length: 0\n", false},
        Kind{"Nsec3WithSaltAndOptOut",
             "    nsec3: on\n    nsec3-iterations: 5\n    nsec3-salt-length: 8\n"
             "    nsec3-opt-out: on\n",
             true}),
    [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(SignedPrimary, IsAnsweredForAsItAnswersItself) {
  const std::string config = our_config();
  {
    Daemon daemon(config);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    const Endpoint endpoint = daemon.endpoint("dns");
    Child knot({"knotd", "-c", knot_config(endpoint.port)}, world_.path("knot.log"));
    ASSERT_TRUE(eventually([&] { return has_version(endpoint, 1); })) << daemon.log();
    expect_equal_answers(endpoint.port);
    EXPECT_EQ(fault_of_zone(endpoint.port), "");
    write_zone(2);
    knot.signal(SIGHUP);
    ASSERT_TRUE(eventually([&] { return has_version(endpoint, 2); })) << daemon.log();
    ASSERT_TRUE(eventually([&] {  // what knot signs after what it changed is a version by itself
      return answer_of(endpoint.port, kQuestions[0]) == answer_of(knot_port_, kQuestions[0]);
    })) << daemon.log();
    EXPECT_NE(daemon.log().find("incremental=true"), std::string::npos) << daemon.log();
    expect_equal_answers(endpoint.port);
    EXPECT_EQ(fault_of_zone(endpoint.port), "");
  }
  Daemon again(config);
  ASSERT_TRUE(again.is_ready()) << again.log();
  const std::uint16_t port = again.endpoint("dns").port;
  EXPECT_EQ(fault_of_zone(port), "") << "from disk, the primary is gone";
  // What was transferred is a master file that came signed.
  Daemon from_file(
      world_.write("file.yaml",
                   "node: {name: ns2, state-dir: state-ns2}\ndns: {listen: 127.0.0.1@0}\n"
                   "zones: [{name: example.com, file: transferred.zone}]\n"));
  ASSERT_TRUE(from_file.is_ready()) << from_file.log();
  for (const char* question : kQuestions) {
    EXPECT_EQ(answer_of(from_file.endpoint("dns").port, question), answer_of(port, question));
  }
}

// A validating resolver that asks us alone and knows nothing but the key.
TEST_P(SignedPrimary, IsSecureToUnboundThroughUs) {
  Daemon daemon(our_config());
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const Endpoint endpoint = daemon.endpoint("dns");
  const Child knot({"knotd", "-c", knot_config(endpoint.port)}, world_.path("knot.log"));
  ASSERT_TRUE(eventually([&] { return has_version(endpoint, 1); })) << daemon.log();
  std::string key = output_of(
      fmt::format("dig @127.0.0.1 -p {} +noall +answer example.com DNSKEY", endpoint.port));
  key.erase(key.find('\n'));
  const std::uint16_t port = free_port();
  const std::string file = world_.write(
      "unbound.conf",
      fmt::format("server:\n  directory: \"{0}\"\n  chroot: \"\"\n  username: \"\"\n"
                  "  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  val-log-level: 2\n"
                  "  interface: 127.0.0.1\n  port: {1}\n  do-ip6: no\n  num-threads: 1\n"
                  "  do-not-query-localhost: no\n  module-config: \"validator iterator\"\n"
                  "  trust-anchor: \"{2}\"\n"
                  "remote-control:\n  control-enable: no\n"
                  "stub-zone:\n  name: \"example.com\"\n  stub-addr: 127.0.0.1@{3}\n",
                  world_.path(""), port, key, endpoint.port));
  const std::string log = world_.path("unbound.log");
  const Child unbound({"unbound", "-d", "-c", file}, log);
  const auto resolve = [&](const std::string& question) {
    return output_of(
        fmt::format("dig @127.0.0.1 -p {} +dnssec +tries=1 +time=5 {}", port, question));
  };
  ASSERT_TRUE(eventually([&] {
    return resolve("example.com SOA").find("status: NOERROR") != std::string::npos;
  })) << output_of("cat " + log);
  for (const std::string question : kQuestions) {
    // Of the zone above, or below cuts, whose servers are not there.
    const bool is_elsewhere = question == "example.com DS" || question.find("x.child") == 0 ||
                              question.find("x.plain") == 0 || question.find("x.far") == 0;
    if (is_elsewhere) continue;
    const std::string answer = resolve(question);
    EXPECT_EQ(answer.find("SERVFAIL"), std::string::npos) << answer << output_of("tail -3 " + log);
    // An opted-out interval proves that nothing signed is there, which is not secure (RFC 5155 9.2).
    if (GetParam().has_opt_out) continue;
    const auto flags = answer.find(";; flags:");
    ASSERT_NE(flags, std::string::npos) << answer;
    EXPECT_NE(answer.substr(flags, answer.find(';', flags + 2) - flags).find(" ad"),
              std::string::npos)
        << answer << output_of("tail -3 " + log);
  }
}

}  // namespace
}  // namespace isochrone::test
