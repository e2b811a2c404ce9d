// SPDX-License-Identifier: Apache-2.0
//
// From sections to options: what one key cannot know is checked here, section by section.
#include "app/config_build.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/config_access.h"
#include "app/config_beacon.h"
#include "app/config_dnstap.h"
#include "app/config_log.h"
#include "app/config_policies.h"
#include "app/config_prober.h"
#include "app/config_section.h"
#include "app/config_services.h"
#include "app/config_zones.h"

namespace isochrone::app {
namespace {

class Builder {
 public:
  Builder(const ConfigNode& tree, Complaints& complaints)
      : complaints_(complaints), root_(&tree, "", complaints) {}

  Config build() {
    config_.file = complaints_.file();
    const Section node = root_.section("node");
    const Section dns = root_.section("dns");
    const Section collector = root_.section("collector");
    const Section prober = root_.section("prober");
    read_node(node);
    read_geo(root_.section("geo"));
    config_.dns.keys = read_keys(root_);
    config_.dns.zones = read_zones(root_, config_.dns.keys);
    config_.topology = read_topology(root_, config_.dns.zones, maps_);
    read_dns(dns);
    read_collector(collector);
    config_.prober = read_prober(prober);
    config_.api = read_access(root_, config_.topology);
    config_.collector.tls = config_.api.tls;
    config_.collector.access = config_.api.access;
    config_.collector_access = read_collector_access(root_);
    config_.collector.beacon = read_beacon(root_, config_.topology);
    const collector::BeaconOptions& beacon = config_.collector.beacon;
    config_.dns.answers.beacon =
        dns::BeaconWatch::make(beacon.zone, beacon.secrets, beacon.token_lifetime);
    config_.collector.policies = read_policies(collector, config_.api);
    const std::size_t before = complaints_.size();
    read_roles(node, dns, collector, prober);
    // A role that cannot be read would make what the others need a guess.
    if (complaints_.size() == before) check_roles(node, dns, collector, prober);
    config_.dns.collector = config_.collector_access;
    config_.prober.collector = config_.collector_access;
    return std::move(config_);
  }

 private:
  void read_node(const Section& section) {
    NodeOptions& node = config_.node;
    node.name = section.one<std::string>("name").value_or("");
    node.state_dir = section.path("state-dir");
    node.http = section.one<Endpoint>("http");
    const auto level = section.one<std::string>("log-level").value_or("info");
    node.log_level = level == "error"     ? LogLevel::error
                     : level == "warning" ? LogLevel::warning
                     : level == "debug"   ? LogLevel::debug
                                          : LogLevel::info;
  }

  void read_geo(const Section& section) {
    if (!section.is_present()) return;
    const auto database = section.file("database");
    config_.dns.geo_database = database;
    config_.collector.geo_database = database;
    maps_.countries = section.has("countries") ? section.file("countries") : database;
    maps_.networks = section.file("networks");
    if (database.empty() && maps_.countries.empty() && maps_.networks.empty()) {
      complaints_.add(section.mark(), "geo with nothing in it; add a database, or take it out");
    }
  }

  void read_dns(const Section& section) {
    dns::Options& options = config_.dns;
    Unique seen("address", section);
    for (const auto& [endpoint, mark] : section.many<Endpoint>("listen")) {
      if (endpoint.port != 0) seen.check(endpoint.to_string(), mark);
      options.listen.push_back(endpoint);
    }
    options.workers = number<unsigned>(section, "workers");
    dns::AnswerOptions& answers = options.answers;
    answers.edns_client_subnet = section.one<bool>("edns-client-subnet").value_or(true);
    answers.max_udp_payload = number<std::uint16_t>(section, "max-udp-payload");
    answers.max_amplification = number<unsigned>(section, "max-amplification");
    answers.nsid = section.one<std::string>("nsid").value_or("");
    answers.version = section.one<std::string>("version").value_or("");
    answers.hostname = section.one<std::string>("hostname").value_or("");
    read_rate_limit(section.section("rate-limit"), answers.rate_limit);
    read_xdp(section.section("xdp"), options);
    options.tap = read_dnstap(section.section("dnstap"));
    options.tap.identity = answers.nsid.empty() ? config_.node.name : answers.nsid;
    options.cookies = section.one<bool>("cookies").value_or(true);
    options.cookie_secret_file = section.file("cookie-secret-file");
    options.tcp_connections = number<unsigned>(section, "tcp-connections");
    options.tcp_idle = duration<Millis>(section, "tcp-idle");
    options.tcp_per_client = number<unsigned>(section, "tcp-connections-per-client");
    if (const Section tls = section.section("tls"); tls.is_present()) {
      for (const auto& [endpoint, mark] : tls.many<Endpoint>("listen")) {
        if (endpoint.port != 0) seen.check(endpoint.to_string(), mark);
        options.tls_listen.push_back(endpoint);
      }
      options.tls_certificate = tls.file("certificate");
      options.tls_key = tls.file("key");
    }
    options.max_transfers = number<unsigned>(section, "max-transfers");
    options.state_dir = config_.node.state_dir;
    options.node_name = config_.node.name;
    for (dns::ZoneSource& zone : options.zones) {
      if (zone.signing && zone.signing->keys.empty()) {
        zone.signing->keys = config_.node.state_dir / "keys";
      }
    }
  }

  void read_rate_limit(const Section& section, dns::RateLimitOptions& options) {
    if (!section.is_present()) return;
    options.replies_per_second = number<unsigned>(section, "replies-per-second");
    options.slip = number<unsigned>(section, "slip");
    options.ipv4_prefix = number<int>(section, "ipv4-prefix");
    options.ipv6_prefix = number<int>(section, "ipv6-prefix");
    for (const auto& [prefix, mark] : section.many<Prefix>("exempt")) {
      options.exempt.push_back(prefix);
    }
  }

  void read_xdp(const Section& section, dns::Options& options) {
    if (!section.is_present()) return;
    Unique seen("interface", section);
    for (const auto& [interface, mark] : section.many<std::string>("interfaces")) {
      seen.check(interface, mark);
      options.xdp.interfaces.push_back(interface);
    }
    const std::string mode = section.one<std::string>("mode").value_or("auto");
    for (const auto each : {dns::XdpMode::zero_copy, dns::XdpMode::copy, dns::XdpMode::skb}) {
      if (mode == dns::to_string(each)) options.xdp.mode = each;
    }
    options.xdp.fall_back = section.one<bool>("fall-back").value_or(false);
    if (!options.listen.empty() && dns::xdp_endpoints(options.listen).empty()) {
      complaints_.add(section.mark(),
                      "dns.xdp with nothing but wildcards in dns.listen; name the addresses that "
                      "it is to answer for");
    }
  }

  void read_collector(const Section& section) {
    collector::Options& options = config_.collector;
    options.listen = section.one<Endpoint>("listen").value_or(Endpoint{});
    options.state_dir = config_.node.state_dir;
    options.node_name = config_.node.name;
    options.window = duration<Millis>(section, "window");
    options.lateness = duration<Millis>(section, "lateness");
    options.site_timeout = duration<Millis>(section, "site-timeout");
    options.target_lifetime = duration<Seconds>(section, "target-lifetime");
    options.path_lifetime = duration<Seconds>(section, "path-lifetime");
    options.probe_budget = number<unsigned>(section, "probe-budget");
    options.max_rows = number<std::size_t>(section, "max-rows");
    read_routed(section, maps_, options);
    options.retention = duration<Seconds>(section, "retention");
    options.max_body_bytes = number<std::size_t>(section, "max-body");
    options.max_connections = number<unsigned>(section, "max-connections");
    options.max_connections_per_client = number<unsigned>(section, "max-connections-per-client");
    options.repeat_window = duration<Nanos>(section, "repeat-window");
    options.request_deadline = duration<Millis>(section, "request-deadline");
    if (section.has("max-event-rate")) {
      options.max_event_rate = number<std::uint64_t>(section, "max-event-rate");
    }
    options.task_quiet = duration<Seconds>(section, "task-quiet");
    Unique channels("channel", section);
    for (const Section& channel : section.sections("channels")) {
      const auto name = channel.one<std::string>("channel");
      if (!name) continue;
      channels.check(*name, channel.mark_of("channel"));
      collector::Keep& keep = options.keep[static_cast<std::size_t>(*event::parse_channel(*name))];
      if (channel.has("retention")) keep.age = duration<Seconds>(channel, "retention");
      if (channel.has("max-size")) keep.bytes = number<std::uint64_t>(channel, "max-size");
    }
    read_alerts(section.section("alerts"), options);
    options.log = read_log(section.section("log"));
    if (!options.log.servers.empty() && (options.networks || options.max_rows > 0)) {
      section.complain(section.mark_of(options.networks ? "start-prefixes" : "max-rows"),
                       "rows that are laid over networks need a log of their own; remove this, or "
                       "collector.log.nats");
    }
  }

  void read_alerts(const Section& section, collector::Options& options) {
    if (!section.is_present()) return;
    options.alert_webhook = section.one<std::string>("webhook").value_or("");
    const bool is_url = options.alert_webhook.empty() ||
                        options.alert_webhook.starts_with("http://") ||
                        options.alert_webhook.starts_with("https://");
    if (!is_url) {
      complaints_.add(section.mark_of("webhook"),
                      "collector.alerts.webhook is no URL; write http://HOST:PORT/PATH");
    }
    options.alert_repeat = duration<Seconds>(section, "repeat");
    Unique names("condition", section);
    for (const Section& each : section.sections("conditions")) {
      collector::Condition condition;
      condition.name = each.one<std::string>("name").value_or("");
      const auto metric = each.one<std::string>("metric").value_or("");
      const auto& all = collector::kConditionMetrics;
      const auto found = std::find(all.begin(), all.end(), metric);
      if (condition.name.empty() || found == all.end()) continue;
      names.check(condition.name, each.mark_of("name"));
      condition.metric = static_cast<collector::ConditionMetric>(found - all.begin());
      condition.above = each.one<double>("above");
      condition.below = each.one<double>("below");
      condition.of = each.one<std::string>("of").value_or("");
      condition.hold = duration<Seconds>(each, "hold");
      condition.over = duration<Seconds>(each, "over");
      condition.severity = each.one<std::string>("severity").value_or("");
      if (condition.above.has_value() == condition.below.has_value()) {
        complaints_.add(each.mark(),
                        "condition " + condition.name + ": give exactly one of above and below");
        continue;
      }
      check_subject(condition, each);
      options.conditions.push_back(std::move(condition));
    }
  }

  void check_subject(const collector::Condition& condition, const Section& section) {
    if (condition.of.empty()) return;
    const bool is_known = collector::is_of_channel(condition.metric)
                              ? event::parse_channel(condition.of).has_value()
                              : config_.topology.find_site(condition.of).has_value();
    if (is_known) return;
    complaints_.add(section.mark_of("of"),
                    "condition " + condition.name + ": " + condition.of + " is no " +
                        (collector::is_of_channel(condition.metric) ? "channel" : "site"));
  }

  void read_roles(const Section& node, const Section& dns, const Section& collector,
                  const Section& prober) {
    NodeOptions& to = config_.node;
    if (!node.has("roles")) {
      to.has_dns = dns.is_present();
      to.has_collector = collector.has("listen");
      to.has_prober = prober.is_present();
      return;
    }
    Unique seen("role", node);
    for (const auto& [role, mark] : node.many<std::string>("roles")) {
      seen.check(role, mark);
      const bool has_section = role == "dns"         ? dns.is_present()
                               : role == "collector" ? collector.is_present()
                                                     : prober.is_present();
      if (!has_section) {
        complaints_.add(mark,
                        fmt::format("role {0} without its section; add \"{0}:\" with its keys, or "
                                    "take the role away",
                                    role));
      } else if (role == "collector" && !collector.has("listen")) {
        complaints_.add(collector.mark(),
                        "collector.listen is missing; add \"listen: 127.0.0.1@8053\" "
                        "or take the role away");
      }
      to.has_dns |= role == "dns";
      to.has_collector |= role == "collector";
      to.has_prober |= role == "prober";
    }
  }

  void check_roles(const Section& node, const Section& dns, const Section& collector,
                   const Section& prober) {
    const NodeOptions& roles = config_.node;
    const Mark place = node.mark_of("roles");
    if (!roles.has_dns && !roles.has_collector && !roles.has_prober) {
      complaints_.add(place,
                      "no role, nothing to run; add a dns, collector or prober section, or name "
                      "them in node.roles");
    }
    if (roles.has_dns && dns.is_present()) check_dns(dns);
    if (roles.has_prober && prober.is_present()) {
      check_prober(prober, config_.prober, config_.topology);
      check_reports(prober);
    }
    if (roles.has_collector) {
      check_listening(root_, config_.api, collector, "listen", config_.collector.listen);
    }
    if (roles.http) check_listening(root_, config_.api, node, "http", *roles.http);
    if (roles.has_collector && roles.http) {
      complaints_.add(node.mark_of("http"),
                      "node.http is for nodes without the collector role, whose "
                      "API serves the same; remove it");
    }
  }

  void check_dns(const Section& dns) {
    if (!dns.has("listen") || dns.is_empty_list("listen")) {
      complaints_.add(dns.mark_of("listen"), "dns.listen is missing; add \"listen: [ADDRESS@53]\"");
    }
    if (!root_.has("zones") || root_.is_empty_list("zones")) {
      complaints_.add(root_.has("zones") ? root_.mark_of("zones") : dns.mark(),
                      "role dns without zones; add \"zones:\" with a name and a file");
    }
  }

  void check_reports(const Section& prober) {
    if (!config_.node.has_collector && config_.collector_access.empty()) {
      complaints_.add(prober.mark(),
                      "role prober has nobody to report to; add \"collector:\" with "
                      "\"url: http://HOST:8053\"");
    }
  }

  // Of a value that was complained about nothing is used, so any number will do.
  template <class T>
  static T number(const Section& section, std::string_view key) {
    return static_cast<T>(section.one<std::int64_t>(key).value_or(1));
  }
  template <class T>
  static T duration(const Section& section, std::string_view key) {
    return std::chrono::duration_cast<T>(section.one<Nanos>(key).value_or(Seconds(1)));
  }

  Complaints& complaints_;
  Section root_;
  MapFiles maps_;
  Config config_;
};

}  // namespace

Config build_config(const ConfigNode& tree, Complaints& complaints) {
  return Builder(tree, complaints).build();
}

}  // namespace isochrone::app
