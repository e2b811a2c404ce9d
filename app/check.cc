// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone check`: what `run` would refuse, without opening a socket.
#include <fmt/format.h>

#include <cstdio>

#include "app/commands.h"
#include "app/config.h"
#include "app/config_schema.h"
#include "dns/server.h"

namespace isochrone::app {
namespace {

std::vector<Error> errors_of(const std::filesystem::path& file) {
  const auto config = load_config(file);
  if (!config) return config.error();
  // A collector or prober alone needs no zones; where they are listed they are checked all the same.
  if (!config->node.has_dns && config->dns.zones.empty()) return {};
  return dns::check_zones(config->dns, config->topology);
}

}  // namespace

int check_command(const CheckArguments& arguments) {
  if (arguments.explain_keys) {
    fmt::print("{}", keys_as_mdoc());
    return 0;
  }
  const auto errors = errors_of(arguments.config);
  for (const Error& error : errors) fmt::print(stderr, "{}\n", error.text());
  if (!errors.empty()) {
    fmt::print(stderr, "{}: {} error{}\n", arguments.config.string(), errors.size(),
               errors.size() == 1 ? "" : "s");
    return 1;
  }
  fmt::print("{}: ok\n", arguments.config.string());
  return 0;
}

}  // namespace isochrone::app
