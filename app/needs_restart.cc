// SPDX-License-Identifier: Apache-2.0
//
// NeedsRestart: the keys that a running process cannot change.
#include <fmt/format.h>

#include <functional>

#include "app/roles.h"

namespace isochrone::app {
namespace {

using Compare = std::function<void(bool is_same, std::string_view key)>;

void compare_dns(const dns::Options& a, const dns::Options& b, const Compare& compare) {
  compare(a.listen == b.listen, "dns.listen");
  compare(a.workers == b.workers, "dns.workers");
  compare(a.tcp_connections == b.tcp_connections, "dns.tcp-connections");
  compare(a.tcp_per_client == b.tcp_per_client, "dns.tcp-connections-per-client");
  compare(a.xdp == b.xdp, "dns.xdp");
  compare(a.tap == b.tap, "dns.dnstap");
  compare(a.tls_listen == b.tls_listen, "dns.tls.listen");
  compare(a.tcp_idle == b.tcp_idle, "dns.tcp-idle");
}

void compare_collector(const collector::Options& a, const collector::Options& b,
                       const Compare& compare) {
  compare(a.listen == b.listen, "collector.listen");
  compare(a.log == b.log, "collector.log");
  compare(a.beacon.is_on == b.beacon.is_on && a.beacon.listen == b.beacon.listen, "beacon.listen");
  compare(a.beacon.tls.empty() == b.beacon.tls.empty(), "beacon.certificate");
  compare(a.window == b.window, "collector.window");
  compare(a.lateness == b.lateness, "collector.lateness");
  compare(a.max_body_bytes == b.max_body_bytes, "collector.max-body");
  compare(a.max_connections == b.max_connections, "collector.max-connections");
  compare(a.max_connections_per_client == b.max_connections_per_client,
          "collector.max-connections-per-client");
  compare(a.request_deadline == b.request_deadline, "collector.request-deadline");
}

}  // namespace

std::vector<Error> needs_restart(const Config& running, const Config& next) {
  std::vector<Error> differences;
  const Compare compare = [&](bool is_same, std::string_view key) {
    if (is_same) return;
    differences.emplace_back(
        Errc::invalid,
        fmt::format("{}: {} changed; restart to take it, or restore it", next.file.string(), key));
  };
  const NodeOptions& a = running.node;
  const NodeOptions& b = next.node;
  compare(a.name == b.name, "node.name");
  compare(a.state_dir == b.state_dir, "node.state-dir");
  compare(a.http == b.http, "node.http");
  compare(running.api.tls.empty() == next.api.tls.empty(), "access.certificate");
  compare(
      a.has_dns == b.has_dns && a.has_collector == b.has_collector && a.has_prober == b.has_prober,
      "node.roles");
  if (a.has_dns && b.has_dns) compare_dns(running.dns, next.dns, compare);
  if (a.has_collector && b.has_collector) {
    compare_collector(running.collector, next.collector, compare);
  }
  if (a.has_prober && b.has_prober) {
    compare(running.prober.site == next.prober.site, "prober.site");
    compare(running.prober.source_addresses == next.prober.source_addresses,
            "prober.source-addresses");
    // Where the collector of this process listens is compared above.
    compare(running.prober.collector == next.prober.collector ||
                running.collector.listen != next.collector.listen,
            "collector.url");
  }
  return differences;
}

}  // namespace isochrone::app
