// SPDX-License-Identifier: Apache-2.0
#include "lab/description.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace isochrone::lab {
namespace {

using Json = nlohmann::ordered_json;

Json describe_node(const Node& node, pid_t holder) {
  Json addresses = Json::array();
  for (const Address& address : node.addresses) addresses.push_back(address.to_string());
  return {{"name", node.name},
          {"kind", to_string(node.kind)},
          {"pid", holder},
          {"netns", "/proc/" + std::to_string(holder) + "/ns/net"},
          {"addresses", std::move(addresses)}};
}

Json describe_network(const Plan& plan, const Wan& wan, std::size_t network) {
  Json rtts = Json::array();
  for (std::size_t site = 0; site < plan.sites(); ++site) {
    const auto rtt = wan.rtt(site, network);
    rtts.push_back(rtt ? Json(static_cast<double>(rtt->count()) / 1000) : Json());
  }
  Json silent = Json::array();
  if (!plan.hearings[network].icmp) silent.push_back("icmp");
  if (!plan.hearings[network].tcp) silent.push_back("tcp");
  return {{"prefix", plan.networks[network].to_string()},
          {"row", plan.network_rows[network]},
          {"silent-to", std::move(silent)},
          {"rtt-ms", std::move(rtts)}};
}

}  // namespace

std::string describe_lab(const Options& options, const Plan& plan, const Wan& wan,
                         const std::vector<pid_t>& holders) {
  Json nodes = Json::array();
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    nodes.push_back(describe_node(plan.nodes[i], holders[i]));
    if (i < plan.sites()) nodes.back()["row"] = plan.site_rows[i];
  }
  Json networks = Json::array();
  for (std::size_t i = 0; i < plan.networks.size(); ++i) {
    networks.push_back(describe_network(plan, wan, i));
  }
  const Json lab = {{"pid", ::getpid()},
                    {"control", control_socket(options.state_dir).string()},
                    {"rtt-file", options.rtt_file.string()},
                    {"seed", options.plan.seed},
                    {"jitter-ms", static_cast<double>(options.jitter.count()) / 1000},
                    {"loss", options.loss},
                    {"nodes", std::move(nodes)},
                    {"networks", std::move(networks)}};
  return lab.dump(1);
}

}  // namespace isochrone::lab
