// SPDX-License-Identifier: Apache-2.0
#include "prober/check.h"

#include <algorithm>
#include <cctype>

#include "prober/icmp.h"
#include "prober/wire.h"

namespace isochrone::prober {
namespace {

// Above it a round could not be told from a flood, and the in-flight ring would not hold it.
constexpr std::uint32_t kMaxRate = 500'000;
constexpr unsigned kMaxProbesPerRound = 100;

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Result<void> check_options(const Options& options) {
  if (options.site.empty()) return fail(Errc::invalid, "prober: no site: name where it stands");
  if (options.collector.empty()) {
    return fail(Errc::invalid, "prober: no collector to report to");
  }
  if (options.methods.empty())
    return fail(Errc::invalid, "prober: methods: name icmp, tcp, dns or hop");
  for (const Method method : options.methods) {
    if (method > Method::hop) {
      return fail(Errc::invalid, "prober: methods: only icmp, tcp, dns and hop can be used");
    }
  }
  const bool is_rate_valid = options.rate_pps >= 1 && options.rate_pps <= kMaxRate;
  if (!is_rate_valid) return fail(Errc::invalid, "prober: rate: from 1 to 500000 probes a second");
  if (options.rate_per_network_pps < 1) {
    return fail(Errc::invalid, "prober: rate per network: at least 1 probe a second");
  }
  if (options.probes_per_round < 1 || options.probes_per_round > kMaxProbesPerRound) {
    return fail(Errc::invalid, "prober: probes per round: from 1 to 100");
  }
  if (options.round_interval < Millis(10) || options.timeout < Millis(10) ||
      options.heartbeat < Millis(10)) {
    return fail(Errc::invalid, "prober: round interval, timeout and heartbeat: at least 10ms");
  }
  if (options.contact.size() > kMaxContact || !is_printable(options.contact)) {
    return fail(Errc::invalid, "prober: contact: at most 80 printable ASCII characters");
  }
  if (options.passive.ports.size() > kMaxPassivePorts || options.passive.interval < Millis(10)) {
    return fail(Errc::invalid, "prober: passive: at most 100 ports, an interval of at least 10ms");
  }
  const bool has_tcp = std::count(options.methods.begin(), options.methods.end(), Method::tcp) != 0;
  if (has_tcp && options.tcp_port == 0) return fail(Errc::invalid, "prober: tcp port: not 0");
  if (needs_source_ports(options.methods)) {
    if (const auto base = source_base_here(); !base) return tl::unexpected(base.error());
  }
  return {};
}

Result<void> check_reload(const Options& current, const Options& next) {
  if (auto valid = check_options(next); !valid) return valid;
  if (current.site != next.site) {
    return fail(Errc::invalid, "prober: site cannot change while it runs: restart");
  }
  if (current.source_addresses != next.source_addresses) {
    return fail(Errc::invalid, "prober: source addresses cannot change while it runs: restart");
  }
  if (current.collector != next.collector) {
    return fail(Errc::invalid, "prober: the collector cannot change while it runs: restart");
  }
  return {};
}

}  // namespace isochrone::prober
