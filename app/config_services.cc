// SPDX-License-Identifier: Apache-2.0
#include "app/config_services.h"

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
    if (section.has("host-name")) {
      site.host_name = section.one<std::string>("host-name").value_or("?");
    } else {
      check_not_empty(section, "addresses",
                      "sites[].addresses: none; an answer has to name one, add it");
    }
    if (!section.has("host-name") && !section.has("addresses")) {
      section.complain(
          section.mark(),
          "sites[]: neither addresses nor host-name; an answer has to name one, add it");
    }
    if (!site.name.empty()) names.check(site.name, section.mark_of("name"));
    sites.push_back(std::move(site));
  }
  return sites;
}

// A site that the service could never name is in its list by mistake. One that has neither was complained
// about already.
void check_nameable(const Section& section, const routing::Site& site, Mark mark,
                    routing::AnswerWith answer) {
  const bool is_alias = answer == routing::AnswerWith::host_name;
  if (site.host_name.empty() == site.addresses.empty()) return;
  if (is_alias ? !site.host_name.empty() : !site.addresses.empty()) return;
  section.complain(mark, fmt::format("services[].sites: site \"{}\" has no {}, which this service "
                                     "answers with; add sites[].{} or take the site out",
                                     site.name, is_alias ? "host name" : "addresses",
                                     is_alias ? "host-name" : "addresses"));
}

std::vector<routing::SiteId> read_service_sites(const Section& section,
                                                const std::vector<routing::Site>& known,
                                                routing::AnswerWith answer) {
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
    const auto index = static_cast<std::size_t>(found - names.begin());
    check_nameable(section, known[index], mark, answer);
    sites.emplace_back(static_cast<std::uint16_t>(index));
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

// What HTTPS or SVCB records say besides the addresses.
std::optional<routing::Binding> read_binding(const Section& section) {
  if (!section.is_present()) return std::nullopt;
  routing::Binding binding;
  Unique seen("protocol", section);
  for (const auto& [protocol, mark] : section.many<std::string>("alpn")) {
    seen.check(protocol, mark);
    if (protocol.empty()) section.complain(mark, "an empty protocol; write one like h2");
    binding.alpn.push_back(protocol);
  }
  binding.has_default_alpn = !section.one<bool>("no-default-alpn").value_or(false);
  if (section.has("port")) {
    binding.port = static_cast<std::uint16_t>(section.one<std::int64_t>("port").value_or(1));
  }
  // RFC 9460 section 7.1.1: without protocols of its own a record without the default has none.
  if (!binding.has_default_alpn && binding.alpn.empty()) {
    section.complain(section.mark_of("no-default-alpn"),
                     "no-default-alpn without alpn: no protocol is left; name some in alpn");
  }
  return binding;
}

// RFC 9461 section 5: a URI template with the variable of the query.
std::string read_doh_path(const Section& section) {
  if (!section.has("doh-path")) return {};
  auto path = section.one<std::string>("doh-path").value_or("");
  if (!path.starts_with('/') || path.find("{?dns}") == std::string::npos) {
    section.complain(section.mark_of("doh-path"),
                     fmt::format("\"{}\" is no path of DNS over HTTPS; write one like "
                                 "/dns-query{{?dns}}",
                                 path));
  }
  return path;
}

void read_bindings(const Section& section, routing::Service& service) {
  for (const auto& [key, to] :
       {std::pair{"https", &service.https}, std::pair{"svcb", &service.svcb}}) {
    *to = read_binding(section.section(key));
    if (*to && service.answer == routing::AnswerWith::host_name) {
      section.complain(section.mark_of(key),
                       fmt::format("services[].{} with answer: cname: an alias can have nothing "
                                   "else; remove one of them",
                                   key));
    }
  }
  if (service.svcb) service.svcb->doh_path = read_doh_path(section.section("svcb"));
}

// An alias to itself would lead nowhere.
void check_alias(const Section& section, const routing::Service& service,
                 const std::vector<routing::Site>& sites) {
  if (service.answer != routing::AnswerWith::host_name) return;
  for (const routing::SiteId site : service.sites) {
    if (sites[site.index()].host_name != service.name) continue;
    section.complain(section.mark_of("answer"),
                     fmt::format("service \"{}\" would lead to itself: it is the host-name of site "
                                 "\"{}\"; give the site a name of its own",
                                 service.name, sites[site.index()].name));
  }
}

routing::Service read_service(const Section& section, const std::vector<routing::Site>& sites) {
  // Of a service that was complained about nothing is used, so any value will do.
  routing::Service service;
  service.name = section.one<std::string>("name").value_or("");
  if (section.one<std::string>("answer").value_or("") == "cname") {
    service.answer = routing::AnswerWith::host_name;
  }
  service.sites = read_service_sites(section, sites, service.answer);
  read_bindings(section, service);
  check_alias(section, service, sites);
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

}  // namespace

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
