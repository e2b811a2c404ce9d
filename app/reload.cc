// SPDX-License-Identifier: Apache-2.0
//
// The command `isochrone reload`: the running process reads its files again, and says what is wrong.
#include <fmt/format.h>

#include <cstdio>

#include "app/commands.h"
#include "app/config.h"
#include "app/control.h"
#include "base/text.h"

namespace isochrone::app {

int reload_command(const ReloadArguments& arguments) {
  const auto print = [](const std::vector<Error>& errors) {
    for (const Error& error : errors) fmt::print(stderr, "{}\n", error.text());
    return errors.empty() ? 0 : 1;
  };
  const auto config = load_config(arguments.config);
  if (!config) return print(config.error());
  std::string zone = to_lower(std::string_view(arguments.zone));
  if (zone.size() > 1 && zone.ends_with('.')) zone.pop_back();
  return print(ask_to_reload(config->node.state_dir, zone));
}

}  // namespace isochrone::app
