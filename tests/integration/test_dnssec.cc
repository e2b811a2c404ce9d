// SPDX-License-Identifier: Apache-2.0
//
// Signed answers of the real program, judged by unbound, delv and ldns-verify-zone.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <set>
#include <sstream>

#include "tests/integration/world.h"
#include "tests/support/program.h"

namespace isochrone::test {
namespace {

constexpr auto kZone =
    "     IN MX 10 mail\n"
    "mail IN A 192.0.2.25\n"
    "     IN TXT \"one\" \"two\"\n"
    "_sip._tcp IN SRV 1 2 5060 Mail\n"
    "a.b.deep IN A 192.0.2.7\n"
    "*.wild IN A 192.0.2.8\n"
    "exists.wild IN TXT \"here\"\n"
    "alias IN CNAME www\n"
    "dead IN CNAME nothing\n"
    "*.follow IN CNAME www\n"
    "child IN NS ns1.child\n"
    "child IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000\n"
    "ns1.child IN A 192.0.2.61\n"
    "plain IN NS ns.plain\n"
    "ns.plain IN A 192.0.2.63\n";

struct Question {
  const char* name;
  const char* type;
};
// Of every kind of answer one.
constexpr Question kQuestions[] = {
    {"", "SOA"},        {"", "DNSKEY"},     {"", "NS"},          {"", "CDS"},
    {"", "CDNSKEY"},    {"www.", "A"},      {"www.", "AAAA"},    {"www.", "MX"},
    {"mail.", "TXT"},   {"mail.", "A"},     {"_tcp.", "A"},      {"_sip._tcp.", "SRV"},
    {"b.deep.", "A"},   {"nx.", "A"},       {"a.b.c.d.", "A"},   {"x.wild.", "A"},
    {"x.y.wild.", "A"}, {"x.wild.", "TXT"}, {"wild.", "A"},      {"exists.wild.", "A"},
    {"alias.", "A"},    {"dead.", "A"},     {"x.follow.", "A"},  {"child.", "DS"},
    {"plain.", "DS"},   {"x.mail.", "A"},   {"x.follow.", "MX"},
};

struct Kind {
  const char* denial;
  const char* algorithm;
};
class Signed : public testing::TestWithParam<Kind> {
 protected:
  Signed() {
    world_.write_zone(kZone);
    config_ = world_.write(
        "signed.yaml",
        fmt::format("node: {{name: ns1, state-dir: state}}\n"
                    "dns: {{listen: 127.0.0.1@0}}\n"
                    "zones: [{{name: example.com, file: example.com.zone, dnssec: {{denial: {}, "
                    "algorithm: {}}}}}]\n",
                    GetParam().denial, GetParam().algorithm) +
            World::topology());
    made_ = isochrone({"key", "generate", "example.com", "--config", config_});
    EXPECT_EQ(made_.status, 0) << made_.err;
    ds_ = isochrone({"key", "ds", "example.com", "--config", config_}).out;
  }

  std::string dig(const Daemon& daemon, const std::string& question) const {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +noall +nocomments +dnssec +norecurse {}",
                                 daemon.endpoint("dns").port, question));
  }

  World world_;
  std::string config_;
  Finished made_;
  std::string ds_;  // as a record
};
INSTANTIATE_TEST_SUITE_P(Denial, Signed,
                         testing::Values(Kind{"nsec", "ecdsap256sha256"}, Kind{"nsec3", "ed25519"},
                                         Kind{"compact", "ecdsap256sha256"}),
                         [](const auto& kind) { return std::string(kind.param.denial); });

// Every answer is secure to a validating resolver that knows nothing but the DS.
TEST_P(Signed, IsSecureToUnbound) {
  Daemon daemon(config_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
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
                  world_.path(""), port, ds_.substr(0, ds_.find('\n')),
                  daemon.endpoint("dns").port));
  const std::string log = world_.path("unbound.log");
  const Program unbound({"unbound", "-d", "-c", file}, log);
  const auto resolve = [&](const Question& question) {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +dnssec +tries=1 +time=5 {}example.com {}",
                                 port, question.name, question.type));
  };
  ASSERT_TRUE(eventually([&] {
    return resolve({"", "SOA"}).find("status: NOERROR") != std::string::npos;
  })) << output_of("cat " + log);
  for (const Question& question : kQuestions) {
    const std::string answer = resolve(question);
    const auto flags = answer.find(";; flags:");
    ASSERT_NE(flags, std::string::npos) << answer;
    EXPECT_NE(answer.substr(flags, answer.find(';', flags + 2) - flags).find(" ad"),
              std::string::npos)
        << answer << output_of("tail -n 3 " + log);
  }
}

TEST_P(Signed, IsFullyValidatedByDelv) {
  Daemon daemon(config_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  std::istringstream words(ds_);
  std::string owner, in, ds, tag, algorithm, digest_type, digest;
  words >> owner >> in >> ds >> tag >> algorithm >> digest_type >> digest;
  const std::string anchor =
      world_.write("anchor.conf",
                   fmt::format("trust-anchors {{ \"example.com.\" static-ds {} {} {} \"{}\"; }};\n",
                               tag, algorithm, digest_type, digest));
  for (const Question& question : kQuestions) {
    const std::string said =
        output_of(fmt::format("delv @127.0.0.1 -p {} -a {} +root=example.com {}example.com {}",
                              daemon.endpoint("dns").port, anchor, question.name, question.type));
    EXPECT_NE(said.find("fully validated"), std::string::npos) << question.name << "\n" << said;
  }
}

// One zone whose signatures last seconds, and the commands that keep its keys.
class Keys : public testing::Test {
 protected:
  Keys() {
    world_.write_zone();
    config_ = world_.write("keys.yaml",
                           "node: {name: ns1, state-dir: state}\n"
                           "dns: {listen: 127.0.0.1@0}\n"
                           "zones: [{name: example.com, file: example.com.zone, dnssec: "
                           "{signature-lifetime: 20s, refresh: 18s, dnskey-ttl: 1s}}]\n" +
                               World::topology());
  }

  Finished key(std::vector<std::string> words) const {
    words.insert(words.begin(), "key");
    words.insert(words.end(), {"--config", config_});
    return isochrone(words);
  }
  nlohmann::json keys() const {
    return nlohmann::json::parse(key({"show", "--json"}).out, nullptr, false);
  }
  std::string dig(const Daemon& daemon, const std::string& question) const {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +noall +answer +dnssec {}",
                                 daemon.endpoint("dns").port, question));
  }

  World world_;
  std::string config_;
};

TEST_F(Keys, AreMadeShownAndRolledStepByStep) {
  EXPECT_EQ(key({"ds", "example.com"}).status, 1);
  const Finished made = key({"generate", "example.com"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_NE(made.out.find("example.com. IN DS "), std::string::npos);
  EXPECT_NE(key({"generate", "example.com"}).err.find("isochrone key roll example.com"),
            std::string::npos);
  ASSERT_EQ(keys().size(), 1U);
  EXPECT_EQ(keys()[0]["state"], "active");
  EXPECT_EQ(key({"ds", "example.com"}).out, keys()[0]["ds"].get<std::string>() + "\n");
  ASSERT_EQ(key({"roll", "example.com"}).status, 0);
  std::set<std::string> states;
  std::string fresh;
  for (const auto& one : keys()) {
    states.insert(one["state"]);
    if (one["state"] == "published") fresh = std::to_string(one["tag"].get<int>());
  }
  EXPECT_EQ(states, (std::set<std::string>{"active", "published"}));
  EXPECT_NE(key({"roll", "example.com"}).err.find("is being rolled"), std::string::npos);
  EXPECT_NE(key({"retire", "example.com", fresh}).err.find("only a retired key can go"),
            std::string::npos);
  EXPECT_NE(key({"generate", "example.net"}).err.find("no zone example.net"), std::string::npos);
}

TEST_F(Keys, AMissingKeyIsNamedAndARunningNodeGoesOn) {
  const Finished refused = isochrone({"run", "--config", config_});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("run `isochrone key generate example.com`"), std::string::npos);
  EXPECT_EQ(isochrone({"check", "--config", config_}).status, 1);
  ASSERT_EQ(key({"generate", "example.com"}).status, 0);
  EXPECT_EQ(isochrone({"check", "--config", config_}).status, 0);
  Daemon daemon(config_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  output_of("rm -r " + world_.path("state/keys"));
  daemon.signal(SIGHUP);
  EXPECT_TRUE(daemon.hears("reload refused, nothing changed"));
  EXPECT_NE(dig(daemon, "example.com SOA").find("RRSIG"), std::string::npos);
}

TEST_F(Keys, ARunningNodeSignsAgainAndFollowsARollover) {
  ASSERT_EQ(key({"generate", "example.com"}).status, 0);
  Daemon daemon(config_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const std::string first = dig(daemon, "example.com SOA");
  ASSERT_NE(first.find("RRSIG"), std::string::npos) << first;
  EXPECT_TRUE(eventually([&] { return dig(daemon, "example.com SOA") != first; }))
      << "signed again before it expires";
  ASSERT_EQ(key({"roll", "example.com", "--after", "3s"}).status, 0);
  std::string fresh;
  for (const auto& one : keys()) {
    if (one["state"] == "published") fresh = std::to_string(one["tag"].get<int>());
  }
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.hears("reloaded")) << daemon.log();
  const auto count_keys = [&] {
    const std::string answer = dig(daemon, "example.com DNSKEY");
    std::size_t count = 0;
    for (auto at = answer.find("DNSKEY\t257"); at != std::string::npos;
         at = answer.find("DNSKEY\t257", at + 1)) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(count_keys(), 2U) << dig(daemon, "example.com DNSKEY");
  EXPECT_TRUE(eventually([&] {
    return dig(daemon, "example.com SOA").find(" " + fresh + " example.com.") != std::string::npos;
  })) << "the new key signs from its time on, without another reload";
}

// Compact denial has no chain to ask for.
class WholeZone : public Signed {};
INSTANTIATE_TEST_SUITE_P(Denial, WholeZone,
                         testing::Values(Kind{"nsec", "ed25519"}, Kind{"nsec3", "ecdsap256sha256"}),
                         [](const auto& kind) { return std::string(kind.param.denial); });

// The zone as it can be asked for, record by record, is a whole and correctly signed zone.
TEST_P(WholeZone, IsCompleteToLdnsVerifyZone) {
  Daemon daemon(config_);
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  std::set<std::string> records;
  const auto gather = [&](const std::string& lines, bool only_denials) {
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
      const bool is_denial = line.find("NSEC") != std::string::npos;
      if (!line.empty() && (!only_denials || is_denial)) records.insert(line);
    }
  };
  const std::pair<const char*, const char*> names[] = {
      {"", "SOA NS MX DNSKEY CDS CDNSKEY NSEC3PARAM"},
      {"ns1.", "A"},
      {"mail.", "A TXT"},
      {"_tcp.", ""},
      {"_sip._tcp.", "SRV"},
      {"deep.", ""},
      {"b.deep.", ""},
      {"a.b.deep.", "A"},
      {"wild.", ""},
      {"*.wild.", "A"},
      {"exists.wild.", "TXT"},
      {"alias.", "CNAME"},
      {"dead.", "CNAME"},
      {"follow.", ""},
      {"*.follow.", "CNAME"},
      {"child.", "DS"},
      {"plain.", ""},
      {"www.", "A"}};
  for (const auto& [name, types] : names) {
    std::istringstream stream(types);
    for (std::string type; stream >> type;) {
      gather(dig(daemon, fmt::format("+answer '{}example.com' {}", name, type)), false);
    }
    // Neither is anywhere: one gets the denial at the name.
    for (const char* type : {"NSEC", "TYPE65280"}) {
      for (const char* section : {"answer", "authority"}) {
        gather(dig(daemon, fmt::format("+{} '{}example.com' {}", section, name, type)), true);
      }
    }
  }
  // The denials at cuts come with the names around them.
  std::string missing = "childx.example.com A\nplainx.example.com A\n";
  for (int i = 0; i < 200; ++i) missing += fmt::format("n{}.example.com A\n", i);
  gather(dig(daemon, "+authority -f " + world_.write("missing", missing)), true);
  records.insert("child.example.com. 300 IN NS ns1.child.example.com.");
  records.insert("ns1.child.example.com. 300 IN A 192.0.2.61");
  records.insert("plain.example.com. 300 IN NS ns.plain.example.com.");
  records.insert("ns.plain.example.com. 300 IN A 192.0.2.63");
  std::string zone;
  for (const std::string& record : records) zone += record + "\n";
  int status = -1;
  const std::string said =
      output_of("ldns-verify-zone -V 2 " + world_.write("whole.zone", zone), &status);
  EXPECT_EQ(status, 0) << said << zone;
}

}  // namespace
}  // namespace isochrone::test
