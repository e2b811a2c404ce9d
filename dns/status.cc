// SPDX-License-Identifier: Apache-2.0
#include "dns/status.h"

#include <nlohmann/json.hpp>

#include "dns/zone_store.h"

namespace isochrone::dns {
namespace {

using nlohmann::json;

// One sum over all workers.
template <class Pick>
double sum(const std::deque<WorkerCounters>& workers, Pick pick) {
  std::uint64_t total = 0;
  for (const WorkerCounters& worker : workers) total += pick(worker).value();
  return static_cast<double>(total);
}

std::string_view name_of(Rcode rcode) {
  switch (rcode) {
    case Rcode::noerror:
      return "noerror";
    case Rcode::formerr:
      return "formerr";
    case Rcode::servfail:
      return "servfail";
    case Rcode::nxdomain:
      return "nxdomain";
    case Rcode::notimp:
      return "notimp";
    case Rcode::refused:
      return "refused";
    case Rcode::yxdomain:
      return "yxdomain";
    case Rcode::badvers:
      return "badvers";
  }
  return "other";
}

double seconds(Instant instant) { return static_cast<double>(unix_nanos(instant)) / 1e9; }

json instant_or_null(Instant instant) {
  if (instant == Instant{}) return nullptr;
  return format_instant(instant);
}

// When the zone's first signature expires; null when it is not signed.
json signed_until(const SignedZones* signatures, const Zone& zone) {
  const Signatures* made = signatures == nullptr ? nullptr : signatures->of(&zone);
  return made == nullptr ? json() : instant_or_null(made->earliest_expiration());
}

// What secondaries see: the file's serial, or a newer one where signatures make versions.
std::uint32_t served_serial(const SignedZones* signatures, const Zone& zone) {
  const Signatures* made = signatures == nullptr ? nullptr : signatures->of(&zone);
  return made == nullptr ? zone.serial() : made->serial();
}

}  // namespace

void measure_workers(Metrics& metrics, const std::deque<WorkerCounters>& workers) {
  const auto count = [&](std::string_view name, std::string_view help, auto pick,
                         Metrics::Labels labels = {}) {
    metrics.counter(name, help, sum(workers, pick), labels);
  };
  constexpr std::string_view kQueries = "isochrone_dns_queries_total";
  constexpr std::string_view kQueriesHelp = "Messages received, by transport.";
  count(kQueries, kQueriesHelp, [](const auto& w) -> auto& { return w.queries[0]; },
        {{"transport", "udp"}});
  count(kQueries, kQueriesHelp, [](const auto& w) -> auto& { return w.queries[1]; },
        {{"transport", "tcp"}});
  for (const Rcode rcode : {Rcode::noerror, Rcode::formerr, Rcode::servfail, Rcode::nxdomain,
                            Rcode::notimp, Rcode::refused, Rcode::yxdomain, Rcode::badvers}) {
    count("isochrone_dns_replies_total", "Replies made, by response code.",
          [rcode](const auto& w) -> auto& { return w.replies[static_cast<std::size_t>(rcode)]; },
          {{"rcode", name_of(rcode)}});
  }
  for (const auto why :
       {routing::Override::none, routing::Override::site_down, routing::Override::draining,
        routing::Override::all_down, routing::Override::withheld}) {
    count("isochrone_dns_routed_total", "Routed replies, by why the first site was passed over.",
          [why](const auto& w) -> auto& { return w.routed[static_cast<std::size_t>(why)]; },
          {{"override", routing::to_string(why)}});
  }
  count(
      "isochrone_dns_routed_by_subnet_total", "Routed replies decided by Client Subnet.",
      [](const auto& w) -> auto& { return w.routed_by_subnet; });
  count(
      "isochrone_dns_truncated_total", "Replies with TC.",
      [](const auto& w) -> auto& { return w.truncated; });
  count(
      "isochrone_dns_amplification_limited_total",
      "Of these, replies too large beside a query without a valid cookie.",
      [](const auto& w) -> auto& { return w.shortened; });
  count(
      "isochrone_dns_ignored_total", "Messages never answered: responses and runts.",
      [](const auto& w) -> auto& { return w.ignored; });
  count(
      "isochrone_dns_xdp_queries_total", "Of the messages over UDP, those that came by XDP.",
      [](const auto& w) -> auto& { return w.xdp_queries; });
  count(
      "isochrone_dns_xdp_malformed_total", "Frames that no kernel would have taken.",
      [](const auto& w) -> auto& { return w.xdp_malformed; });
  count(
      "isochrone_dns_oversized_total", "Datagrams longer than the receive buffer.",
      [](const auto& w) -> auto& { return w.oversized; });
  count(
      "isochrone_dns_send_failed_total", "Replies the kernel did not take.",
      [](const auto& w) -> auto& { return w.send_failed; });
  count("isochrone_dns_rate_limited_total",
        "Replies over a network's rate, by what became of them.",
        [](const auto& w) -> auto& { return w.rate_dropped; }, {{"outcome", "dropped"}});
  count("isochrone_dns_rate_limited_total",
        "Replies over a network's rate, by what became of them.",
        [](const auto& w) -> auto& { return w.rate_truncated; }, {{"outcome", "truncated"}});
  count("isochrone_dns_compact_denials_total",
        "Missing names in zones with compact denial, by how they were denied.",
        [](const auto& w) -> auto& { return w.online_signed; }, {{"by", "signature"}});
  count("isochrone_dns_compact_denials_total",
        "Missing names in zones with compact denial, by how they were denied.",
        [](const auto& w) -> auto& { return w.online_refused; }, {{"by", "chain"}});
  count(
      "isochrone_dns_demand_lost_total", "Queries that found the demand table full.",
      [](const auto& w) -> auto& { return w.demand_lost; });
  count(
      "isochrone_dns_sightings_lost_total", "Names of beacon tasks that were too many to report.",
      [](const auto& w) -> auto& { return w.sightings_lost; });
  count(
      "isochrone_dns_tsig_refused_total", "Requests whose signature failed.",
      [](const auto& w) -> auto& { return w.tsig_refused; });
  count(
      "isochrone_dns_transfers_total", "Zone transfers begun for secondaries.",
      [](const auto& w) -> auto& { return w.transfers_begun; });
  count(
      "isochrone_dns_transfers_refused_total", "Transfers and notifications that no rule allows.",
      [](const auto& w) -> auto& { return w.transfers_refused; });
  count(
      "isochrone_dns_tcp_accepted_total", "TCP connections accepted.",
      [](const auto& w) -> auto& { return w.tcp_accepted; });
  count(
      "isochrone_dns_tls_accepted_total", "Connections accepted for DNS over TLS, of these.",
      [](const auto& w) -> auto& { return w.tls_accepted; });
  count(
      "isochrone_dns_tls_failed_total", "Of these, ended before their handshake was complete.",
      [](const auto& w) -> auto& { return w.tls_failed; });
  count(
      "isochrone_dns_tcp_crowded_total",
      "TCP connections closed at once because their client had its share.",
      [](const auto& w) -> auto& { return w.tcp_crowded; });
  count(
      "isochrone_dns_tcp_timed_out_total", "TCP connections closed for idleness.",
      [](const auto& w) -> auto& { return w.tcp_timed_out; });
  count(
      "isochrone_dns_tcp_refused_total", "Times accept() failed for want of descriptors or memory.",
      [](const auto& w) -> auto& { return w.tcp_refused; });
}

void measure_state(Metrics& metrics, const StateFollower::Status& status, const ZoneSet& zones) {
  metrics.gauge("isochrone_dns_generation", "Generation of the snapshot that answers.",
                static_cast<double>(status.generation));
  metrics.gauge("isochrone_dns_table_generation", "Generation of the routing table.",
                static_cast<double>(status.table_generation));
  metrics.gauge("isochrone_dns_state_prefixes", "Client prefixes of which something is known.",
                static_cast<double>(status.prefixes));
  metrics.gauge("isochrone_dns_table_bytes", "Memory of the routing table.",
                static_cast<double>(status.table_bytes));
  metrics.gauge("isochrone_dns_zone_bytes", "Memory of the compiled zones.",
                static_cast<double>(zones.memory_bytes()));
  metrics.gauge("isochrone_dns_newest_state_timestamp_seconds",
                "When the newest state event applied was made, Unix time; 0 for never.",
                seconds(status.newest_state));
  metrics.gauge("isochrone_dns_snapshot_saved_timestamp_seconds",
                "When the snapshot file was last written, Unix time; 0 for never.",
                seconds(status.saved_at));
  metrics.gauge("isochrone_dns_collector_connected", "1 while the collector answers.",
                status.is_connected ? 1 : 0);
  metrics.gauge("isochrone_dns_compile_seconds", "Duration of the last table compilation.",
                static_cast<double>(status.compile_time.count()) / 1e6);
  metrics.counter("isochrone_dns_compilations_total", "Routing tables compiled.",
                  static_cast<double>(status.compilations));
  metrics.counter("isochrone_dns_snapshot_failures_total", "Snapshot files not written.",
                  static_cast<double>(status.save_failures));
  metrics.counter("isochrone_dns_zone_store_failures_total",
                  "Zones from primaries that could not be written.",
                  static_cast<double>(zone_store_failures()));
  metrics.counter("isochrone_dns_events_dropped_total",
                  "Demand and decision events dropped because the collector was away.",
                  static_cast<double>(status.posted.dropped));
}

void measure_signing(Metrics& metrics, const Resigner::Status& status,
                     const SignedZones* signatures) {
  metrics.counter("isochrone_dns_clock_steps_total", "Times that the wall clock was found set.",
                  static_cast<double>(status.clock_steps));
  if (signatures == nullptr) return;
  Instant soonest{};
  std::size_t bytes = 0;
  for (const SignedZones::Entry& entry : signatures->entries()) {
    const Instant end = entry.signatures->earliest_expiration();
    if (soonest == Instant{} || end < soonest) soonest = end;
    bytes += entry.signatures->memory_bytes();
  }
  metrics.gauge("isochrone_dns_signature_expiry_timestamp_seconds",
                "When the first signature of all signed zones expires, Unix time.",
                seconds(soonest));
  metrics.gauge("isochrone_dns_signature_bytes", "Memory of the signatures.",
                static_cast<double>(bytes));
  metrics.counter("isochrone_dns_signing_passes_total", "Times that zones were signed again.",
                  static_cast<double>(status.passes));
  metrics.counter("isochrone_dns_signing_failures_total",
                  "Passes in which a zone could not be signed.",
                  static_cast<double>(status.failures));
}

void measure_tap(Metrics& metrics, const Tap::Status& status) {
  metrics.counter("isochrone_dns_dnstap_written_total",
                  "Frames of dnstap that the file or the connection has taken.",
                  static_cast<double>(status.written));
  metrics.counter("isochrone_dns_dnstap_dropped_total",
                  "Frames of dnstap dropped because they came faster than they were taken.",
                  static_cast<double>(status.dropped));
  metrics.gauge("isochrone_dns_dnstap_connected",
                "1 while the file is open or the receiver takes frames.",
                status.is_connected ? 1 : 0);
}

std::string describe_status(const StateFollower::Status& status, const ZoneSet& zones,
                            const SignedZones* signatures, const std::vector<Endpoint>& listening,
                            const std::string& collector_url) {
  json out;
  out["generation"] = status.generation;
  out["table_generation"] = status.table_generation;
  out["prefixes"] = status.prefixes;
  out["table_bytes"] = status.table_bytes;
  out["newest_state"] = instant_or_null(status.newest_state);
  out["changed_at"] = instant_or_null(status.changed_at);
  out["saved_at"] = instant_or_null(status.saved_at);
  out["saved_generation"] = status.saved_generation;
  out["compile_us"] = status.compile_time.count();
  out["collector"] = {{"url", collector_url.empty() ? json() : json(collector_url)},
                      {"connected", status.is_connected},
                      {"state_position", status.state_position.position},
                      {"health_position", status.health_position.position}};
  out["listening"] = json::array();
  for (const Endpoint& endpoint : listening) out["listening"].push_back(endpoint.to_string());
  out["zones"] = json::array();
  for (const Zone& zone : zones.zones()) {
    out["zones"].push_back({{"name", name_to_text(zone.origin())},
                            {"serial", zone.serial()},
                            {"served_serial", served_serial(signatures, zone)},
                            {"names", zone.names()},
                            {"bytes", zone.memory_bytes()},
                            {"signed_until", signed_until(signatures, zone)}});
  }
  return out.dump();
}

}  // namespace isochrone::dns
