// SPDX-License-Identifier: Apache-2.0
#include "dns/fixed_options.h"

#include <fmt/format.h>

#include <string_view>

namespace isochrone::dns {

std::vector<Error> fixed_changes(const Options& before, const Options& after) {
  std::vector<Error> errors;
  const auto refuse = [&errors](bool has_changed, std::string_view key) {
    if (!has_changed) return;
    errors.emplace_back(Errc::invalid, fmt::format("{} cannot change while running; restart", key));
  };
  refuse(before.listen != after.listen, "dns.listen");
  refuse(before.workers != after.workers, "dns.workers");
  refuse(before.tcp_connections != after.tcp_connections, "dns.tcp-connections");
  refuse(before.tcp_per_client != after.tcp_per_client, "dns.tcp-connections-per-client");
  refuse(before.xdp != after.xdp, "dns.xdp");
  refuse(before.tap != after.tap, "dns.dnstap");
  refuse(before.tls_listen != after.tls_listen, "dns.tls.listen");
  refuse(before.tcp_idle != after.tcp_idle, "dns.tcp-idle");
  refuse(before.state_dir != after.state_dir, "node.state-dir");
  refuse(before.node_name != after.node_name, "node.name");
  return errors;
}

}  // namespace isochrone::dns
