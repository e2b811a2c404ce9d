// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone show`: what the collector knows, a page for people or JSON.
#include <fmt/format.h>

#include <cstdio>

#include "app/api.h"
#include "app/commands.h"
#include "app/render.h"

namespace isochrone::app {
namespace {

Result<std::string> show(const ShowArguments& arguments) {
  auto api = Api::open(arguments.api);
  if (!api) return tl::unexpected(api.error());
  const bool is_of_log = arguments.what == "changes";
  std::string query = "/v1/" + arguments.what;
  if (is_of_log) {
    query += "?since=" + HttpClient::escape(arguments.since);
    if (!arguments.service.empty()) query += "&service=" + HttpClient::escape(arguments.service);
  }
  auto body = api->get(query, is_of_log ? Api::kLogTimeout : Api::kTimeout);
  if (!body || arguments.json) return body;
  return render(*body);
}

}  // namespace

int show_command(const ShowArguments& arguments) {
  const auto text = show(arguments);
  if (!text) return complain(text.error());
  fmt::print("{}{}", *text, text->ends_with('\n') ? "" : "\n");
  return 0;
}

}  // namespace isochrone::app
