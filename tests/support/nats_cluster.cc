// SPDX-License-Identifier: Apache-2.0
#include "tests/support/nats_cluster.h"

#include <fmt/format.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/http_client.h"

namespace isochrone::test {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kPatience{60};
constexpr Millis kAnswer{1'000};

std::string address(std::size_t server) { return fmt::format("10.98.0.{}", server + 1); }
std::string name(std::size_t server) { return fmt::format("n{}", server + 1); }

std::filesystem::path space_of(const std::string& process) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + process + "/ns/net", error);
}

template <class Condition>
bool until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

bool run(const std::string& script) {
  return std::system(("sh -ec '" + script + "'").c_str()) == 0;
}

// What a server says of the streams that it knows; null when it does not answer.
json streams(std::size_t server) {
  HttpClient client("http://" + address(server) + ":8222");
  const auto reply = client.get("/jsz?accounts=true&streams=true&consumers=false", kAnswer);
  return reply ? json::parse(reply->body, nullptr, false) : json();
}

}  // namespace

NatsCluster& NatsCluster::make(const std::filesystem::path& folder) {
  static NatsCluster cluster(folder);
  return cluster;
}

NatsCluster::NatsCluster(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (::unshare(CLONE_NEWNET) != 0) {
    trouble_ = "cannot make network namespaces: these tests need root";
    return;
  }
  if (!lay_cables()) {
    trouble_ = "the namespaces could not be connected: are iproute2 and util-linux installed?";
    return;
  }
  for (std::size_t i = 0; i < kServers; ++i) start(i);
  if (!until([this] { return is_whole(); })) trouble_ = "no cluster: " + log(0) + log(1) + log(2);
}

bool NatsCluster::lay_cables() {
  const std::filesystem::path mine = space_of("self");
  std::string script =
      "ip link set lo up; ip link add switch type bridge; ip addr add 10.98.0.254/24 dev switch; "
      "ip link set switch up";
  for (std::size_t i = 0; i < kServers; ++i) {
    std::filesystem::create_directories(folder_ / name(i));
    holders_[i] =
        std::make_unique<Child>(std::vector<std::string>{"unshare", "--net", "sleep", "infinity"},
                                (folder_ / name(i) / "holder").string());
    const std::string pid = std::to_string(holders_[i]->pid());
    if (!until([&] { return space_of(pid) != mine && !space_of(pid).empty(); })) return false;
    script += fmt::format(
        "; ip link add {0} type veth peer name far netns {1}; ip link set {0} master switch up"
        "; nsenter -t {1} -n ip link set lo up; nsenter -t {1} -n ip addr add {2}/24 dev far"
        "; nsenter -t {1} -n ip link set far up",
        name(i), pid, address(i));
  }
  return run(script);
}

std::vector<std::string> NatsCluster::urls() const {
  std::vector<std::string> urls;
  for (std::size_t i = 0; i < kServers; ++i) urls.push_back("nats://" + address(i) + ":4222");
  return urls;
}

void NatsCluster::start(std::size_t server) {
  const std::filesystem::path folder = folder_ / name(server);
  std::ofstream out(folder / "conf");
  out << fmt::format(
      "server_name: {0}\nlisten: \"{1}:4222\"\nhttp: \"{1}:8222\"\n"
      "ping_interval: \"1s\"\nping_max: 2\nwrite_deadline: \"2s\"\n"
      "jetstream {{store_dir: \"{2}\"}}\n"
      "cluster {{name: test, listen: \"{1}:6222\", routes: [",
      name(server), address(server), (folder / "store").string());
  for (std::size_t i = 0; i < kServers; ++i) {
    out << (i > 0 ? ", " : "") << "\"nats://" << address(i) << ":6222\"";
  }
  out << "]}\n" << std::flush;
  servers_[server] = std::make_unique<Child>(
      std::vector<std::string>{"nsenter", "-t", std::to_string(holders_[server]->pid()), "-n",
                               "nats-server", "-c", (folder / "conf").string()},
      (folder / "log").string());
}

void NatsCluster::link(std::size_t server, const char* state) {
  if (!run(fmt::format("ip link set {} {}", name(server), state))) {
    trouble_ = "cannot set a link " + std::string(state);
  }
}

std::size_t NatsCluster::leader(const std::string& stream) const {
  for (std::size_t i = 0; i < kServers; ++i) {
    const json said = streams(i);
    if (!said.is_object()) continue;
    for (const json& account : said.value("account_details", json::array())) {
      for (const json& each : account.value("stream_detail", json::array())) {
        if (each.value("name", "") != stream || !each.contains("cluster")) continue;
        const std::string leads = each["cluster"].value("leader", "");
        for (std::size_t k = 0; k < kServers; ++k) {
          if (name(k) == leads) return k;
        }
      }
    }
  }
  return kServers;
}

bool NatsCluster::is_whole() const {
  std::string leads;
  for (std::size_t i = 0; i < kServers; ++i) {
    const json said = streams(i);
    if (!said.is_object() || !said.contains("meta_cluster")) return false;
    const std::string seen = said["meta_cluster"].value("leader", "");
    if (seen.empty() || (!leads.empty() && seen != leads)) return false;
    leads = seen;
    if (seen != name(i)) continue;
    // Who leads knows who follows.
    unsigned current = 0;
    for (const json& peer : said["meta_cluster"].value("replicas", json::array())) {
      current += peer.value("current", false) && !peer.value("offline", false) ? 1U : 0U;
    }
    if (current + 1 < kServers) return false;
  }
  return true;
}

std::string NatsCluster::log(std::size_t server) const {
  std::ifstream in(folder_ / name(server) / "log");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace isochrone::test
