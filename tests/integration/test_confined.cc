// SPDX-License-Identifier: Apache-2.0
//
// The program as its unit confines it: with few capabilities, and with the system calls it is left.
//
// Stricter than in service: a call outside the filter ends the process here, where systemd returns EPERM.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/text.h"
#include "tests/integration/world.h"
#include "tests/support/process.h"
#include "tests/support/program.h"
#include "tests/support/tiny_disk.h"

namespace isochrone::test {
namespace {

// The words of every line `key=` of the unit, line by line.
std::vector<std::vector<std::string>> unit_lines(const std::string& key) {
  std::vector<std::vector<std::string>> lines;
  std::ifstream unit(ISOCHRONE_UNIT);
  for (std::string line; std::getline(unit, line);) {
    if (line.rfind(key + "=", 0) != 0) continue;
    std::istringstream words(line.substr(key.size() + 1));
    lines.emplace_back(std::istream_iterator<std::string>(words),
                       std::istream_iterator<std::string>());
  }
  return lines;
}

// A system call, or all of a group and its groups.
std::set<std::string> calls_of(const std::string& word) {
  if (word.front() != '@') return {word};
  std::set<std::string> calls;
  std::istringstream lines(output_of("systemd-analyze syscall-filter " + word));
  std::string line;
  std::getline(lines, line);  // the group's own name
  while (std::getline(lines, line)) {
    const std::string_view text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    calls.merge(calls_of(std::string(text)));
  }
  return calls;
}

// As systemd.exec(5) merges the lines: the first is an allow list, those with ~ take away from it.
std::set<std::string> allowed_calls() {
  std::set<std::string> allowed = calls_of("@default");
  for (const auto& line : unit_lines("SystemCallFilter")) {
    const bool takes_away = line.front().front() == '~';
    for (const std::string& word : line) {
      const auto calls = calls_of(word.front() == '~' ? word.substr(1) : word);
      for (const std::string& call : calls) {
        if (takes_away) {
          allowed.erase(call);
        } else {
          allowed.insert(call);
        }
      }
    }
  }
  return allowed;
}

// Made before the fork; load() is called in the child.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS)) {
    for (const std::string& call : allowed_calls()) {
      const int number = seccomp_syscall_resolve_name(call.c_str());
      if (number < 0 || call == "mmap" || call == "mprotect" || call == "socket") continue;
      EXPECT_EQ(seccomp_rule_add_array(context_, SCMP_ACT_ALLOW, number, 0, nullptr), 0) << call;
      ++rules_;
    }
    restrict_memory();
    restrict_families();
  }
  ~Filter() { seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void load() const {
    if (seccomp_load(context_) != 0) ::_exit(125);
  }
  int rules() const { return rules_; }

 private:
  void allow(int call, scmp_arg_cmp compare) {
    EXPECT_EQ(seccomp_rule_add_array(context_, SCMP_ACT_ALLOW, call, 1, &compare), 0);
  }
  // MemoryDenyWriteExecute: no page is ever both, nor becomes code.
  void restrict_memory() {
    EXPECT_EQ(unit_lines("MemoryDenyWriteExecute").front().front(), "yes");
    constexpr scmp_datum_t kWrite = PROT_WRITE;
    constexpr scmp_datum_t kCode = PROT_EXEC;
    constexpr scmp_datum_t kBoth = kWrite | kCode;
    for (const scmp_datum_t one : {scmp_datum_t{0}, kWrite, kCode}) {
      allow(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, kBoth, one));
    }
    allow(SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, kCode, scmp_datum_t{0}));
  }
  void restrict_families() {
    const auto lines = unit_lines("RestrictAddressFamilies");
    for (const std::string& family : lines.front()) {
      const int number = family == "AF_INET"    ? AF_INET
                         : family == "AF_INET6" ? AF_INET6
                         : family == "AF_UNIX"  ? AF_UNIX
                                                : AF_NETLINK;
      allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(number)));
    }
  }

  scmp_filter_ctx context_;
  int rules_ = 0;
};

TEST(Confined, TheFilterForbidsWhatNoServerNeeds) {
  const auto allowed = allowed_calls();
  for (const char* call :
       {"ptrace", "mount", "setuid", "fchown", "bpf", "keyctl", "unshare", "setns", "init_module",
        "reboot", "process_vm_writev", "userfaultfd", "shmget", "io_uring_setup", "perf_event_open",
        "personality", "sched_setaffinity"}) {
    EXPECT_FALSE(allowed.contains(call)) << call;
  }
  EXPECT_TRUE(allowed.contains("recvmmsg") && allowed.contains("capset"));
}

// The second of the addresses in the ready line: TLS comes after the others.
Endpoint second_address(const std::string& log) {
  const auto comma = log.find(',', log.find(" dns="));
  return Endpoint::parse(log.substr(comma + 1, log.find_first_of(" ,", comma + 1) - comma - 1))
      .value_or(Endpoint{});
}

class ConfinedNode : public testing::Test {
 protected:
  ConfinedNode() {
    world_.write("moving.zone", kSmallZone);
    world_.write("plain.zone", kSmallZone);
    primary_config_ =
        world_.write("primary.yaml",
                     "node: {name: p, state-dir: state-p}\ndns: {listen: 127.0.0.1@0}\n"
                     "zones: [{name: moving.test, file: moving.zone, "
                     "transfer: {allow: [{prefix: 127.0.0.0/8}]}}]\n");
    int status = 0;
    output_of(fmt::format("cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                          "-nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=ns1 && "
                          "chmod 600 key.pem",
                          world_.path("")),
              &status);
    EXPECT_EQ(status, 0);
  }
  // Every role that this user may run.
  std::string config(const Daemon& primary) const {
    const bool may_probe = ::geteuid() == 0;
    return fmt::format(
               "node: {{name: ns1, state-dir: state-ns1, roles: [dns, collector{}]}}\n"
               "dns: {{listen: 127.0.0.1@0, tls: {{listen: 127.0.0.1@0, certificate: cert.pem, "
               "key: key.pem}}}}\n"
               "collector: {{listen: 127.0.0.1@0, window: 200ms, lateness: 1s}}\n{}"
               "zones:\n"
               "  - {{name: example.com, file: example.com.zone, dnssec: {{denial: compact}}}}\n"
               "  - {{name: moving.test, transfer: {{primaries: [{{address: 127.0.0.1@{}}}]}}}}\n"
               "  - {{name: plain.test, file: plain.zone, "
               "transfer: {{allow: [{{prefix: 127.0.0.0/8}}]}}}}\n",
               may_probe ? ", prober" : "",
               may_probe ? "prober: {site: fra, round-interval: 100ms, timeout: 50ms, "
                           "allow-private: true, "
                           "targets: [{prefix: 127.0.0.0/24, address: 127.0.0.1}]}\n"
                         : "",
               primary.endpoint("dns").port) +
           World::topology();
  }
  static std::string dig(std::uint16_t port, const std::string& question) {
    return output_of(fmt::format("dig @127.0.0.1 -p {} +time=5 +tries=1 {}", port, question));
  }

  static constexpr auto kSmallZone =
      "$TTL 300\n@ IN SOA ns1 h 1 1 1 600 60\n  IN NS ns1\nns1 IN A 192.0.2.53\n";
  World world_;
  std::string primary_config_;
};

// Questions, reload, transfers both ways, TLS, events, snapshot, probes, metrics, the end.
TEST_F(ConfinedNode, EveryRoleDoesItsWorkUnderTheUnitsFilter) {
  Daemon primary(primary_config_);
  ASSERT_TRUE(primary.is_ready()) << primary.log();
  const std::string file = world_.write("node.yaml", config(primary));
  const Finished made = isochrone({"key", "generate", "example.com", "--config", file});
  ASSERT_EQ(made.status, 0) << made.err;
  const Filter filter;
  ASSERT_GT(filter.rules(), 100);
  Daemon daemon(file, [&filter] { filter.load(); });
  ASSERT_TRUE(daemon.is_ready()) << daemon.log();
  const std::uint16_t port = daemon.endpoint("dns").port;
  const std::uint16_t tls = second_address(daemon.log()).port;
  const std::string url = daemon.collector_url();
  EXPECT_TRUE(answers(daemon.endpoint("dns"), "198.51.100.0/24", "192.0.2.1"));
  EXPECT_NE(dig(port, "+tcp +dnssec nothing.example.com").find("NSEC"), std::string::npos);
  EXPECT_NE(dig(tls, "+tls ns1.example.com").find("192.0.2.53"), std::string::npos);
  EXPECT_NE(dig(port, "plain.test AXFR").find("192.0.2.53"), std::string::npos);
  EXPECT_TRUE(eventually([&] {
    return dig(port, "ns1.moving.test").find("192.0.2.53") != std::string::npos;
  })) << daemon.log();
  std::string lines;
  for (std::uint64_t i = 1; i < 10; ++i) {
    lines += measurement(i % 3 == 0   ? "iad"
                         : i % 3 == 1 ? "fra"
                                      : "sin",
                         "198.51.100.0/24", i % 3 == 0 ? 10'000 : 80'000, i);
  }
  ASSERT_TRUE(post(url, "measurement", lines));
  EXPECT_TRUE(eventually([&] {
    return answers(daemon.endpoint("dns"), "198.51.100.0/24", "192.0.2.2");
  })) << daemon.log();
  EXPECT_TRUE(
      eventually([&] { return std::filesystem::exists(world_.path("state-ns1/dns.snapshot")); }));
  EXPECT_FALSE(get_json(url, "/v1/status").empty());
  EXPECT_GE(metric(url, "isochrone_dns_tls_accepted_total"), 1);
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.hears("reloaded")) << daemon.log();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.ended(), 0) << daemon.log();
}

// As another user with more capabilities than it needs, in a network of its own whose low ports are free.
void become_service() {
  const std::string user = "1000 " + std::to_string(::geteuid()) + " 1";
  const std::string group = "1000 " + std::to_string(::getegid()) + " 1";
  const bool is_set_up =
      ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_text("/proc/self/setgroups", "deny") &&
      write_text("/proc/self/uid_map", user) && write_text("/proc/self/gid_map", group);
  if (!is_set_up) ::_exit(126);
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  ::syscall(SYS_capget, &head, sets);
  for (auto& set : sets) set.inheritable = set.permitted;
  ::syscall(SYS_capset, &head, sets);
  for (const int one : {CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_NET_ADMIN, CAP_SYS_ADMIN}) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) != 0) ::_exit(125);
  }
}

std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

TEST(Confined, ANodeKeepsTheCapabilitiesOfItsRolesAlone) {
  const World world;
  const struct {
    const char* roles;
    std::uint64_t kept;
  } rows[] = {
      {"dns: {listen: 0.0.0.0@53}\n", bit(CAP_NET_BIND_SERVICE)},
      {"dns: {listen: 0.0.0.0@53}\nprober: {site: fra}\ncollector: {url: 'http://192.0.2.9'}\n",
       bit(CAP_NET_BIND_SERVICE) | bit(CAP_NET_RAW)}};
  for (const auto& row : rows) {
    const std::string roles = row.roles;
    Daemon daemon(
        world.write("node.yaml", "node: {name: ns1, state-dir: state-ns1}\n" + roles +
                                     "zones: [{name: example.com, file: example.com.zone}]\n" +
                                     World::topology()),
        become_service);
    ASSERT_TRUE(daemon.is_ready()) << daemon.log();
    for (const char* set : {"CapEff", "CapPrm", "CapAmb"}) {
      const std::uint64_t had = std::stoull(process_status(daemon.pid(), set), nullptr, 16);
      EXPECT_EQ(had & ~row.kept, 0U) << roles << set;
    }
    const std::uint64_t had = std::stoull(process_status(daemon.pid(), "CapEff"), nullptr, 16);
    EXPECT_EQ(had, row.kept) << roles;
    EXPECT_EQ(process_status(daemon.pid(), "NoNewPrivs"), "1");
  }
}

TEST(Confined, TheUnitExposesLittle) {
  int status = -1;
  const std::string judged =
      output_of("systemd-analyze security --offline=yes --threshold=17 " ISOCHRONE_UNIT, &status);
  EXPECT_EQ(status, 0) << judged;
}

}  // namespace
}  // namespace isochrone::test
