// SPDX-License-Identifier: Apache-2.0
#include "lab/commands.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "base/text.h"

namespace isochrone::lab {
namespace {

using Json = nlohmann::json;

struct Call {
  const CommandContext& lab;
  const Json& request;
};

Result<std::string> text_member(const Json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end() || !found->is_string()) {
    return fail(Errc::invalid, fmt::format("\"{}\" is missing or no string", key));
  }
  return found->get<std::string>();
}

Result<std::size_t> site_member(const Call& call) {
  const auto name = text_member(call.request, "site");
  if (!name) return tl::unexpected(name.error());
  if (const auto site = call.lab.plan.find_site(*name)) return *site;
  return fail(Errc::not_found,
              fmt::format("no site {}; there are s1 to s{}", *name, call.lab.plan.sites()));
}

// A network by its prefix or by any address in it.
Result<std::size_t> network_member(const Call& call) {
  const auto name = text_member(call.request, "network");
  if (!name) return tl::unexpected(name.error());
  const auto prefix = Prefix::parse(*name);
  if (prefix) {
    const auto network = call.lab.plan.network_of(prefix->address());
    if (network && call.lab.plan.networks[*network].contains(*prefix)) return *network;
  }
  return fail(Errc::not_found,
              fmt::format("no client network {}; the first is {}, `lab.json` lists "
                          "all",
                          *name, call.lab.plan.networks.front().to_string()));
}

Json milliseconds(std::optional<Micros> value) {
  if (!value) return nullptr;
  return static_cast<double>(value->count()) / 1000;
}

Result<Json> cut(const Call& call, bool is_cut) {
  const auto site = site_member(call);
  if (!site) return tl::unexpected(site.error());
  call.lab.wan.set_cut(*site, is_cut);
  return Json::object();
}

Result<Json> path(const Call& call) {
  const auto site = site_member(call);
  if (!site) return tl::unexpected(site.error());
  const auto network = network_member(call);
  if (!network) return tl::unexpected(network.error());
  const auto before = call.lab.wan.rtt(*site, *network);
  const auto wanted = call.request.find("rtt-us");
  if (wanted == call.request.end() || wanted->is_null()) {
    call.lab.wan.reset_rtt(*site, *network);
  } else if (wanted->is_number_integer() && wanted->get<std::int64_t>() >= 0 &&
             wanted->get<std::int64_t>() <= kMaxRtt.count()) {
    call.lab.wan.set_rtt(*site, *network, Micros(wanted->get<std::int64_t>()));
  } else {
    return fail(Errc::invalid,
                fmt::format("\"rtt-us\" is a whole number from 0 to {}", kMaxRtt.count()));
  }
  return Json{{"before-ms", milliseconds(before)},
              {"rtt-ms", milliseconds(call.lab.wan.rtt(*site, *network))}};
}

Result<Json> loss(const Call& call) {
  const auto wanted = call.request.find("loss");
  if (wanted == call.request.end() || !wanted->is_number() || wanted->get<double>() < 0 ||
      wanted->get<double>() > 1) {
    return fail(Errc::invalid, "\"loss\" is a number from 0 to 1");
  }
  if (!call.request.contains("site")) {
    call.lab.wan.set_loss(wanted->get<double>());
    return Json::object();
  }
  const auto site = site_member(call);
  if (!site) return tl::unexpected(site.error());
  if (call.request.contains("network")) {
    const auto network = network_member(call);
    if (!network) return tl::unexpected(network.error());
    call.lab.wan.set_loss(*site, *network, wanted->get<double>());
    return Json::object();
  }
  for (std::size_t network = 0; network < call.lab.plan.networks.size(); ++network) {
    call.lab.wan.set_loss(*site, network, wanted->get<double>());
  }
  return Json::object();
}

Result<Json> truth(const Call& call) {
  const auto network = network_member(call);
  if (!network) return tl::unexpected(network.error());
  Json sites = Json::array();
  for (std::size_t site = 0; site < call.lab.plan.sites(); ++site) {
    sites.push_back({{"site", call.lab.plan.nodes[site].name},
                     {"rtt-ms", milliseconds(call.lab.wan.rtt(site, *network))},
                     {"loss", call.lab.wan.loss(site, *network)},
                     {"cut", call.lab.wan.is_cut(site)}});
  }
  return Json{{"network", call.lab.plan.networks[*network].to_string()}, {"sites", sites}};
}

Result<Json> node(const Call& call) {
  const auto name = text_member(call.request, "node");
  if (!name) return tl::unexpected(name.error());
  const auto found = call.lab.plan.find_node(*name);
  if (!found) {
    std::string names;
    for (const Node& each : call.lab.plan.nodes) names += " " + each.name;
    return fail(Errc::not_found, fmt::format("no node {}; there are{}", *name, names));
  }
  return Json{{"pid", call.lab.holders[*found]}};
}

Json describe(const ErrorHistogram& errors) {
  constexpr double kMedian = 0.5;
  constexpr double kTail = 0.99;
  return {{"count", errors.count()},
          {"early", errors.early()},
          {"p50-us", errors.quantile(kMedian).count()},
          {"p99-us", errors.quantile(kTail).count()},
          {"max-us", errors.max().count()}};
}

Json describe(const Emulator::Stats& stats) {
  return {{"read", stats.read},
          {"answered", stats.answered},
          {"forwarded", stats.forwarded},
          {"lost", stats.lost},
          {"silent", stats.silent},
          {"unroutable", stats.unroutable},
          {"malformed", stats.malformed},
          {"overflow", stats.overflow},
          {"write-failed", stats.write_failed}};
}

// What differs from the matrix.
Json changes(const CommandContext& lab) {
  Json paths = Json::array();
  for (std::size_t site = 0; site < lab.plan.sites(); ++site) {
    for (std::size_t network = 0; network < lab.plan.networks.size(); ++network) {
      const auto now = lab.wan.rtt(site, network);
      if (now == lab.wan.original_rtt(site, network)) continue;
      // A person changes a few; a program that changes thousands has its own list.
      constexpr std::size_t kMaxListed = 100;
      if (paths.size() == kMaxListed) return paths;
      paths.push_back({{"site", lab.plan.nodes[site].name},
                       {"network", lab.plan.networks[network].to_string()},
                       {"rtt-ms", milliseconds(now)}});
    }
  }
  return paths;
}

Result<Json> status(const Call& call) {
  Json cut_sites = Json::array();
  for (std::size_t site = 0; site < call.lab.plan.sites(); ++site) {
    if (call.lab.wan.is_cut(site)) cut_sites.push_back(call.lab.plan.nodes[site].name);
  }
  const auto uptime = std::chrono::duration_cast<Millis>(call.lab.now() - call.lab.started);
  Json delay_error = describe(call.lab.emulator.delay_error());
  delay_error["requested-us"] = kYardstickDelay.count();
  return Json{{"uptime-seconds", static_cast<double>(uptime.count()) / 1000},
              {"sites", call.lab.plan.sites()},
              {"networks", call.lab.plan.networks.size()},
              {"realtime", call.lab.is_realtime},
              {"in-flight", call.lab.emulator.in_flight()},
              {"packets", describe(call.lab.emulator.stats())},
              {"timer-error", describe(call.lab.emulator.timer_error())},
              {"delay-error", std::move(delay_error)},
              {"cut-sites", std::move(cut_sites)},
              {"changed-paths", changes(call.lab)}};
}

Result<Json> dispatch(const Call& call) {
  const auto command = text_member(call.request, "command");
  if (!command) return tl::unexpected(command.error());
  if (*command == "status") return status(call);
  if (*command == "truth") return truth(call);
  if (*command == "path") return path(call);
  if (*command == "loss") return loss(call);
  if (*command == "node") return node(call);
  if (*command == "cut") return cut(call, true);
  if (*command == "restore") return cut(call, false);
  if (*command == "stop") {
    call.lab.stop();
    return Json::object();
  }
  return fail(Errc::invalid, "unknown command " + *command);
}

}  // namespace

std::string execute(const CommandContext& context, std::string_view request) {
  const Json parsed = Json::parse(request, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return R"({"error":"a request is one JSON object"})";
  auto answer = dispatch({context, parsed});
  if (!answer)
    answer = Json{{"error", answer.error().text()}};
  else
    (*answer)["ok"] = true;
  return answer->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace isochrone::lab
