// SPDX-License-Identifier: Apache-2.0
#include "app/config_services.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "dns/site_sets.h"

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
    site.capacity = static_cast<std::uint64_t>(section.one<std::int64_t>("capacity").value_or(0));
    site.commit = static_cast<std::uint64_t>(section.one<std::int64_t>("commit").value_or(0));
    if (section.has("beyond-commit") && !section.has("commit")) {
      section.complain(section.mark_of("beyond-commit"),
                       "sites[].beyond-commit without sites[].commit: nothing to go beyond; add "
                       "commit or take it out");
    }
    if (site.commit > 0) {
      site.beyond_commit = std::chrono::duration_cast<Micros>(
          section.one<Nanos>("beyond-commit").value_or(Nanos(0)));
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

void read_weights(const Section& section, routing::Service& service) {
  if (!section.has("weights")) return;
  for (const auto& item : section.many<std::int64_t>("weights")) {
    service.weights.push_back(static_cast<std::uint16_t>(item.value));
  }
  if (service.weights.size() == service.sites.size()) return;
  section.complain(section.mark_of("weights"),
                   fmt::format("{} weights for {} sites; give one for each, in the order of sites",
                               service.weights.size(), service.sites.size()));
}

// Records of one set have to differ.
void check_distinct(const Section& section, const routing::Service& service,
                    const std::vector<routing::Site>& sites) {
  std::map<Address, std::string> seen;
  for (const routing::SiteId id : service.sites) {
    const routing::Site& site = sites[id.index()];
    for (const Address& address : site.addresses) {
      const auto [other, is_new] = seen.emplace(address, site.name);
      if (is_new || other->second == site.name) continue;
      section.complain(section.mark_of("count"),
                       fmt::format("sites \"{}\" and \"{}\" share {}, so one answer cannot name "
                                   "both; take one out of sites or write count: 1",
                                   other->second, site.name, address.to_string()));
    }
  }
}

void read_answer_set(const Section& section, routing::Service& service,
                     const std::vector<routing::Site>& sites) {
  service.count = static_cast<unsigned>(section.one<std::int64_t>("count").value_or(1));
  service.others = static_cast<unsigned>(section.one<std::int64_t>("others").value_or(0));
  if (section.has("spread")) {
    service.spread =
        std::chrono::duration_cast<Micros>(section.one<Nanos>("spread").value_or(Nanos(0)));
  }
  read_weights(section, service);
  if (service.count > 1 && service.answer == routing::AnswerWith::host_name) {
    section.complain(
        section.mark_of("count"),
        "services[].count with answer: cname: an alias leads to one name; remove one of "
        "them");
  }
  if (service.spread && service.count == 1) {
    section.complain(
        section.mark_of("spread"),
        "services[].spread without further sites; write count: 2 or more, or remove it");
  }
  if (service.others > 0 && !service.spread) {
    section.complain(section.mark_of("others"),
                     "services[].others without spread, which says who is another; add it");
  }
  if (service.others > 0 && service.others >= service.count) {
    section.complain(section.mark_of("others"),
                     fmt::format("services[].others {} leaves no place for the best of count {}; "
                                 "raise count or lower others",
                                 service.others, service.count));
  }
  if (service.count > 1) check_distinct(section, service, sites);
}

// Each set of sites that an answer can name is signed ahead, of bindings each order of them. At 30 to 60 us each so many take two to
// four seconds before a node listens, and about 8 MB.
constexpr std::uint64_t kMaxSignedSets = 65'536;

std::uint64_t sets_to_sign(const routing::Service& service,
                           const std::vector<routing::Site>& sites) {
  std::size_t v4 = 0;
  std::size_t v6 = 0;
  for (const routing::SiteId site : service.sites) {
    const auto& addresses = sites[site.index()].addresses;
    v4 += std::any_of(addresses.begin(), addresses.end(), [](const auto& a) { return a.is_v4(); });
    v6 += std::any_of(addresses.begin(), addresses.end(), [](const auto& a) { return !a.is_v4(); });
  }
  const std::uint64_t bindings = (service.https ? 1U : 0U) + (service.svcb ? 1U : 0U);
  return dns::count_of_sets(v4, service.count) + dns::count_of_sets(v6, service.count) +
         bindings * dns::count_of_orders(service.sites.size(), service.count);
}

// Services that name one site have never more sets than sites and types, and are not counted.
void check_sets_to_sign(const Section& section, const routing::Service& service,
                        const std::vector<routing::Site>& sites,
                        const std::vector<dns::ZoneSource>& zones, std::uint64_t& so_far) {
  const dns::ZoneSource* around = nullptr;
  for (const dns::ZoneSource& zone : zones) {
    if (!is_within(service.name, zone.name)) continue;
    if (around == nullptr || zone.name.size() > around->name.size()) around = &zone;
  }
  if (service.count == 1 || around == nullptr || !around->signing) return;
  if (service.sites.size() > routing::kMaxSites) return;
  const std::uint64_t sets = sets_to_sign(service, sites);
  const bool was_within = so_far <= kMaxSignedSets;
  so_far += sets;
  if (!was_within || so_far <= kMaxSignedSets) return;
  section.complain(
      section.mark_of("count"),
      fmt::format("count {} of {} sites makes {} sets to sign ahead in zone {}, with "
                  "those of the services before {}; at most {} can be, lower count or "
                  "name fewer sites",
                  service.count, service.sites.size(), sets, around->name, so_far, kMaxSignedSets));
}

routing::Service read_service(const Section& section, const std::vector<routing::Site>& sites,
                              TermsReader& terms) {
  // Of a service that was complained about nothing is used, so any value will do.
  routing::Service service;
  service.name = section.one<std::string>("name").value_or("");
  if (section.one<std::string>("answer").value_or("") == "cname") {
    service.answer = routing::AnswerWith::host_name;
  }
  service.sites = read_service_sites(section, sites, service.answer);
  read_bindings(section, service);
  read_answer_set(section, service, sites);
  check_alias(section, service, sites);
  service.ttl = Seconds(section.one<std::int64_t>("ttl").value_or(1));
  service.on_all_down = on_all_down_of(section.one<std::string>("on-all-down").value_or("all"));
  service.min_gain =
      std::chrono::duration_cast<Micros>(section.one<Nanos>("min-gain").value_or(Nanos(0)));
  service.min_gain_share = section.one<double>("min-gain-share").value_or(0);
  service.dwell =
      std::chrono::duration_cast<Seconds>(section.one<Nanos>("dwell").value_or(Nanos(0)));
  service.merge_within =
      std::chrono::duration_cast<Micros>(section.one<Nanos>("merge-within").value_or(Nanos(0)));
  const auto objective = section.one<std::string>("objective").value_or("p50");
  service.objective = objective == "min"          ? routing::Objective::min
                      : objective == "p90"        ? routing::Objective::p90
                      : objective == "throughput" ? routing::Objective::throughput
                                                  : routing::Objective::p50;
  terms.read(section, sites, service);
  return service;
}

}  // namespace

routing::Topology read_topology(const Section& root, const std::vector<dns::ZoneSource>& zones,
                                const MapFiles& maps) {
  routing::Topology topology;
  topology.sites = read_sites(root);
  Unique names("service", root);
  TermsReader terms(maps);
  std::uint64_t sets_to_sign = 0;
  for (const Section& section : root.sections("services")) {
    routing::Service service = read_service(section, topology.sites, terms);
    if (!service.name.empty()) {
      names.check(service.name, section.mark_of("name"));
      check_in_a_zone(section, service.name, zones);
      check_sets_to_sign(section, service, topology.sites, zones, sets_to_sign);
    }
    topology.services.push_back(std::move(service));
  }
  if (!topology.services.empty() && topology.sites.empty()) {
    root.complain(root.mark_of("services"), "services without sites; add \"sites:\"");
  }
  return topology;
}

}  // namespace isochrone::app
