// SPDX-License-Identifier: Apache-2.0
//
// The commands `isochrone key ...`: the DNSSEC keys of the zones of a configuration.
//
// Exit:    0 done, 1 a clear error on stderr.
// Running: a node sees changed key files when it reloads, and by itself within an hour.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace isochrone::app {

struct KeyArguments {
  std::filesystem::path config;
  std::string zone;
  std::string algorithm;  // empty: the zone's
  std::string after;      // a duration; empty: the command's own
  std::uint16_t tag = 0;
  bool json = false;
};

int key_generate_command(const KeyArguments& arguments);
int key_ds_command(const KeyArguments& arguments);
int key_show_command(const KeyArguments& arguments);
int key_roll_command(const KeyArguments& arguments);
int key_retire_command(const KeyArguments& arguments);

}  // namespace isochrone::app
