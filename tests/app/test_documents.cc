// SPDX-License-Identifier: Apache-2.0
//
// What is shipped beside the program agrees with it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "app/config.h"
#include "app/config_schema.h"

namespace isochrone::app {
namespace {

const std::string kRoot = ISOCHRONE_SOURCE_DIR;

std::string read(const std::string& file) {
  std::ifstream stream(kRoot + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Documents, TheManualPageHasEveryKey) {
  EXPECT_NE(read("/docs/man/isochrone.conf.5").find(keys_as_mdoc()), std::string::npos)
      << "put the output of `isochrone check --explain-keys` into docs/man/isochrone.conf.5";
}

TEST(Documents, TheManualPageHasEveryCommandAndFlag) {
  const std::string page = read("/docs/man/isochrone.1");
  for (const char* command : {"run", "replace", "reload", "check", "route", "show", "ingest",
                              "token", "key", "config", "replay", "simulate", "lab"}) {
    EXPECT_NE(page.find(std::string(".It Cm ") + command + "\n"), std::string::npos) << command;
  }
  for (const char* flag :
       {"config",   "detach",    "collector", "service", "json",    "explain-keys", "token-file",
        "ca",       "algorithm", "after",     "since",   "until",   "without-site", "at",
        "decision", "confirm",   "baseline",  "log",     "version", "help"}) {
    EXPECT_NE(page.find(std::string("Fl Fl ") + flag), std::string::npos) << flag;
  }
}

TEST(Documents, TheConfigurationThatIsInstalledIsRight) {
  const auto config = load_config(kRoot + "/packaging/isochrone.yaml");
  if (!config) {
    for (const Error& error : config.error()) ADD_FAILURE() << error.text();
    return;
  }
  EXPECT_TRUE(config->node.has_dns && config->node.has_collector && config->node.has_prober);
}

}  // namespace
}  // namespace isochrone::app
