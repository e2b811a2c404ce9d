// SPDX-License-Identifier: Apache-2.0
//
// The commands, each with its arguments as the command line gives them.
//
// Every one returns the exit status: 0 done, 1 a clear error on stderr. Wrong usage, 2, is main's.
#pragma once

#include <filesystem>
#include <string>

namespace isochrone::app {

// Where the collector is: its address, or the configuration of a node that knows it.
struct ApiArguments {
  std::string collector;         // http://HOST:PORT
  std::filesystem::path config;  // asked when `collector` is empty
};

struct RunArguments {
  std::filesystem::path config;
};
int run_command(const RunArguments& arguments);

struct CheckArguments {
  std::filesystem::path config;
  bool explain_keys = false;
};
int check_command(const CheckArguments& arguments);

struct RouteArguments {
  ApiArguments api;
  std::string address;  // or a prefix
  std::string service;  // empty: the only one, or every one
  bool json = false;
};
int route_command(const RouteArguments& arguments);

struct ShowArguments {
  ApiArguments api;
  std::string what;
  bool json = false;
};
int show_command(const ShowArguments& arguments);

struct IngestArguments {
  ApiArguments api;
  std::string file;  // "-": standard input
};
int ingest_command(const IngestArguments& arguments);

}  // namespace isochrone::app
