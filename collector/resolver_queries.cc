// SPDX-License-Identifier: Apache-2.0
//
// What can be asked about resolvers: who is behind each, and what that comes to.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "collector/queries.h"

namespace isochrone::collector {
namespace {

using nlohmann::json;

constexpr std::size_t kDefaultPage = 1'000;
constexpr std::size_t kLargestPage = 100'000;

std::string parameter(const HttpRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

json to_json(const Address& resolver, const ResolverMap::Mix& mix, const Core& core) {
  const auto tasks = [](std::uint64_t weight) {
    return static_cast<double>(weight) / ResolverMap::kTask;
  };
  json networks = json::array();
  for (const ResolverMap::Share& share : mix.shares) {
    networks.push_back({{"prefix", share.network.to_string()}, {"tasks", tasks(share.weight)}});
  }
  json preferences = json::object();
  const auto* row = core.state().find({resolver, resolver.width()});
  if (row != nullptr) {
    for (const routing::Preference& held : row->preferences) {
      preferences[core.topology().services[held.service.index()].name] =
          core.topology().sites[held.site.index()].name;
    }
  }
  return {{"resolver", resolver.to_string()},
          {"tasks", tasks(mix.weight())},
          {"networks", std::move(networks)},
          {"sites", std::move(preferences)}};
}

}  // namespace

HttpResponse query_resolvers(Engine& engine, const HttpRequest& request) {
  const auto limit = parse_number<std::size_t>(parameter(request, "limit"));
  const auto after = Address::parse(parameter(request, "after"));
  if ((!limit && !parameter(request, "limit").empty()) || limit == std::size_t{0}) {
    return http_error(400, "limit=" + parameter(request, "limit") + " is no page size");
  }
  if (!after && !parameter(request, "after").empty()) {
    return http_error(400, "after=" + parameter(request, "after") + " is no address");
  }
  const std::size_t most = std::min(limit.value_or(kDefaultPage), kLargestPage);
  const Core& core = engine.core();
  const auto& mixes = core.resolvers().mixes();
  json body{{"generation", core.generation()}, {"resolvers", json::array()}};
  auto at = after ? mixes.upper_bound(*after) : mixes.begin();
  for (; at != mixes.end() && body["resolvers"].size() < most; ++at) {
    body["resolvers"].push_back(to_json(at->first, at->second, core));
  }
  if (at != mixes.end()) body["next"] = body["resolvers"].back()["resolver"];
  body["total"] = mixes.size();
  HttpResponse response;
  response.body = body.dump() + "\n";
  return response;
}

}  // namespace isochrone::collector
