// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/world.h"

#include <fmt/format.h>

#include "base/http_client.h"
#include "base/listening.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/time.h"

namespace isochrone::test {
namespace {

constexpr Millis kTimeout{5'000};

std::string now() { return format_instant(Loop().wall()); }

}  // namespace

std::uint16_t free_port() {
  const auto socket = listen_tcp({*Address::parse("127.0.0.1"), 0});
  return socket ? bound_port(*socket) : std::uint16_t{0};
}

World::World() { write_zone(); }

void World::write_zone(std::string_view more) const {
  write("example.com.zone", fmt::format("$ORIGIN example.com.\n"
                                        "$TTL 300\n"
                                        "@   IN SOA ns1 hostmaster 1 3600 600 86400 60\n"
                                        "    IN NS  ns1\n"
                                        "ns1 IN A   192.0.2.53\n{}",
                                        more));
}

std::string World::topology() {
  return "sites:\n"
         "  - {name: fra, addresses: 192.0.2.1}\n"
         "  - {name: iad, addresses: 192.0.2.2}\n"
         "  - {name: sin, addresses: 192.0.2.3}\n"
         "services:\n"
         "  - {name: www.example.com, sites: [fra, iad, sin]}\n";
}

std::string World::all_in_one() const {
  return "node: {name: ns1, state-dir: state-ns1, roles: [dns, collector]}\n"
         "dns: {listen: 127.0.0.1@0}\n"
         "collector: {listen: 127.0.0.1@0, window: 200ms, lateness: 1s}\n"
         "zones: [{name: example.com, file: example.com.zone}]\n" +
         topology();
}

std::string World::collector_only(std::uint16_t port) const {
  return fmt::format(
             "node: {{name: c1, state-dir: state-c1}}\n"
             "collector: {{listen: 127.0.0.1@{}, window: 200ms, lateness: 1s}}\n",
             port) +
         topology();
}

std::string World::dns_only(const std::string& collector_url) const {
  return "node: {name: ns1, state-dir: state-ns1, http: 127.0.0.1@0}\n"
         "dns: {listen: 127.0.0.1@0}\n" +
         (collector_url.empty() ? std::string()
                                : fmt::format("collector: {{url: '{}'}}\n", collector_url)) +
         "zones: [{name: example.com, file: example.com.zone}]\n" + topology();
}

nlohmann::json get_json(const HttpAccess& collector, const std::string& path) {
  HttpClient client(collector);
  const auto reply = client.get(path, kTimeout);
  if (!reply || reply->status != 200) return nlohmann::json::object();
  auto json = nlohmann::json::parse(reply->body, nullptr, false);
  return json.is_discarded() ? nlohmann::json::object() : json;
}

std::optional<Posted> post(const HttpAccess& collector, const std::string& channel,
                           const std::string& ndjson) {
  HttpClient client(collector);
  const auto reply = client.post(fmt::format("/v1/channels/{}/events", channel),
                                 "application/x-ndjson", ndjson, kTimeout);
  if (!reply) return std::nullopt;
  return Posted{reply->status, nlohmann::json::parse(reply->body, nullptr, false)};
}

std::vector<nlohmann::json> events_of(const HttpAccess& collector, const std::string& channel) {
  HttpClient client(collector);
  std::vector<nlohmann::json> events;
  std::string position = "0";
  while (true) {
    const auto reply = client.get(
        fmt::format("/v1/channels/{}/events?after={}&limit=1000", channel, position), kTimeout);
    if (!reply || reply->status != 200 || trim(reply->body).empty()) return events;
    for (const std::string_view line : split(trim(reply->body), '\n')) {
      events.push_back(nlohmann::json::parse(line, nullptr, false));
    }
    position = reply->header("x-isochrone-position");
  }
}

std::string measurement(std::string_view site, std::string_view prefix, int rtt_us,
                        std::uint64_t sequence, std::string_view source) {
  nlohmann::json event{
      {"time", now()}, {"site", site}, {"prefix", prefix}, {"method", "icmp"}, {"rtt_us", rtt_us}};
  if (sequence > 0) {
    event["id"] = {{"source", source}, {"epoch", 1}, {"sequence", sequence}};
  }
  return event.dump() + "\n";
}

std::string operator_says(std::string_view site, std::string_view status, std::uint64_t sequence) {
  return nlohmann::json{{"time", now()},
                        {"site", site},
                        {"status", status},
                        {"origin", "operator"},
                        {"id", {{"source", "noc"}, {"epoch", 1}, {"sequence", sequence}}}}
             .dump() +
         "\n";
}

std::optional<Address> answer_for(const Endpoint& dns, std::string_view subnet) {
  const auto reply = ask(dns, {std::string(kService), 1, Prefix::parse(subnet)});
  if (!reply || reply->rcode != 0 || reply->addresses.empty()) return std::nullopt;
  return reply->addresses.front();
}

bool answers(const Endpoint& dns, std::string_view subnet, std::string_view address) {
  return answer_for(dns, subnet) == Address::parse(address);
}

double metric(const HttpAccess& node, const std::string& name) {
  HttpClient client(node);
  const auto reply = client.get("/metrics", kTimeout);
  const auto at = reply ? reply->body.find("\n" + name + " ") : std::string::npos;
  return at == std::string::npos ? -1 : std::stod(reply->body.substr(at + name.size() + 2));
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

}  // namespace isochrone::test
