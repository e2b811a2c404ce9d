// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone route`: the answer a client gets, or got, and everything it rests on.
#include <fmt/format.h>

#include <cstdio>

#include "app/api.h"
#include "app/commands.h"
#include "app/render.h"

namespace isochrone::app {
namespace {

Result<std::string> route(const RouteArguments& arguments) {
  auto api = Api::open(arguments.api);
  if (!api) return tl::unexpected(api.error());
  std::string query = "/v1/route?";
  if (!arguments.decision.empty()) {
    query += "decision=" + HttpClient::escape(arguments.decision);
  } else {
    query += "address=" + HttpClient::escape(arguments.address);
    if (!arguments.service.empty()) query += "&service=" + HttpClient::escape(arguments.service);
    if (!arguments.at.empty()) query += "&at=" + HttpClient::escape(arguments.at);
  }
  const bool is_of_past = !arguments.decision.empty() || !arguments.at.empty();
  auto body = is_of_past ? api->get(query, Api::kLogTimeout) : api->get(query);
  if (!body || arguments.json) return body;
  return render(*body);
}

}  // namespace

int route_command(const RouteArguments& arguments) {
  const auto text = route(arguments);
  if (!text) return complain(text.error());
  fmt::print("{}{}", *text, text->ends_with('\n') ? "" : "\n");
  return 0;
}

}  // namespace isochrone::app
