// SPDX-License-Identifier: Apache-2.0
//
// The rows themselves, and their rendering for the manual page.
#include "app/config_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace isochrone::app {
namespace {

constexpr auto kOne = Count::one;
constexpr auto kMany = Count::many;
constexpr auto kOptional = Need::optional;
constexpr auto kRequired = Need::required;
using enum KeyType;

// Sections come before their keys; the manual page keeps this order.
// Ranges are as wide as sense goes: they catch a wrong unit, not a wrong taste.
constexpr std::array kKeys{
    Key{"node", section, kOne, kRequired, "", "", "", "This node."},
    Key{"node.name", name, kOne, kRequired, "", "", "",
        "Name of the node; the source of its events carries it."},
    Key{"node.state-dir", directory, kOne, kOptional, "", "", "/var/lib/isochrone",
        "Where the node keeps its event log and its snapshot; made when absent."},
    Key{"node.roles", word, kMany, kOptional, "", "dns|collector|prober", "",
        "What this process does; all sections present when absent."},
    Key{"node.http", endpoint, kOne, kOptional, "", "", "",
        "Where a node without the collector role serves /healthz, /metrics and /v1/status."},
    Key{"node.log-level", word, kOne, kOptional, "", "error|warning|info|debug", "info",
        "The least important lines that are still logged."},

    Key{"dns", section, kOne, kOptional, "", "", "", "The role that answers queries."},
    Key{"dns.listen", endpoint, kMany, kOptional, "", "", "",
        "Addresses to answer on, UDP and TCP; port 53 when absent, port 0 takes a free one."},
    Key{"dns.workers", integer, kOne, kOptional, "threads", "1..256", "1",
        "Threads that answer, each with its own socket per address; a restart changes it."},
    Key{"dns.edns-client-subnet", boolean, kOne, kOptional, "", "", "true",
        "Whether queries may carry the client's network (RFC 7871)."},
    Key{"dns.max-udp-payload", integer, kOne, kOptional, "bytes", "512..1472", "1232",
        "The largest UDP answer; 1232 is never fragmented (RFC 9715)."},
    Key{"dns.max-amplification", integer, kOne, kOptional, "", "0..1000", "3",
        "A larger UDP answer than so many times the query needs a cookie, or TCP; 0 is no limit."},
    Key{"dns.cookies", boolean, kOne, kOptional, "", "", "true",
        "Whether clients can prove their address by a DNS cookie (RFC 7873)."},
    Key{"dns.cookie-secret-file", file, kOne, kOptional, "", "", "",
        "One or two lines of 32 hexadecimal digits, mode 600, for servers of one address."},
    Key{"dns.nsid", text, kOne, kOptional, "", "", "",
        "What a query for the server's identifier is told (RFC 5001)."},
    Key{"dns.version", text, kOne, kOptional, "", "", "",
        "Answer to version.bind and version.server in class CH; refused when absent."},
    Key{"dns.hostname", text, kOne, kOptional, "", "", "",
        "Answer to hostname.bind and id.server in class CH; refused when absent."},
    Key{"dns.tcp-connections", integer, kOne, kOptional, "connections", "1..100000", "1000",
        "TCP connections in all; more wait until one closes."},
    Key{"dns.tcp-connections-per-client", integer, kOne, kOptional, "connections", "1..100000",
        "100", "TCP connections of one address, in each worker; more are closed at once."},
    Key{"dns.tcp-idle", duration, kOne, kOptional, "", "100ms..10m", "10s",
        "A TCP connection without a query for so long is closed."},
    Key{"dns.max-transfers", integer, kOne, kOptional, "transfers", "1..1000", "10",
        "Zone transfers sent at once; more are asked to come again."},
    Key{"dns.rate-limit", section, kOne, kOptional, "", "", "",
        "Limits UDP replies to networks that have not proved their address by a cookie."},
    Key{"dns.rate-limit.replies-per-second", integer, kOne, kRequired, "replies per second",
        "1..1000000", "", "What one network gets; its first second may be as much again."},
    Key{"dns.rate-limit.slip", integer, kOne, kOptional, "", "0..100", "2",
        "Every so manieth limited reply is sent truncated, for TCP; 0 drops them all."},
    Key{"dns.rate-limit.ipv4-prefix", integer, kOne, kOptional, "bits", "1..32", "24",
        "What counts as one network in IPv4."},
    Key{"dns.rate-limit.ipv6-prefix", integer, kOne, kOptional, "bits", "1..128", "56",
        "What counts as one network in IPv6."},
    Key{"dns.rate-limit.exempt", prefix, kMany, kOptional, "", "", "",
        "Networks that are never limited."},
    Key{"dns.xdp", section, kOne, kOptional, "", "", "",
        "Answers UDP below the kernel's network stack (AF_XDP); firewalls do not see it."},
    Key{"dns.xdp.interfaces", text, kMany, kRequired, "", "", "",
        "Ethernet interfaces whose queries to dns.listen are taken; wildcards stay with sockets."},
    Key{"dns.xdp.mode", word, kOne, kOptional, "", "auto|zero-copy|copy|skb", "auto",
        "How; auto takes the first of the others that the interface has."},
    Key{"dns.xdp.fall-back", boolean, kOne, kOptional, "", "", "false",
        "Whether to warn and go on with sockets where XDP cannot be had; an error otherwise."},
    Key{"dns.tls", section, kOne, kOptional, "", "", "", "DNS over TLS (RFC 7858)."},
    Key{"dns.tls.listen", endpoint, kMany, kRequired, "", "", "",
        "Addresses to speak TLS on; port 853 when absent, port 0 takes a free one."},
    Key{"dns.tls.certificate", file, kOne, kRequired, "", "", "",
        "The certificate and its chain, PEM; a reload reads it again."},
    Key{"dns.tls.key", file, kOne, kRequired, "", "", "", "Its private key, PEM."},

    Key{"collector", section, kOne, kOptional, "", "", "",
        "The role that reduces events, or where it is."},
    Key{"collector.listen", endpoint, kOne, kOptional, "", "", "",
        "Address of the HTTP API; port 8053 when absent, port 0 takes a free one."},
    Key{"collector.url", url, kOne, kOptional, "", "", "",
        "Where the collector of this node's roles is, when it is not in this process."},
    Key{"collector.window", duration, kOne, kOptional, "", "100ms..1h", "5s",
        "Samples of one path in this span are reduced together."},
    Key{"collector.lateness", duration, kOne, kOptional, "", "0s..1h", "1s",
        "How long after its end a window still takes late events."},
    Key{"collector.site-timeout", duration, kOne, kOptional, "", "200ms..1h", "3s",
        "A site whose heartbeats stop for so long is down."},
    Key{"collector.target-lifetime", duration, kOne, kOptional, "", "1s..7d", "5m",
        "How long one demand keeps a prefix measured."},
    Key{"collector.path-lifetime", duration, kOne, kOptional, "", "1s..30d", "1h",
        "A path that nobody measured for so long is forgotten."},
    Key{"collector.probe-budget", integer, kOne, kOptional, "paths", "0..64", "0",
        "Paths measured per network and target lifetime, the most promising; 0 measures all."},
    Key{"collector.retention", duration, kOne, kOptional, "", "1m..365d", "1d",
        "How long events are kept; the newest state of a prefix stays."},
    Key{"collector.channels", section, kMany, kOptional, "", "", "",
        "Channels whose events are kept otherwise."},
    Key{"collector.channels[].channel", word, kOne, kRequired, "",
        "measurement|demand|health|load|state|target|decision", "", "The channel."},
    Key{"collector.channels[].retention", duration, kOne, kOptional, "", "1m..365d", "",
        "How long its events are kept; collector.retention when absent."},
    Key{"collector.channels[].max-size", integer, kOne, kOptional, "bytes",
        "1048576..1000000000000000", "", "What its events may take on disk; no bound when absent."},
    Key{"collector.task-quiet", duration, kOne, kOptional, "", "1s..1h", "15s",
        "A round of which nothing arrived for so long has ended."},
    Key{"collector.alerts", section, kOne, kOptional, "", "", "",
        "Conditions that somebody is told of."},
    Key{"collector.alerts.webhook", text, kOne, kOptional, "", "", "",
        "URL that takes posts in the form of Alertmanager's webhook; nobody is told when absent."},
    Key{"collector.alerts.repeat", duration, kOne, kOptional, "", "1s..7d", "5m",
        "What fires is told again this often."},
    Key{"collector.alerts.conditions", section, kMany, kRequired, "", "", "", "The conditions."},
    Key{"collector.alerts.conditions[].name", name, kOne, kRequired, "", "", "",
        "Name of the alert."},
    Key{"collector.alerts.conditions[].metric", word, kOne, kRequired, "",
        "round-completeness|round-loss|site-silence|channel-silence|channel-rate|catchment-moved",
        "", "What is looked at, of each site or channel; docs/operations.md says what each is."},
    Key{"collector.alerts.conditions[].above", number, kOne, kOptional, "", "0..1000000000", "",
        "It holds above this; exactly one of above and below is given."},
    Key{"collector.alerts.conditions[].below", number, kOne, kOptional, "", "0..1000000000", "",
        "It holds below this."},
    Key{"collector.alerts.conditions[].of", name, kOne, kOptional, "", "", "",
        "The one site or channel it is about; each when absent."},
    Key{"collector.alerts.conditions[].hold", duration, kOne, kOptional, "", "0s..7d", "0s",
        "How long it must hold before it is told."},
    Key{"collector.alerts.conditions[].over", duration, kOne, kOptional, "", "1s..1h", "1m",
        "The span over which rates and moves are taken."},
    Key{"collector.alerts.conditions[].severity", name, kOne, kOptional, "", "", "",
        "A label of the alert."},
    Key{"collector.max-body", integer, kOne, kOptional, "bytes", "65536..1073741824", "8388608",
        "The largest request body that is taken."},
    Key{"collector.max-connections", integer, kOne, kOptional, "connections", "1..100000", "1000",
        "HTTP connections in all; more are refused."},

    Key{"prober", section, kOne, kOptional, "", "", "", "The role that measures paths."},
    Key{"prober.site", name, kOne, kRequired, "", "", "", "The site this prober stands in."},
    Key{"prober.source-addresses", address, kMany, kOptional, "", "", "",
        "Addresses to probe from, at most one per family; the kernel chooses when absent."},
    Key{"prober.methods", word, kMany, kOptional, "", "icmp|tcp", "[icmp, tcp]",
        "How to probe, in order of preference."},
    Key{"prober.tcp-port", integer, kOne, kOptional, "", "1..65535", "80",
        "The port that TCP probes knock on."},
    Key{"prober.round-interval", duration, kOne, kOptional, "", "100ms..1d", "10s",
        "A round over all targets starts this often."},
    Key{"prober.probes-per-round", integer, kOne, kOptional, "probes", "1..100", "3",
        "Probes per target and round."},
    Key{"prober.rate", integer, kOne, kOptional, "probes per second", "1..500000", "1000",
        "The most probes sent, over all targets."},
    Key{"prober.timeout", duration, kOne, kOptional, "", "10ms..1m", "1500ms",
        "An answer that takes longer counts as lost."},
    Key{"prober.heartbeat", duration, kOne, kOptional, "", "50ms..1h", "1s",
        "How often the prober says that its site is up."},
    Key{"prober.allow-private", boolean, kOne, kOptional, "", "", "false",
        "Whether private, loopback, link-local and test addresses may be probed."},
    Key{"prober.contact", text, kOne, kOptional, "", "", "",
        "Who to ask about these probes; every ICMP probe carries it, at most 80 characters."},
    Key{"prober.opt-out", prefix, kMany, kOptional, "", "", "",
        "Networks that are never probed, whoever asks."},
    Key{"prober.targets", section, kMany, kOptional, "", "", "",
        "Networks to probe besides those the collector asks for."},
    Key{"prober.targets[].prefix", prefix, kOne, kRequired, "", "", "", "The client network."},
    Key{"prober.targets[].address", address, kOne, kRequired, "", "", "",
        "The address that answers probes for it."},

    Key{"geo", section, kOne, kOptional, "", "", "",
        "Where networks are when nobody measured them."},
    Key{"geo.database", file, kOne, kRequired, "", "", "",
        "A MaxMind database (.mmdb) with locations."},

    Key{"zones", section, kMany, kOptional, "", "", "",
        "The zones this node is authoritative for."},
    Key{"zones[].name", host_name, kOne, kRequired, "", "", "", "Name of the zone."},
    Key{"zones[].file", file, kOne, kOptional, "", "", "",
        "Its master file (RFC 1035 section 5); none for a zone with transfer.primaries."},
    Key{"zones[].dnssec", section, kOne, kOptional, "", "", "",
        "Signs the zone, routed names included; nothing below it is needed."},
    Key{"zones[].dnssec.algorithm", word, kOne, kOptional, "", "ecdsap256sha256|ed25519",
        "ecdsap256sha256", "Algorithm of the keys that `key generate` makes."},
    Key{"zones[].dnssec.denial", word, kOne, kOptional, "", "nsec|nsec3|compact", "nsec",
        "How the zone proves that something does not exist."},
    Key{"zones[].dnssec.signature-lifetime", duration, kOne, kOptional, "", "2s..365d", "14d",
        "How long a signature is valid."},
    Key{"zones[].dnssec.refresh", duration, kOne, kOptional, "", "1s..364d", "7d",
        "A signature with less left is made anew; no TTL should be longer."},
    Key{"zones[].dnssec.dnskey-ttl", duration, kOne, kOptional, "", "0s..7d", "1h",
        "TTL of the key sets at the apex."},
    Key{"zones[].dnssec.publish-cds", boolean, kOne, kOptional, "", "", "true",
        "Whether CDS and CDNSKEY tell the parent which DS to have (RFC 7344)."},
    Key{"zones[].dnssec.keys", directory, kOne, kOptional, "", "", "",
        "Folder of the key files; keys in node.state-dir when absent."},
    Key{"zones[].transfer", section, kOne, kOptional, "", "", "",
        "Transfers of the zone (RFC 5936, RFC 1995); nobody may have it when absent."},
    Key{"zones[].transfer.allow", section, kMany, kOptional, "", "", "",
        "Who may have the zone: each item a prefix, a key or both."},
    Key{"zones[].transfer.allow[].prefix", prefix, kOne, kOptional, "", "", "",
        "Addresses that may ask; any when absent."},
    Key{"zones[].transfer.allow[].key", host_name, kOne, kOptional, "", "", "",
        "The key a request has to be signed with; none when absent."},
    Key{"zones[].transfer.notify", section, kMany, kOptional, "", "", "",
        "Secondaries that are told of each new version (RFC 1996)."},
    Key{"zones[].transfer.notify[].address", endpoint, kOne, kRequired, "", "", "",
        "Where the secondary listens; port 53 when absent."},
    Key{"zones[].transfer.notify[].key", host_name, kOne, kOptional, "", "", "",
        "The key that signs the notification."},
    Key{"zones[].transfer.primaries", section, kMany, kOptional, "", "", "",
        "Where the zone comes from, in order of preference, instead of from a file."},
    Key{"zones[].transfer.primaries[].address", endpoint, kOne, kRequired, "", "", "",
        "Where the primary listens and notifies from; port 53 when absent."},
    Key{"zones[].transfer.primaries[].key", host_name, kOne, kOptional, "", "", "",
        "The key that signs requests, replies and notifications."},

    Key{"keys", section, kMany, kOptional, "", "", "",
        "Secrets shared with primaries and secondaries (TSIG, RFC 8945)."},
    Key{"keys[].name", host_name, kOne, kRequired, "", "", "",
        "Name of the key, the same on both sides."},
    Key{"keys[].algorithm", word, kOne, kOptional, "", "hmac-sha256|hmac-sha384|hmac-sha512",
        "hmac-sha256", "How messages are signed."},
    Key{"keys[].secret-file", file, kOne, kRequired, "", "", "",
        "A file with the secret in base64 that only its owner can read (mode 0600)."},

    Key{"sites", section, kMany, kOptional, "", "", "",
        "The sites that answers may name, at most 64."},
    Key{"sites[].name", name, kOne, kRequired, "", "", "", "Name of the site."},
    Key{"sites[].location", number, kMany, kOptional, "degrees", "-180..180", "",
        "Latitude and longitude, north and east positive: [50.11, 8.68]."},
    Key{"sites[].addresses", address, kMany, kOptional, "", "", "",
        "What answers name, IPv4 and IPv6."},
    Key{"sites[].host-name", host_name, kOne, kOptional, "", "", "",
        "The name of the site that services with answer: cname lead to."},

    Key{"services", section, kMany, kOptional, "", "", "",
        "Host names that are answered by measured latency."},
    Key{"services[].name", host_name, kOne, kRequired, "", "", "",
        "The routed host name; it lies in one of the zones."},
    Key{"services[].sites", name, kMany, kRequired, "", "", "",
        "Sites that serve it; also the order of last resort."},
    Key{"services[].answer", word, kOne, kOptional, "", "addresses|cname", "addresses",
        "Whether it answers with addresses of a site, or as an alias of the site's host-name."},
    Key{"services[].ttl", integer, kOne, kOptional, "seconds", "1..86400", "30",
        "TTL of its answers."},
    Key{"services[].on-all-down", word, kOne, kOptional, "", "all|last-good|nodata|servfail", "all",
        "What it answers while no site is up: as if all were, those up last, none, or SERVFAIL."},
    Key{"services[].min-gain", duration, kOne, kOptional, "", "0s..10s", "500us",
        "A change of the best site has to gain more than this."},
    Key{"services[].min-gain-share", number, kOne, kOptional, "", "0..1", "0.03",
        "And more than this share of the round-trip time."},
    Key{"services[].dwell", duration, kOne, kOptional, "", "0s..1h", "10s",
        "And last so long, unless it is 25 ms or more."},
    Key{"services[].objective", word, kOne, kOptional, "", "p50|min|p90", "p50",
        "The round-trip time that counts: the median, the least or the 90th percentile."},
    Key{"services[].merge-within", duration, kOne, kOptional, "", "0s..10s", "0s",
        "Sites that differ by less stand in the service's order, so that scopes are wider."},
    Key{"services[].count", integer, kOne, kOptional, "sites", "1..8", "1",
        "How many sites an answer names: the best, and further ones."},
    Key{"services[].spread", duration, kOne, kOptional, "", "0s..10s", "",
        "Further sites only when they are at most so much slower for the client; absent: any."},
    Key{"services[].others", integer, kOne, kOptional, "sites", "0..7", "0",
        "Of the sites named, so many from beyond the spread."},
    Key{"services[].weights", integer, kMany, kOptional, "", "1..1000", "",
        "One for each site, in their order: how those that are equally good share clients."},
    Key{"services[].https", section, kOne, kOptional, "", "", "",
        "Also answer HTTPS, with the addresses of the site as hints (RFC 9460)."},
    Key{"services[].https.alpn", text, kMany, kOptional, "", "", "",
        "Protocols it speaks, the best first, like h3 and h2."},
    Key{"services[].https.no-default-alpn", boolean, kOne, kOptional, "", "", "false",
        "Whether it speaks these alone, and not HTTP/1.1."},
    Key{"services[].https.port", integer, kOne, kOptional, "", "1..65535", "",
        "Its port, when it is another than the scheme's."},
    Key{"services[].svcb", section, kOne, kOptional, "", "", "",
        "Also answer SVCB, with the addresses of the site as hints (RFC 9460)."},
    Key{"services[].svcb.alpn", text, kMany, kOptional, "", "", "",
        "Protocols it speaks, the best first, like dot and doq."},
    Key{"services[].svcb.no-default-alpn", boolean, kOne, kOptional, "", "", "false",
        "Whether it speaks these alone, and not the default of the scheme."},
    Key{"services[].svcb.port", integer, kOne, kOptional, "", "1..65535", "",
        "Its port, when it is another than the scheme's."},
    Key{"services[].svcb.doh-path", text, kOne, kOptional, "", "", "",
        "Where it answers DNS over HTTPS (RFC 9461), like /dns-query{?dns}."},
};

std::string_view argument_of(const Key& key) {
  switch (key.type) {
    case section:
      return key.count == kMany ? "list of sections" : "section";
    case text:
      return "text";
    case name:
      return "name";
    case host_name:
      return "host name";
    case file:
      return "file";
    case directory:
      return "directory";
    case address:
      return "address";
    case endpoint:
      return "address@port";
    case prefix:
      return "prefix";
    case url:
      return "URL";
    case duration:
      return "duration";
    case integer:
    case number:
      return "number";
    case boolean:
      return "true|false";
    case word:
      return key.range;
  }
  return "value";
}

// "1..256 threads, default 1." after the sentence; empty when there is nothing to say.
std::string limits_of(const Key& key) {
  std::string limits;
  const auto append = [&limits](const std::string& part) {
    limits += (limits.empty() ? "" : ", ") + part;
  };
  if (key.need == kRequired) append("required");
  if (key.count == kMany && key.type != section) append("one or a list");
  if (key.type != word && !key.range.empty()) {
    append(fmt::format("{}{}{}", key.range, key.unit.empty() ? "" : " ", key.unit));
  }
  if (!key.fallback.empty()) append(fmt::format("default {}", key.fallback));
  if (limits.empty()) return limits;
  if (limits.front() >= 'a') limits.front() = static_cast<char>(limits.front() - 'a' + 'A');
  return limits + ".";
}

// Lines of a manual page stay below 80 characters; what follows a line end is the same to mdoc.
std::string wrapped(std::string_view sentence) {
  constexpr std::size_t kWidth = 78;
  std::string lines;
  while (sentence.size() > kWidth) {
    const auto space = sentence.rfind(' ', kWidth);
    lines.append(sentence.substr(0, space)).append("\n");
    sentence.remove_prefix(space + 1);
  }
  return lines.append(sentence);
}

}  // namespace

std::string_view Key::name() const { return path.substr(path.rfind('.') + 1); }

std::string_view Key::section() const {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::span<const Key> config_keys() { return kKeys; }

const Key* find_key(std::string_view path) {
  const auto found =
      std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& key) { return key.path == path; });
  return found == kKeys.end() ? nullptr : &*found;
}

std::string keys_as_mdoc() {
  std::string page = ".Bl -tag -width Ds\n";
  for (const Key& key : kKeys) {
    if (key.type == section && key.section().empty()) {
      page += fmt::format(".El\n.Ss {}\n{}\n.Bl -tag -width Ds\n", key.path, wrapped(key.sentence));
      continue;
    }
    page +=
        fmt::format(".It Cm {} : Ar {}\n{}\n", key.path, argument_of(key), wrapped(key.sentence));
    if (const std::string limits = limits_of(key); !limits.empty()) page += limits + "\n";
  }
  // The first section closes a list that holds nothing yet.
  return page.substr(page.find(".Ss")) + ".El\n";
}

}  // namespace isochrone::app
