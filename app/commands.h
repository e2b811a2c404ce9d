// SPDX-License-Identifier: Apache-2.0
//
// The commands, each with its arguments as the command line gives them.
//
// Every one returns the exit status: 0 done, 1 a clear error on stderr. Wrong usage, 2, is main's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace isochrone::app {

// Where the collector is: its address, or the configuration of a node that knows it.
struct ApiArguments {
  std::string collector;             // http://HOST:PORT
  std::filesystem::path config;      // asked when `collector` is empty
  std::filesystem::path token_file;  // goes before the configuration's
  std::filesystem::path authorities;
};

struct RunArguments {
  std::filesystem::path config;
};
int run_command(const RunArguments& arguments);

struct ReplaceArguments {
  std::filesystem::path config;
  bool detach = false;  // end when the new process is ready, and leave it in the background
};
int replace_command(const ReplaceArguments& arguments);

struct ReloadArguments {
  std::filesystem::path config;
  std::string zone;  // empty: the configuration and all zones
};
int reload_command(const ReloadArguments& arguments);

struct CheckArguments {
  std::filesystem::path config;
  bool explain_keys = false;
};
int check_command(const CheckArguments& arguments);

struct RouteArguments {
  ApiArguments api;
  std::string address;   // or a prefix
  std::string service;   // empty: the only one, or every one
  std::string at;        // a time, or how long ago; empty: now
  std::string decision;  // the id of a decision event, instead of an address
  bool json = false;
};
int route_command(const RouteArguments& arguments);

struct ShowArguments {
  ApiArguments api;
  std::string what;
  std::string since;    // of changes: how long ago, or a time
  std::string service;  // likewise; empty: every one
  bool json = false;
};
int show_command(const ShowArguments& arguments);

struct IngestArguments {
  ApiArguments api;
  std::string file;  // "-": standard input
};
int ingest_command(const IngestArguments& arguments);

struct ReplayArguments {
  ApiArguments api;              // its configuration is the one as it was
  std::filesystem::path log;     // the folder of an event log, instead of the collector
  std::filesystem::path config;  // the one to compare with; empty: the same
  std::vector<std::string> without_sites;
  std::string since;  // a duration or a time
  std::string until;  // empty: now
  bool json = false;
};
int replay_command(const ReplayArguments& arguments);

struct ConfigArguments {
  ApiArguments api;
  std::filesystem::path config;     // of the node that runs
  std::filesystem::path candidate;  // to be compared with it, or taken
  std::string what;                 // "diff", "apply", "confirm" or "undo"
  std::string confirm;              // how long it may stay unconfirmed
  std::string since;                // of the forecast
  bool json = false;
};
int config_command(const ConfigArguments& arguments);

struct TokenArguments {
  std::filesystem::path file;
};
int token_command(const TokenArguments& arguments);

struct SimulateArguments {
  std::vector<std::string> rtt;  // one matrix per slice
  std::string unit = "ms";
  std::string coordinates;  // empty: no map
  std::string sites;        // "20", or rows "3,5,8"; empty: 20, or all of a matrix not square
  unsigned draws = 1;
  unsigned budget = 0;  // paths per client and slice; 0: all
  std::uint64_t seed = 1;
  unsigned rounds = 5;  // of each slice
  double noise_ms = 0;  // mean queueing delay of a probe
  std::size_t from_slice = 1;
  bool json = false;
};
// Empty when the text of --sites means something, else what is wrong with it.
std::string check_sites(const std::string& text);
int simulate_command(const SimulateArguments& arguments);

}  // namespace isochrone::app
