// SPDX-License-Identifier: Apache-2.0
#include "app/config_terms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "routing/site_states.h"

namespace isochrone::app {
namespace {

constexpr std::string_view kCountry = "country:";
constexpr std::string_view kAs = "as:";

std::optional<routing::SiteId> find_site(const Section& section, const std::string& name, Mark mark,
                                         const std::vector<routing::Site>& sites,
                                         const routing::Service& service) {
  std::vector<std::string_view> names;
  for (const routing::SiteId site : service.sites) {
    names.push_back(sites[site.index()].name);
    if (sites[site.index()].name == name) return site;
  }
  section.complain(mark,
                   fmt::format("site \"{}\" does not serve it; add it to the service's sites or "
                               "correct the name{}",
                               name, did_you_mean(name, names)));
  return std::nullopt;
}

std::vector<routing::Pin> read_pins(const Section& section, const std::vector<routing::Site>& sites,
                                    const routing::Service& service) {
  std::vector<routing::Pin> pins;
  Unique seen("pinned prefix", section);
  for (const Section& each : section.sections("pins")) {
    const auto name = each.one<std::string>("site");
    if (!name) continue;
    const auto site = find_site(each, *name, each.mark_of("site"), sites, service);
    for (const auto& [prefix, mark] : each.many<Prefix>("prefixes")) {
      seen.check(prefix.to_string(), mark);
      if (site) pins.push_back({prefix, *site});
    }
  }
  return pins;
}

bool is_country(std::string_view code) {
  return code.size() == 2 &&
         std::all_of(code.begin(), code.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

void read_routed(const Section& section, const MapFiles& files, collector::Options& options) {
  if (!section.is_present()) return;
  const bool starts_there = section.one<std::string>("start-prefixes") == "routed";
  const Mark mark = section.mark_of("start-prefixes");
  if (files.networks.empty()) {
    if (!starts_there) return;
    section.complain(mark,
                     "collector.start-prefixes: routed without a list of networks; add "
                     "geo.networks");
    return;
  }
  auto networks = routing::RoutedNetworks::load(files.networks);
  if (!networks) return section.complain(mark, networks.error().text());
  options.routed = std::make_shared<const routing::RoutedNetworks>(std::move(*networks));
  if (starts_there) options.networks = options.routed;
}

void TermsReader::read(const Section& section, const std::vector<routing::Site>& sites,
                       routing::Service& service) {
  service.hold_out = section.one<double>("hold-out").value_or(0);
  std::vector<routing::Fence> fences;
  for (const Section& each : section.sections("fences")) {
    fences.push_back(read_fence(each, sites, service));
  }
  service.terms =
      routing::Terms::of(routing::sites_of(service), fences, read_pins(section, sites, service));
}

routing::Fence TermsReader::read_fence(const Section& section,
                                       const std::vector<routing::Site>& sites,
                                       const routing::Service& service) {
  routing::Fence fence;
  for (const auto& [name, mark] : section.many<std::string>("sites")) {
    const auto site = find_site(section, name, mark, sites, service);
    if (site) fence.sites |= routing::site_bit(*site);
  }
  const bool is_only = section.has("only-in");
  if (is_only == section.has("never-in")) {
    section.complain(section.mark(),
                     "services[].fences[]: give exactly one of only-in and never-in");
    return fence;
  }
  fence.kind = is_only ? routing::Fence::Kind::only_in : routing::Fence::Kind::never_in;
  for (const auto& [text, mark] : section.many<std::string>(is_only ? "only-in" : "never-in")) {
    if (auto region = region_of(section, text, mark)) fence.regions.push_back(std::move(*region));
  }
  return fence;
}

std::optional<routing::Region> TermsReader::region_of(const Section& section,
                                                      const std::string& text, Mark mark) {
  if (text.starts_with(kCountry) && is_country(std::string_view(text).substr(kCountry.size()))) {
    return country(section, std::string_view(text).substr(kCountry.size()), mark);
  }
  if (text.starts_with(kAs)) {
    const auto as = parse_number<std::uint32_t>(std::string_view(text).substr(kAs.size()));
    if (as && *as > 0) return network_of_as(section, *as, mark);
  }
  if (const auto prefix = Prefix::parse(text)) return routing::Region{{*prefix, true}};
  section.complain(mark,
                   fmt::format("\"{}\" is no place; write a prefix, country:DE or as:64496", text));
  return std::nullopt;
}

routing::Region TermsReader::country(const Section& section, std::string_view code, Mark mark) {
  if (files_.countries.empty()) {
    section.complain(mark, fmt::format("country:{} without a map; add geo.countries or "
                                       "geo.database",
                                       code));
    return {};
  }
  if (!countries_) {
    auto loaded = routing::load_countries(files_.countries);
    if (!loaded) section.complain(mark, loaded.error().text());
    countries_ = loaded ? std::move(*loaded) : std::vector<routing::CountryNetwork>();
  }
  routing::Region region;
  for (const routing::CountryNetwork& network : *countries_) {
    if (std::string_view(network.country.data(), 2) == code)
      region.push_back({network.prefix, true});
  }
  if (region.empty() && !countries_->empty()) {
    section.complain(mark, fmt::format("{} has no network in country:{}; correct the code",
                                       files_.countries.string(), code));
  }
  return region;
}

routing::Region TermsReader::network_of_as(const Section& section, std::uint32_t as, Mark mark) {
  if (files_.networks.empty()) {
    section.complain(mark, fmt::format("as:{} without a list of networks; add geo.networks", as));
    return {};
  }
  if (!networks_) {
    auto loaded = routing::RoutedNetworks::load(files_.networks);
    if (!loaded) section.complain(mark, loaded.error().text());
    networks_ = loaded ? std::move(*loaded) : routing::RoutedNetworks();
  }
  routing::Region region = networks_->region_of(as);
  if (region.empty() && !networks_->networks().empty()) {
    section.complain(mark, fmt::format("{} has no network of as:{}; correct the number",
                                       files_.networks.string(), as));
  }
  return region;
}

}  // namespace isochrone::app
