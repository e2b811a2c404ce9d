// SPDX-License-Identifier: Apache-2.0
#include "app/config_beacon.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/config_access.h"
#include "base/text.h"
#include "collector/nel.h"

namespace isochrone::app {
namespace {

// 128 bits in hexadecimal digits: nobody guesses less of it.
constexpr std::size_t kLeastSecret = 32;
constexpr std::size_t kMostSecrets = 2;

std::vector<std::string> read_secrets(const Section& section) {
  std::vector<std::string> secrets;
  const std::string text = read_secret(section, "secret-file");
  for (const std::string_view line : split(text, '\n')) {
    if (const auto secret = trim(line); !secret.empty()) secrets.emplace_back(secret);
  }
  const bool is_weak = std::any_of(secrets.begin(), secrets.end(),
                                   [](const auto& each) { return each.size() < kLeastSecret; });
  if (!text.empty() && (secrets.empty() || secrets.size() > kMostSecrets || is_weak)) {
    section.complain(
        section.mark_of("secret-file"),
        "beacon.secret-file: write one or two lines of at least 32 characters, the one "
        "that signs first; `isochrone token FILE` makes such a file");
  }
  return secrets;
}

void check_url(const Section& section, std::string_view key, const std::string& url) {
  if (!url.empty() && collector::host_of_url(url).empty()) {
    section.complain(section.mark_of(key), fmt::format("\"{}\" is no URL; write "
                                                       "https://HOST/PATH",
                                                       url));
  }
}

bool is_origin(std::string_view text) {
  if (text == "*") return true;
  const auto host = text.find("://");
  return !collector::host_of_url(text).empty() &&
         text.find('/', host + 3) == std::string_view::npos;
}

void read_sites(const Section& section, const routing::Topology& topology,
                collector::BeaconOptions& options) {
  std::vector<std::string_view> known;
  for (const auto& site : topology.sites) known.push_back(site.name);
  Unique names("site", section);
  for (const Section& each : section.sections("sites")) {
    collector::BeaconSite site;
    site.site = each.one<std::string>("site").value_or("");
    site.object = each.one<std::string>("object").value_or("");
    site.report = each.one<std::string>("report").value_or("");
    check_url(each, "object", site.object);
    check_url(each, "report", site.report);
    if (site.site.empty()) continue;
    names.check(site.site, each.mark_of("site"));
    if (std::find(known.begin(), known.end(), site.site) == known.end()) {
      each.complain(each.mark_of("site"),
                    fmt::format("unknown site \"{}\"; add it to sites or correct the name{}",
                                site.site, did_you_mean(site.site, known)));
    }
    options.sites.push_back(std::move(site));
  }
}

void check_door(const Section& section, const collector::BeaconOptions& options) {
  if (options.sites.size() < 2) {
    section.complain(section.mark(),
                     "beacon.sites: fewer than two; a browser is to compare sites, name the object "
                     "of each");
  }
  if (options.origins.empty()) {
    section.complain(section.mark(),
                     "beacon.origins is missing; name those whose pages measure, like "
                     "\"https://www.example.com\", or \"*\"");
  }
  const bool is_clear = section.one<bool>("cleartext").value_or(false);
  if (options.tls.empty() && !is_clear && !is_loopback(options.listen.address)) {
    section.complain(
        section.mark_of("listen"),
        fmt::format(
            "{} is reached by others, and browsers do not load what is no HTTPS into pages "
            "that are; add beacon.certificate and beacon.key, or listen on 127.0.0.1 behind "
            "a proxy, or say \"cleartext: true\"",
            options.listen.to_string()));
  }
}

template <class T>
T number(const Section& section, std::string_view key) {
  return static_cast<T>(section.one<std::int64_t>(key).value_or(1));
}
template <class T>
T duration(const Section& section, std::string_view key) {
  return std::chrono::duration_cast<T>(section.one<Nanos>(key).value_or(Seconds(1)));
}

}  // namespace

collector::BeaconOptions read_beacon(const Section& root, const routing::Topology& topology) {
  collector::BeaconOptions options;
  const Section section = root.section("beacon");
  if (!section.is_present()) return options;
  options.is_on = section.has("listen");
  options.listen = section.one<Endpoint>("listen").value_or(Endpoint{});
  options.secrets = read_secrets(section);
  options.tls = read_key_pair(section);
  for (const auto& [origin, mark] : section.many<std::string>("origins")) {
    options.origins.push_back(to_lower(origin));
    if (is_origin(origin)) continue;
    section.complain(mark, fmt::format("\"{}\" is no origin; write https://HOST without a path, or "
                                       "\"*\"",
                                       origin));
  }
  for (const auto& [proxy, mark] : section.many<Prefix>("trusted-proxies")) {
    options.proxies.push_back(proxy);
  }
  options.zone = section.one<std::string>("zone").value_or("");
  options.sample_rate = section.one<double>("sample-rate").value_or(1);
  options.timeout = duration<Millis>(section, "timeout");
  options.token_lifetime = duration<Seconds>(section, "token-lifetime");
  options.candidates = number<unsigned>(section, "candidates");
  options.max_per_prefix = number<unsigned>(section, "max-per-prefix");
  options.max_per_client = number<unsigned>(section, "max-per-client");
  options.quota_window = duration<Seconds>(section, "quota-window");
  options.max_rate = number<unsigned>(section, "max-rate");
  read_sites(section, topology, options);
  if (options.is_on) check_door(section, options);
  return options;
}

}  // namespace isochrone::app
