// SPDX-License-Identifier: Apache-2.0
//
// Reading zones, sites and services, and checking each name against the others.
#include "app/config_topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace isochrone::app {
namespace {

std::optional<routing::Location> read_location(const Section& section) {
  const auto degrees = section.many<double>("location");
  if (!section.has("location")) return std::nullopt;
  if (degrees.size() != 2) {
    section.complain(section.mark_of("location"),
                     "sites[].location: not two numbers; write [LATITUDE, LONGITUDE] in degrees, "
                     "like [50.11, 8.68]");
    return std::nullopt;
  }
  if (degrees[0].value < -90 || degrees[0].value > 90) {
    section.complain(degrees[0].mark,
                     "sites[].location: latitude is outside -90..90 degrees; it comes first, then "
                     "the longitude");
  }
  return routing::Location{degrees[0].value, degrees[1].value};
}

std::vector<Address> read_addresses(const Section& section) {
  Unique seen("address", section);
  std::vector<Address> addresses;
  for (const auto& [address, mark] : section.many<Address>("addresses")) {
    seen.check(address.to_string(), mark);
    if (address.high() == 0 && address.low() == 0) {
      section.complain(mark, fmt::format("{} is nowhere; write the address that clients connect to",
                                         address.to_string()));
    }
    addresses.push_back(address);
  }
  return addresses;
}

// A list that is there and holds nothing; what is wrong inside it has been said already.
void check_not_empty(const Section& section, std::string_view key, std::string_view what) {
  if (section.is_empty_list(key)) section.complain(section.mark_of(key), std::string(what));
}

std::vector<routing::Site> read_sites(const Section& root) {
  Unique names("site", root);
  std::vector<routing::Site> sites;
  for (const Section& section : root.sections("sites")) {
    if (sites.size() == routing::kMaxSites) {
      section.complain(section.mark(),
                       fmt::format("more than {} sites; split them by service over several nodes",
                                   routing::kMaxSites));
    }
    routing::Site site;
    site.name = section.one<std::string>("name").value_or("");
    site.location = read_location(section);
    site.addresses = read_addresses(section);
    check_not_empty(section, "addresses",
                    "sites[].addresses: none; an answer has to name one, add it");
    if (!site.name.empty()) names.check(site.name, section.mark_of("name"));
    sites.push_back(std::move(site));
  }
  return sites;
}

std::vector<routing::SiteId> read_service_sites(const Section& section,
                                                const std::vector<routing::Site>& known) {
  std::vector<std::string_view> names;
  for (const routing::Site& site : known) names.push_back(site.name);
  Unique seen("site", section);
  std::vector<routing::SiteId> sites;
  for (const auto& [name, mark] : section.many<std::string>("sites")) {
    seen.check(name, mark);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      section.complain(
          mark, fmt::format("unknown site \"{}\"; add it to sites or correct the name{}", name,
                            did_you_mean(name, names)));
      continue;
    }
    sites.emplace_back(static_cast<std::uint16_t>(found - names.begin()));
  }
  check_not_empty(section, "sites",
                  "services[].sites: none; a service needs at least one site, add it");
  return sites;
}

bool is_within(std::string_view name, std::string_view zone) {
  return name == zone || (name.size() > zone.size() && name.ends_with(zone) &&
                          name[name.size() - zone.size() - 1] == '.');
}

// Only where zones are: a collector alone needs none.
void check_in_a_zone(const Section& section, const std::string& service,
                     const std::vector<dns::ZoneSource>& zones) {
  const auto holds = [&](const dns::ZoneSource& zone) { return is_within(service, zone.name); };
  if (zones.empty() || std::any_of(zones.begin(), zones.end(), holds)) return;
  std::vector<std::string_view> names;
  for (const auto& zone : zones) names.push_back(zone.name);
  section.complain(section.mark_of("name"),
                   fmt::format("service \"{}\" lies in none of the zones {}; add its zone or "
                               "correct the name",
                               service, fmt::join(names, ", ")));
}

routing::OnAllDown on_all_down_of(std::string_view word) {
  if (word == "last-good") return routing::OnAllDown::last_good;
  if (word == "nodata") return routing::OnAllDown::nodata;
  if (word == "servfail") return routing::OnAllDown::servfail;
  return routing::OnAllDown::all;
}

routing::Service read_service(const Section& section, const std::vector<routing::Site>& sites) {
  // Of a service that was complained about nothing is used, so any value will do.
  routing::Service service;
  service.name = section.one<std::string>("name").value_or("");
  service.sites = read_service_sites(section, sites);
  service.ttl = Seconds(section.one<std::int64_t>("ttl").value_or(1));
  service.on_all_down = on_all_down_of(section.one<std::string>("on-all-down").value_or("all"));
  service.min_gain =
      std::chrono::duration_cast<Micros>(section.one<Nanos>("min-gain").value_or(Nanos(0)));
  service.min_gain_share = section.one<double>("min-gain-share").value_or(0);
  service.dwell =
      std::chrono::duration_cast<Seconds>(section.one<Nanos>("dwell").value_or(Nanos(0)));
  const auto objective = section.one<std::string>("objective").value_or("p50");
  service.objective = objective == "min"   ? routing::Objective::min
                      : objective == "p90" ? routing::Objective::p90
                                           : routing::Objective::p50;
  return service;
}

Seconds seconds_of(const Section& section, std::string_view key) {
  return std::chrono::duration_cast<Seconds>(section.one<Nanos>(key).value_or(Seconds(1)));
}

std::optional<dns::SigningPolicy> read_signing(const Section& section) {
  if (!section.is_present()) return std::nullopt;
  dns::SigningPolicy policy;
  policy.algorithm = dns::parse_algorithm(section.one<std::string>("algorithm").value_or(""))
                         .value_or(policy.algorithm);
  const auto denial = section.one<std::string>("denial").value_or("");
  policy.denial = denial == "nsec3"     ? dns::Denial::nsec3
                  : denial == "compact" ? dns::Denial::compact
                                        : dns::Denial::nsec;
  policy.lifetime = seconds_of(section, "signature-lifetime");
  policy.refresh = seconds_of(section, "refresh");
  policy.dnskey_ttl = seconds_of(section, "dnskey-ttl");
  policy.publish_cds = section.one<bool>("publish-cds").value_or(true);
  policy.keys = section.path("keys");
  if (policy.refresh >= policy.lifetime) {
    section.complain(
        section.mark_of(section.has("refresh") ? "refresh" : "signature-lifetime"),
        fmt::format("zones[].dnssec.refresh {} is not shorter than signature-lifetime {}; "
                    "signatures would be made anew all the time, half of it is usual",
                    format_duration(policy.refresh), format_duration(policy.lifetime)));
  }
  return policy;
}

// The name of a key of the list; empty without.
std::string read_key_name(const Section& section, const std::vector<dns::TsigKeySource>& keys) {
  if (!section.has("key")) return {};
  const auto name = section.one<std::string>("key").value_or("");
  std::vector<std::string_view> known;
  for (const auto& key : keys) known.push_back(key.name);
  if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
    section.complain(section.mark_of("key"),
                     fmt::format("unknown key \"{}\"; add it to keys or correct the name{}", name,
                                 did_you_mean(name, known)));
  }
  return name;
}

std::vector<dns::TransferPeer> read_peers(const Section& transfer, std::string_view list,
                                          const std::vector<dns::TsigKeySource>& keys) {
  std::vector<dns::TransferPeer> peers;
  for (const Section& section : transfer.sections(list)) {
    const auto address = section.one<Endpoint>("address");
    auto key = read_key_name(section, keys);
    if (address) peers.push_back({*address, std::move(key)});
  }
  return peers;
}

dns::TransferOptions read_transfer(const Section& transfer,
                                   const std::vector<dns::TsigKeySource>& keys) {
  dns::TransferOptions options;
  options.notify = read_peers(transfer, "notify", keys);
  options.primaries = read_peers(transfer, "primaries", keys);
  for (const Section& section : transfer.sections("allow")) {
    const std::string key = read_key_name(section, keys);
    if (section.has("prefix")) {
      if (const auto prefix = section.one<Prefix>("prefix"))
        options.allow.push_back({*prefix, key});
    } else if (section.has("key")) {
      options.allow.push_back({Prefix(), key});
      options.allow.push_back({Prefix(Address::from_bits(Family::v6, 0, 0), 0), key});
    } else {
      section.complain(section.mark(),
                       "zones[].transfer.allow[]: neither prefix nor key; everyone could have the "
                       "zone, give one or both");
    }
  }
  return options;
}

}  // namespace

std::vector<dns::TsigKeySource> read_keys(const Section& root) {
  Unique names("key", root);
  std::vector<dns::TsigKeySource> keys;
  for (const Section& section : root.sections("keys")) {
    dns::TsigKeySource key;
    key.name = section.one<std::string>("name").value_or("");
    key.secret_file = section.file("secret-file");
    const auto algorithm = section.one<std::string>("algorithm").value_or("");
    if (algorithm == "hmac-sha384") key.algorithm = dns::HmacAlgorithm::sha384;
    if (algorithm == "hmac-sha512") key.algorithm = dns::HmacAlgorithm::sha512;
    if (!key.name.empty()) names.check(key.name, section.mark_of("name"));
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<dns::ZoneSource> read_zones(const Section& root,
                                        const std::vector<dns::TsigKeySource>& keys) {
  Unique names("zone", root);
  std::vector<dns::ZoneSource> zones;
  for (const Section& section : root.sections("zones")) {
    const auto name = section.one<std::string>("name");
    auto file = section.file("file");
    const Section transfer = section.section("transfer");
    auto options = read_transfer(transfer, keys);
    if (section.has("file") == transfer.has("primaries")) {
      section.complain(section.mark(),
                       "zones[]: a zone has either a file or transfer.primaries; give one of them");
    }
    if (!name) continue;
    names.check(*name, section.mark_of("name"));
    const Section dnssec = section.section("dnssec");
    if (dnssec.is_present() && (!options.allow.empty() || !options.primaries.empty())) {
      section.complain(dnssec.mark(),
                       "zones[].dnssec with transfers: they would carry the zone unsigned, and "
                       "validators take that for forged; use one or the other");
    }
    zones.push_back({*name, std::move(file), read_signing(dnssec), !options.primaries.empty(),
                     std::move(options)});
  }
  return zones;
}

routing::Topology read_topology(const Section& root, const std::vector<dns::ZoneSource>& zones) {
  routing::Topology topology;
  topology.sites = read_sites(root);
  Unique names("service", root);
  for (const Section& section : root.sections("services")) {
    routing::Service service = read_service(section, topology.sites);
    if (!service.name.empty()) {
      names.check(service.name, section.mark_of("name"));
      check_in_a_zone(section, service.name, zones);
    }
    topology.services.push_back(std::move(service));
  }
  if (!topology.services.empty() && topology.sites.empty()) {
    root.complain(root.mark_of("services"), "services without sites; add \"sites:\"");
  }
  return topology;
}

}  // namespace isochrone::app
