// SPDX-License-Identifier: Apache-2.0
#include "app/config_prober.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "prober/hit_list.h"

namespace isochrone::app {
namespace {

// Of a value that was complained about nothing is used, so any number will do.
template <class T>
T number(const Section& section, std::string_view key) {
  return static_cast<T>(section.one<std::int64_t>(key).value_or(1));
}
Millis duration(const Section& section, std::string_view key) {
  return std::chrono::duration_cast<Millis>(section.one<Nanos>(key).value_or(Seconds(1)));
}

routing::Method method_of(std::string_view word) {
  return word == "tcp"   ? routing::Method::tcp
         : word == "dns" ? routing::Method::dns
         : word == "hop" ? routing::Method::hop
                         : routing::Method::icmp;
}

void read_methods(const Section& section, prober::Options& options) {
  options.methods.clear();
  Unique methods("method", section);
  for (const auto& [word, mark] : section.many<std::string>("methods")) {
    methods.check(word, mark);
    options.methods.push_back(method_of(word));
  }
  if (section.is_empty_list("methods")) {
    section.complain(section.mark_of("methods"),
                     "prober.methods: none; write at least one of icmp, tcp, dns and hop");
  }
}

void read_passive(const Section& section, prober::PassiveOptions& passive) {
  Unique ports("port", section);
  for (const auto& [port, mark] : section.many<std::int64_t>("ports")) {
    ports.check(std::to_string(port), mark);
    passive.ports.push_back(static_cast<std::uint16_t>(port));
  }
  if (passive.ports.size() > prober::kMaxPassivePorts) {
    section.complain(section.mark_of("ports"), "prober.passive.ports: more than 100; name fewer");
  }
  passive.interval = duration(section, "interval");
  if (section.has("log")) passive.log = section.file("log");
  passive.address_field = number<unsigned>(section, "log-address-field");
  if (section.is_present() && !passive.is_on()) {
    section.complain(section.mark_of("interval"),
                     "prober.passive: nothing to watch; name ports or a log");
  }
}

void read_targets(const Section& section, prober::Options& options) {
  for (const auto& [prefix, mark] : section.many<Prefix>("opt-out")) {
    options.opt_out.push_back(prefix);
  }
  Unique prefixes("target", section);
  for (const Section& target : section.sections("targets")) {
    const auto prefix = target.one<Prefix>("prefix");
    const auto address = target.one<Address>("address");
    if (!prefix || !address) continue;
    prefixes.check(prefix->to_string(), target.mark_of("prefix"));
    options.targets.push_back({*prefix, *address});
  }
}

// What the file of this key lists, after what is there.
template <class T>
void append_list(const Section& section, std::string_view key,
                 Result<std::vector<T>> (*parse)(std::string_view, const std::string&),
                 std::vector<T>& to) {
  if (!section.has(key)) return;
  const auto file = section.file(key);
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) return;  // the section complained
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  // One octet more than may be there shows that there is too much.
  text.resize(std::min<std::size_t>(size, prober::kMaxListBytes + 1));
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  const auto list = parse(text, file.string());
  if (!list) return section.complain(section.mark_of(key), list.error().text());
  to.insert(to.end(), list->begin(), list->end());
}

}  // namespace

prober::Options read_prober(const Section& section) {
  prober::Options options;
  options.site = section.one<std::string>("site").value_or("");
  options.tcp_port = number<std::uint16_t>(section, "tcp-port");
  options.round_interval = duration(section, "round-interval");
  options.probes_per_round = number<unsigned>(section, "probes-per-round");
  options.rate_per_network_pps = number<std::uint32_t>(section, "rate-per-network");
  options.rate_pps = number<std::uint32_t>(section, "rate");
  options.timeout = duration(section, "timeout");
  options.heartbeat = duration(section, "heartbeat");
  options.contact = section.one<std::string>("contact").value_or("");
  options.allow_private = section.one<bool>("allow-private").value_or(false);
  Unique families("source address of family", section);
  for (const auto& [address, mark] : section.many<Address>("source-addresses")) {
    families.check(address.is_v4() ? "IPv4" : "IPv6", mark);
    options.source_addresses.push_back(address);
  }
  read_methods(section, options);
  read_passive(section.section("passive"), options.passive);
  read_targets(section, options);
  append_list(section, "opt-out-file", prober::parse_prefix_list, options.opt_out);
  append_list(section, "hit-list", prober::parse_hit_list, options.targets);
  if (section.is_present() && options.timeout >= options.round_interval) {
    section.complain(
        section.mark_of(section.has("timeout") ? "timeout" : "round-interval"),
        fmt::format("prober.timeout {} is not shorter than prober.round-interval {}; "
                    "answers must be in before the next round",
                    format_duration(options.timeout), format_duration(options.round_interval)));
  }
  return options;
}

void check_prober(const Section& section, const prober::Options& options,
                  const routing::Topology& topology) {
  std::vector<std::string_view> known;
  for (const auto& site : topology.sites) known.push_back(site.name);
  // A prober alone may leave the sites to the collector's configuration.
  if (known.empty() || options.site.empty() ||
      std::find(known.begin(), known.end(), options.site) != known.end()) {
    return;
  }
  section.complain(section.mark_of("site"),
                   fmt::format("unknown site \"{}\"; add it to sites or correct the name{}",
                               options.site, did_you_mean(options.site, known)));
}

}  // namespace isochrone::app
